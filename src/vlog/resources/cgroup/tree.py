"""Where the control groups of this process are: version 1 and 2, each from its mount to its own.

Sources: cgroups(7), cgroup_namespaces(7) and proc_pid_mountinfo(5), at
https://man7.org/linux/man-pages/
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Group(NamedTuple):
    """One control group.

    Attributes:
        folder: Where its files are.
        path: Its name for the kernel, as this process sees it: `/` may be a container's own group.
    """

    folder: Path
    path: str


class Hierarchy(NamedTuple):
    """The groups that hold this process and have one controller.

    Attributes:
        version: 1 or 2, which tells the names of their files.
        groups: Its own first, the highest that is mounted last; at least one.
    """

    version: int
    groups: tuple[Group, ...]


def find_hierarchy(
    controller: str, membership: bytes, mounts: bytes, root: Path
) -> Hierarchy | None:
    """Return the groups of this process that `controller` may be on; None where none is mounted.

    Args:
        controller: Its name, like `memory`.
        membership: The content of `/proc/self/cgroup`.
        mounts: The content of `/proc/self/mountinfo`.
        root: Where the mount points hang under.
    """
    version, own = _own_path(controller.encode(), membership)
    found = [
        groups
        for mount in _mounts(mounts)
        if mount.version == version and (version == 2 or controller.encode() in mount.controllers)
        if (groups := _groups(own, mount, root)) and groups[0].folder.is_dir()
    ]
    # A group can be seen through several mounts: a container's, say, and the host's within it.
    return Hierarchy(version, max(found, key=len)) if found else None


class _Mount(NamedTuple):
    version: int
    controllers: list[bytes]
    top: bytes
    point: bytes


def _own_path(controller: bytes, membership: bytes) -> tuple[int, bytes]:
    """Return the version that has the controller, and the group of this process in it.

    A controller is on one version only: on 2, unless a line for 1 names it.
    """
    unified = b""
    for line in membership.split(b"\n"):
        number, _, rest = line.partition(b":")
        controllers, _, path = rest.partition(b":")
        if controller in controllers.split(b","):
            return 1, path
        if number == b"0" and not controllers:
            unified = path
    return 2, unified


def _mounts(content: bytes) -> Iterator[_Mount]:
    for line in content.split(b"\n"):
        if b" - cgroup" not in line:
            continue
        before, _, after = line.partition(b" - ")
        kind, _, options = after.split(b" ", 2)
        _, _, _, top, point = before.split(b" ")[:5]
        version = {b"cgroup": 1, b"cgroup2": 2}.get(kind, 0)
        yield _Mount(version, options.split(b","), _unescaped(top), _unescaped(point))


def _groups(own: bytes, mount: _Mount, root: Path) -> tuple[Group, ...]:
    """Return the group `own` and those above it, as far as `mount` shows them.

    Both names begin at the root of this process's namespace. What lies above that is `..`, so a
    mount from higher up shows the group under a name that nobody tells: it is no use then.
    """
    names, top = _names(own), _names(mount.top)
    below = names[len(top) :]
    if not own or names[: len(top)] != top or b".." in below:
        return ()
    point = root / os.fsdecode(mount.point.lstrip(b"/"))
    return tuple(
        Group(point.joinpath(*map(os.fsdecode, below[:size])), _path([*top, *below[:size]]))
        for size in range(len(below), -1, -1)
    )


def _names(path: bytes) -> list[bytes]:
    return [name for name in path.split(b"/") if name]


def _path(names: list[bytes]) -> str:
    return "/" + b"/".join(names).decode(errors="backslashreplace")


def _unescaped(path: bytes) -> bytes:
    r"""Undo the kernel's escapes: `\040` for a blank."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), path)
