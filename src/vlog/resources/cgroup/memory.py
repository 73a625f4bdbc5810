"""The memory limit that control groups set to this process.

A group's limit binds all groups below it, so that every level counts, up to the highest that can be
seen. In version 1 that holds where `use_hierarchy` is on: systemd and Docker have it so, and
kernels from 5.11 on know nothing else.

Sources: https://docs.kernel.org/admin-guide/cgroup-v2.html and
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from vlog.resources.cgroup.own import OwnGroups, kept, number_of, value_of
from vlog.resources.files import ROOT, KeptFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from vlog.resources.cgroup.tree import Group, Hierarchy

# Version 1 has no word for "no limit", but the largest number of whole pages in 63 bits.
_NO_LIMIT = 2**62


class MemoryLimit(NamedTuple):
    """The limit that leaves the least.

    Attributes:
        limit_bytes: The limit, above 0.
        used_bytes: What all processes of that group use, without the page cache of files
            (`inactive_file` and `active_file`), which the kernel takes back before it kills.
            `docker stats` and Kubernetes leave out the inactive part alone: there, a data set
            that is read a second time looks like a full memory. The kernel's own cache
            (`slab_reclaimable`) counts as used.
        path: The group whose limit it is, as the kernel names it.
        oom_kills: Processes killed for memory so far: in version 2 of this process's own group and
            those below it, in version 1 of its own group alone. None where the kernel does not
            count them (before 4.13).

    Sources: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/ and
    https://docs.docker.com/reference/cli/docker/container/stats/
    """

    limit_bytes: int
    used_bytes: int
    path: str
    oom_kills: int | None


class CgroupMemory:
    """The tightest memory limit of this process.

    `memory.high` is no limit but a brake: a group above it is slowed down, not killed. Limits of
    memory and swap together are left out as well.

    Args:
        root: Where `/proc` and `/sys` are.
        monotonic: Tells when, in seconds.
    """

    def __init__(
        self, root: Path = ROOT, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._groups = OwnGroups(("memory",), _keep, root, monotonic)

    def read(self, host_total_bytes: int) -> MemoryLimit | None:
        """Return the limit that leaves the least; None where none is below the host's total.

        Of limits that leave the same, it is the smallest one.

        Args:
            host_total_bytes: The memory of the host.

        Raises:
            OSError: a file that is there cannot be read.
            ValueError: it says something else than the kernel would.
        """
        return self._groups.read(lambda files: _tightest(files, host_total_bytes))


class _Names(NamedTuple):
    limit: str
    usage: str
    cache: tuple[bytes, ...]  # in memory.stat, where the groups below are in it as in the usage
    events: str


_NAMES = {
    1: _Names(
        limit="memory.limit_in_bytes",
        usage="memory.usage_in_bytes",
        cache=(b"total_inactive_file", b"total_active_file"),
        events="memory.oom_control",
    ),
    2: _Names(
        limit="memory.max",
        usage="memory.current",
        cache=(b"inactive_file", b"active_file"),
        events="memory.events",
    ),
}


class _Level:
    """The files of one group."""

    def __init__(self, group: Group, names: _Names) -> None:
        self.path = group.path
        self._limit = KeptFile(group.folder / names.limit)
        self._usage = KeptFile(group.folder / names.usage)
        self._stat = kept(group.folder / "memory.stat")  # not every sandbox has it
        self._cache = names.cache

    def limit(self) -> int | None:
        content = self._limit.read()
        if content.strip() == b"max":
            return None
        limit = number_of(content, self._limit)
        return limit if limit < _NO_LIMIT else None

    def used(self) -> int:
        usage = number_of(self._usage.read(), self._usage)
        if self._stat is None:
            return usage
        content = self._stat.read()
        # What is not there is not taken away.
        cache = sum(value_of(name, content, self._stat) or 0 for name in self._cache)
        return max(usage - cache, 0)


class _Files(NamedTuple):
    levels: list[_Level]
    events: KeptFile | None


def _keep(hierarchies: Mapping[str, Hierarchy]) -> _Files:
    """Return the levels that have a limit now, and who counts the kills."""
    hierarchy = hierarchies.get("memory")
    if hierarchy is None:
        return _Files([], None)
    names = _NAMES[hierarchy.version]
    levels = [
        _Level(group, names)
        for group in hierarchy.groups
        if (group.folder / names.limit).exists()  # the root of version 2 has none
    ]
    own = hierarchy.groups[0]
    return _Files(
        [level for level in levels if level.limit() is not None], kept(own.folder / names.events)
    )


def _tightest(files: _Files, host_total_bytes: int) -> MemoryLimit | None:
    found = []
    for level in files.levels:
        limit = level.limit()
        if limit is not None and 0 < limit < host_total_bytes:
            used = level.used()
            found.append((limit - used, limit, used, level.path))
    if not found:
        return None
    _, limit, used, path = min(found, key=lambda each: each[:2])
    return MemoryLimit(limit, used, path, _kills(files.events))


def _kills(events: KeptFile | None) -> int | None:
    return None if events is None else value_of(b"oom_kill", events.read(), events)
