"""Which processes are below this one, found with few calls.

Source: https://man7.org/linux/man-pages/man5/proc_tid_children.5.html.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from vlog.resources.files import ROOT, KeptFile
from vlog.resources.process import parse_stat

if TYPE_CHECKING:
    from pathlib import Path

_THOROUGH_SECONDS = 30.0
_LONG = 3_000  # bytes: the kernel may have more of such a list to give
MOST_KEPT = 32  # processes with files kept open: descriptors are the training's, and limited
_EVEN_CLONES = 0x40000000  # __WALL of Linux: children that send another signal at their end, too
ENDED = (FileNotFoundError, ProcessLookupError)
"""What reading of a process raises that is gone."""


def has_children() -> bool:
    """Return whether this process has a child, in one call and without reaping it."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT | _EVEN_CLONES
    try:
        os.waitid(os.P_ALL, 0, options)
    except ChildProcessError:
        return False
    return True


class Descendants:
    """Find the children of this process, theirs, and so on.

    The kernel keeps a list of children for each *thread*. Most threads never have one, so all
    threads are looked at only when their process is new, and every 30 s; between, the main
    threads and those that had children then. So what another thread starts is found 30 s later
    at most. Where the kernel has no such lists, all processes are looked through every 30 s.

    Args:
        root: Where `/proc` is.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._proc = root / "proc"
        self._lists: dict[int, list[KeptFile]] = {}
        self._last: list[int] = []
        self._due = 0.0
        own = str(os.getpid())
        self._has_lists = (self._proc / own / "task" / own / "children").exists()

    def find(self) -> list[int]:
        """Return their pids, parents first, each once. Some may have ended by now."""
        now = time.perf_counter()
        is_thorough = now >= self._due or not self._last
        if is_thorough:
            self._due = now + _THOROUGH_SECONDS
        if self._has_lists:
            self._last = self._find_by_lists(is_thorough=is_thorough)
        elif is_thorough:
            self._last = find_by_parents(self._proc, os.getpid())
        return self._last

    def _find_by_lists(self, *, is_thorough: bool) -> list[int]:
        found = {os.getpid(): None}  # a dict keeps the order
        lists = {}
        todo = list(found)
        for number, pid in enumerate(todo):  # it grows meanwhile
            kept = None if is_thorough else self._lists.get(pid)
            if kept is None:
                children, kept = self._look_at_all(pid)
            else:
                children = _look_at(kept)
            lists[pid] = kept if number < MOST_KEPT else [KeptFile(each.path) for each in kept]
            new = [child for child in children if child not in found]
            found.update(dict.fromkeys(new))
            todo += new
        self._lists = lists
        return todo[1:]

    def _look_at_all(self, pid: int) -> tuple[list[int], list[KeptFile]]:
        """Return the children of all threads of `pid`, and the lists to look at from now on."""
        tasks = self._proc / str(pid) / "task"
        children, kept = [], []
        try:
            threads = list(tasks.iterdir())
        except ENDED:
            return [], []
        for thread in threads:
            file = KeptFile(thread / "children")
            found = _look_at([file])
            children += found
            if found or thread.name == str(pid):
                kept.append(file)
        return children, kept


def _look_at(lists: list[KeptFile]) -> list[int]:
    found: list[int] = []
    for each in lists:
        try:
            content = each.read()
            if len(content) > _LONG:
                content = KeptFile(each.path, is_long=True).read()
        except ENDED:
            continue  # the thread: its children have another now
        found += map(int, content.split())
    return found


def find_by_parents(proc: Path, pid: int) -> list[int]:
    """Return the pids of all processes below `pid`, from the parent that each one names."""
    children: dict[int, list[int]] = {}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            try:
                parent = parse_stat((folder / "stat").read_bytes()).parent
            except ENDED:
                continue
            children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for each in found:  # it grows meanwhile
        found += children.get(each, ())
    return found[1:]
