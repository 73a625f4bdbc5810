"""Where file systems are mounted, and which block device stands behind one.

Source: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from vlog.resources.source import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Device = tuple[int, int]
"""The major and the minor number."""


class Mount(NamedTuple):
    """One line of /proc/self/mountinfo.

    Attributes:
        device: What `stat` says of the files in it, but for btrfs, whose subvolumes have their own.
        point: The folder that it is seen under.
        kind: Such as ext4.
        source: What was mounted, such as /dev/sda1 or server:/path.
    """

    device: Device
    point: str
    kind: str
    source: str


def parse_mounts(content: bytes) -> list[Mount]:
    """Return the mounts in the content of /proc/self/mountinfo, a later one over earlier ones."""
    return [_parse(line) for line in content.splitlines() if line]


def _parse(line: bytes) -> Mount:
    where, _, what = line.partition(b" - ")
    _, _, device, _, point = where.split(b" ")[:5]
    kind, source = what.split(b" ")[:2]
    major, minor = device.split(b":")
    return Mount((int(major), int(minor)), _text(point), _text(kind), _text(source))


def _text(word: bytes) -> str:
    """Return a word without the kernel's escapes, which are octal: a name may hold a space."""
    if b"\\" in word:
        word = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), word)
    return os.fsdecode(word)


def mount_of(path: str, device: Device, mounts: Iterable[Mount]) -> Mount:
    """Return the mount that a file lies in.

    Args:
        path: The file, without symbolic links.
        device: What `stat` says of it.
        mounts: All mounts, a later one over earlier ones.

    Raises:
        Unavailable: none of them holds it.
    """
    above = [mount for mount in mounts if PurePosixPath(path).is_relative_to(mount.point)]
    if not above:
        raise Unavailable(f"no mount is known that holds {path}")
    candidates = [mount for mount in above if mount.device == device] or above
    deepest = max(len(mount.point) for mount in candidates)
    return [mount for mount in candidates if len(mount.point) == deepest][-1]


def block_device_of(mount: Mount, root: Path) -> Device:
    """Return the block device that `mount` is on.

    Raises:
        Unavailable: it is on none (memory, the network), or on one that cannot be told.
    """
    candidates = [mount.device]
    if mount.source.startswith("/"):
        try:
            source = (root / mount.source.lstrip("/")).stat()
        except FileNotFoundError:
            pass  # /dev/root, say, or a container that is not shown its host's devices
        else:
            if stat.S_ISBLK(source.st_mode):  # btrfs: its own device number is none of a disk
                candidates.append((os.major(source.st_rdev), os.minor(source.st_rdev)))
    for major, minor in candidates:
        if (root / f"sys/dev/block/{major}:{minor}").exists():
            return major, minor
    raise Unavailable(f"{mount.kind} has no block device that can be seen")
