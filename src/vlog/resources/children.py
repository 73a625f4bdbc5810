"""All processes below this one, summed: DataLoader workers above all.

Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html and proc_pid_io(5).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vlog.resources.descendants import ENDED, MOST_KEPT, Descendants, has_children
from vlog.resources.files import ROOT, KeptFile, table_of
from vlog.resources.process import parse_stat
from vlog.resources.rates import Rates
from vlog.resources.source import Fields
from vlog.resources.units import as_gb, as_mb, as_number, sum_known

if TYPE_CHECKING:
    from pathlib import Path

_ZOMBIES = (b"Z", b"X")
_WAYS = ("read", "write")


class Children:
    """Sum what the processes below this one use.

    A rate is the sum of the rates of those that were there at the reading before, too, so that it
    does not fall when one ends.

    Args:
        root: Where `/proc` is.
    """

    name = "children"
    can_block = True
    pace_seconds = 5.0  # it takes three calls for each process

    def __init__(self, root: Path = ROOT) -> None:
        self._proc = root / "proc"
        self._descendants = Descendants(root)
        self._known: dict[int, _Child] = {}

    def read(self) -> Fields:
        """Return the fields of `children`; only `count`, where there is none."""
        before = self._known
        self._known = self._find() if has_children() else {}
        for pid, child in before.items():
            parent = self._known.get(child.stat.parent)
            if parent is not None and self._known.get(pid) is not child:
                parent.inherit(child)
        return _sum([child for child in self._known.values() if child.is_alive])

    def _find(self) -> dict[int, _Child]:
        found = {}
        for number, pid in enumerate(self._descendants.find()):
            folder = self._proc / str(pid)
            try:
                child = self._known.get(pid)
                if child is None or not child.read():
                    child = _Child(folder)
            except ENDED:
                continue  # in between, which is nobody's fault
            found[pid] = child
            if number >= MOST_KEPT:
                child.close()
        return found


class _Child:
    """One process, read once at construction.

    Args:
        folder: Its folder in /proc.

    Attributes:
        stat: What its `stat` said last.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rates = Rates()
        self._io: dict[str, int] | Exception = {}
        self._inherited = dict.fromkeys(_WAYS, 0)
        self.close()
        self._take(self._stat_file.read())

    def close(self) -> None:
        """Open its files anew at the next reading."""
        self._stat_file = KeptFile(self._folder / "stat")
        self._io_file = KeptFile(self._folder / "io")

    def read(self) -> bool:
        """Read it again; return whether it is still the same process, not one with its old pid."""
        content = self._stat_file.read()
        is_same = parse_stat(content).started == self.stat.started
        if is_same:
            self._take(content)
        return is_same

    def _take(self, content: bytes) -> None:
        self.stat = parse_stat(content)
        self._read_at = time.perf_counter()
        self.is_alive = self.stat.state not in _ZOMBIES
        if self.is_alive:
            try:
                table = table_of(self._io_file.read())
                self._io = {way: int(table[f"{way}_bytes".encode()]) for way in _WAYS}
            except ENDED:
                raise
            except Exception as error:  # noqa: BLE001 - it costs these fields, see `io_rate`
                self._io = error

    def inherit(self, child: _Child) -> None:
        """Leave out what `child` had read and written: it is counted in here since it was reaped.

        Source: `wait_task_zombie` in https://github.com/torvalds/linux/blob/v6.12/kernel/exit.c.
        """
        if isinstance(child._io, dict):
            for way, counter in child._io.items():
                self._inherited[way] += counter

    def cpu_rate(self) -> float | None:
        """Return how many cores it kept busy."""
        return self._rates.of("cpu", self.stat.cpu_seconds, self._read_at)

    def io_rate(self, way: str) -> float | None:
        """Return bytes per second; raise why they cannot be told."""
        if isinstance(self._io, Exception):
            raise self._io
        return self._rates.of(way, self._io[way] - self._inherited[way], self._read_at)


def _sum(alive: list[_Child]) -> Fields:
    fields = Fields({"count": len(alive)})
    if alive:
        fields.values["memory_gb"] = as_gb(sum(child.stat.resident_bytes for child in alive))
        fields.values["threads"] = sum(child.stat.threads for child in alive)
        fields.add("cpu_percent", _cpu_percent, alive)
        for way in _WAYS:
            fields.add(f"{way}_mb_per_second", _mb_per_second, alive, way)
    return fields


def _cpu_percent(alive: list[_Child]) -> float | None:
    cores = sum_known(child.cpu_rate() for child in alive)
    return None if cores is None else as_number(100 * cores)


def _mb_per_second(alive: list[_Child], way: str) -> float | None:
    return as_mb(sum_known(child.io_rate(way) for child in alive))
