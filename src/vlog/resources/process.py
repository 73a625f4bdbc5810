"""This process: what the kernel counts of it, and Python's garbage collector.

Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html and getrusage(2).
"""

from __future__ import annotations

import gc
import os
import resource
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from vlog.resources.files import ROOT, KeptFile
from vlog.resources.rates import Rates
from vlog.resources.source import Fields
from vlog.resources.units import as_gb, as_mb, as_number, as_percent, known

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_BLOCK = 512  # bytes in the blocks of getrusage
_LISTING_SECONDS = 30.0


class ProcessStat(NamedTuple):
    """What /proc/<pid>/stat says of a process with all its threads."""

    state: bytes
    parent: int
    cpu_seconds: float
    threads: int
    started: int
    """Clock ticks since the machine started: two processes with one pid differ in it."""
    resident_bytes: int


def parse_stat(content: bytes) -> ProcessStat:
    """Return the facts in the content of /proc/<pid>/stat."""
    # The second word is the program's name, which may hold spaces and parentheses itself.
    words = content[content.rindex(b")") + 1 :].split()
    return ProcessStat(
        state=words[0],
        parent=int(words[1]),
        cpu_seconds=(int(words[11]) + int(words[12])) / TICKS_PER_SECOND,
        threads=int(words[17]),
        started=int(words[19]),
        resident_bytes=int(words[21]) * PAGE,
    )


class OwnProcess:
    """Memory, processor time, threads, descriptors and I/O of this process.

    Args:
        root: Where `/proc` is.
        total_memory_bytes: Tells what `memory_percent` is a share of; it is left out where that
            is None.
    """

    name = "process"
    can_block = False

    def __init__(
        self, root: Path = ROOT, total_memory_bytes: Callable[[], int | None] = lambda: None
    ) -> None:
        self._memory = KeptFile(root / "proc/self/statm")
        self._stat = KeptFile(root / "proc/self/stat")
        self._total = total_memory_bytes
        self._descriptors = Descriptors(root)
        self._rates = Rates()

    def read(self) -> Fields:
        """Return the fields of `process`; those that are rates from the second time on."""
        fields = Fields()
        fields.merge("memory_gb", self._read_memory)
        fields.merge("cpu_percent", self._read_usage)
        fields.add("threads", self._count_threads)
        fields.add("open_files", self._descriptors.count)
        fields.add("gc_collections", collections)
        return fields

    def _read_memory(self) -> dict[str, Any]:
        # Not from `stat`: since Linux 6.2 that one may be off by some MB for each core.
        resident = int(self._memory.read().split(None, 2)[1]) * PAGE
        total = self._total()
        share = as_percent(resident / total) if total else None
        return known({"memory_gb": as_gb(resident), "memory_percent": share})

    def _read_usage(self) -> dict[str, Any]:
        """Read what getrusage tells: it is exact, opens no file and keeps the GIL.

        /proc/self/io would not do: there, all that a child ever read and wrote is added to its
        parent at the moment when it is reaped. `RUSAGE_SELF` has this process alone.
        """
        usage, now = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        cpu = self._rates.of("cpu", usage.ru_utime + usage.ru_stime, now)
        faults = self._rates.of("faults", usage.ru_majflt, now)
        read = self._rates.of("read", usage.ru_inblock * _BLOCK, now)
        write = self._rates.of("write", usage.ru_oublock * _BLOCK, now)
        return known(
            {
                "cpu_percent": None if cpu is None else as_number(100 * cpu),
                "read_mb_per_second": as_mb(read),
                "write_mb_per_second": as_mb(write),
                "major_faults_per_second": as_number(faults),
            }
        )

    def _count_threads(self) -> int:
        return parse_stat(self._stat.read()).threads


class Descriptors:
    """Count the open descriptors of this process.

    Args:
        root: Where `/proc` is.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._folder = root / "proc/self/fd"
        self._listed = 0
        self._due = 0.0

    def count(self) -> int:
        """Return how many there are: now, or at most 30 s ago where the kernel is an old one."""
        told = os.stat(self._folder).st_size  # noqa: PTH116 - one call, without pathlib's own cost
        if told:
            return told  # Linux 6.2 and newer
        now = time.perf_counter()
        if now >= self._due:
            # Python gives the GIL away at each entry of a listing, and waits to get it back.
            self._listed = sum(1 for _ in self._folder.iterdir()) - 1  # one is the listing's own
            self._due = now + _LISTING_SECONDS
        return self._listed


def collections() -> list[int]:
    """Return how often the garbage collector has run, by generation."""
    return [generation["collections"] for generation in gc.get_stats()]
