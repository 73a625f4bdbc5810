"""The processor time that control groups allow this process: their quotas.

A group's quota binds all groups below it, so that every level counts, up to the highest that can be
seen.

Sources: https://docs.kernel.org/admin-guide/cgroup-v2.html,
https://docs.kernel.org/scheduler/sched-bwc.html and
https://docs.kernel.org/admin-guide/cgroup-v1/cpuacct.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vlog.resources.cgroup.own import OwnGroups, kept, number_of, value_of
from vlog.resources.files import ROOT, KeptFile
from vlog.resources.source import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from vlog.resources.cgroup.tree import Group, Hierarchy


class CpuLimit(NamedTuple):
    """The smallest quota.

    Attributes:
        cores: How many cores it is worth: time per period.
        used_seconds: Processor time that all processes of that group have had so far.
        throttled_periods: Periods so far in which some of the group had to wait for the next one.
        periods: Periods so far in which it ran. Both are 0 where nobody counts them.
        path: The group whose quota it is, as the kernel names it.
    """

    cores: float
    used_seconds: float
    throttled_periods: int
    periods: int
    path: str


class CgroupCpu:
    """The smallest quota of processor time of this process.

    Args:
        root: Where `/proc` and `/sys` are.
        monotonic: Tells when, in seconds.
    """

    def __init__(
        self, root: Path = ROOT, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._groups = OwnGroups(("cpu", "cpuacct"), _keep, root, monotonic)

    def read(self, host_cores: int) -> CpuLimit | None:
        """Return the smallest quota; None where none is below the cores of the host.

        Of equal quotas it is the highest group's, as its time has that of the others in it.

        Args:
            host_cores: The cores of the host.

        Raises:
            OSError: a file that is there cannot be read.
            Unavailable: nobody counts the time of that group.
            ValueError: a file says something else than the kernel would.
        """
        return self._groups.read(lambda levels: _smallest(levels, host_cores))


class _Level(Protocol):
    """The files of one group."""

    def cores(self) -> float | None:
        """Return what the quota is worth; None where there is none."""
        ...

    def limit(self, cores: float) -> CpuLimit:
        """Return the quota of `cores` with what was used of it."""
        ...


class _Level1:
    def __init__(self, group: Group, accounting: Group | None) -> None:
        self._path = group.path
        self._quota = KeptFile(group.folder / "cpu.cfs_quota_us")
        self._period = KeptFile(group.folder / "cpu.cfs_period_us")
        self._stat = kept(group.folder / "cpu.stat")  # not every sandbox has it
        self._usage = None if accounting is None else kept(accounting.folder / "cpuacct.usage")

    def cores(self) -> float | None:
        quota = number_of(self._quota.read(), self._quota)
        return quota / number_of(self._period.read(), self._period) if quota > 0 else None

    def limit(self, cores: float) -> CpuLimit:
        if self._usage is None:
            raise Unavailable(f"cpuacct does not count the time of the group {self._path}")
        used = number_of(self._usage.read(), self._usage) / 1e9
        throttled = (0, 0) if self._stat is None else _throttled(self._stat.read(), self._stat)
        return CpuLimit(cores, used, *throttled, self._path)


class _Level2:
    def __init__(self, group: Group) -> None:
        self._path = group.path
        self._max = KeptFile(group.folder / "cpu.max")
        self._stat = KeptFile(group.folder / "cpu.stat")

    def cores(self) -> float | None:
        quota, _, period = self._max.read().strip().partition(b" ")
        if quota == b"max":
            return None
        return number_of(quota, self._max) / number_of(period, self._max)

    def limit(self, cores: float) -> CpuLimit:
        stat = self._stat.read()
        used = value_of(b"usage_usec", stat, self._stat)
        if used is None:
            raise Unavailable(f"cpu.stat does not count the time of the group {self._path}")
        return CpuLimit(cores, used / 1e6, *_throttled(stat, self._stat), self._path)


def _throttled(stat: bytes, file: KeptFile) -> tuple[int, int]:
    """Return how many periods were throttled, and of how many."""
    return value_of(b"nr_throttled", stat, file) or 0, value_of(b"nr_periods", stat, file) or 0


def _keep(hierarchies: Mapping[str, Hierarchy]) -> list[_Level]:
    """Return the levels that have a quota now, the highest first."""
    hierarchy = hierarchies.get("cpu")
    if hierarchy is None:
        return []
    levels = _levels2(hierarchy) if hierarchy.version == 2 else _levels1(hierarchy, hierarchies)
    return [level for level in levels if level.cores() is not None][::-1]


def _levels1(hierarchy: Hierarchy, hierarchies: Mapping[str, Hierarchy]) -> list[_Level]:
    # Another controller counts the time; it may be mounted elsewhere, with groups of its own.
    accounting = hierarchies.get("cpuacct")
    by_path = {} if accounting is None else {group.path: group for group in accounting.groups}
    return [
        _Level1(group, by_path.get(group.path))
        for group in hierarchy.groups
        if (group.folder / "cpu.cfs_quota_us").exists()
    ]


def _levels2(hierarchy: Hierarchy) -> list[_Level]:
    # The root has none, nor has a group that the controller is not handed down to.
    return [_Level2(group) for group in hierarchy.groups if (group.folder / "cpu.max").exists()]


def _smallest(levels: list[_Level], host_cores: int) -> CpuLimit | None:
    quotas = [(cores, level) for level in levels if (cores := level.cores()) is not None]
    if not quotas:
        return None
    cores, level = min(quotas, key=lambda each: each[0])
    return level.limit(cores) if cores < host_cores else None
