"""Processes and their threads as /proc tells of them, laid out in a folder."""

from __future__ import annotations

import os
import shutil

from kernel_files import write

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessTree:
    """A /proc in the folder `root`, that tests change by hand."""

    def __init__(self, root):
        self.root = root

    def process(
        self, pid, parent=1, *, started=1, state="S", threads=1, seconds=0.0, resident=0, read=0,
        written=0,
    ):  # fmt: skip
        """Add a process, or let one have these counters."""
        ticks = int(seconds * TICKS)
        stat = (
            f"{pid} (a (b) c) {state} {parent} {pid} {pid} 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 "
            f"{threads} 0 {started} 1000 {resident // PAGE} 0 0 0\n"
        )
        io = f"rchar: 5\nwchar: 5\nread_bytes: {read}\nwrite_bytes: {written}\n"
        write(self.root, {f"proc/{pid}/stat": stat, f"proc/{pid}/io": io})
        if not (self.root / f"proc/{pid}/task/{pid}").exists():
            self.children(pid)

    def children(self, pid, *pids, thread=None):
        """Let a thread (the main one, if left out) have these children."""
        name = f"proc/{pid}/task/{thread or pid}/children"
        write(self.root, {name: "".join(f"{each} " for each in pids)})

    def end(self, pid):
        shutil.rmtree(self.root / f"proc/{pid}")

    def end_thread(self, pid, thread):
        shutil.rmtree(self.root / f"proc/{pid}/task/{thread}")

    def without_lists(self):
        """Be a kernel that was built without CONFIG_PROC_CHILDREN."""
        for file in self.root.glob("proc/*/task/*/children"):
            file.unlink()


def forget_deleted_files(monkeypatch):
    """Let a file that was deleted raise like those of a process that has ended."""
    real = os.pread

    def pread(descriptor, size, offset):
        if os.fstat(descriptor).st_nlink == 0:
            raise ProcessLookupError
        return real(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", pread)
