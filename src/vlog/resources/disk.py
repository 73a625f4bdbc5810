"""The file systems that hold the log and the output folder, and the devices that they are on.

Source: https://www.kernel.org/doc/html/latest/admin-guide/iostats.html (a device's `stat` in /sys
has the same figures as its line in /proc/diskstats) and statvfs(3).
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vlog.resources.files import ROOT, KeptFile
from vlog.resources.mounts import block_device_of, mount_of, parse_mounts
from vlog.resources.rates import Rates
from vlog.resources.source import Fields, Unavailable
from vlog.resources.units import as_gb, as_mb, as_percent, known

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlog.resources.mounts import Mount

_PATIENCE_SECONDS = 2.0  # for all places together
_SECTOR = 512  # bytes in the unit of the block layer, whatever the device's own sectors are
DEVICE_FIELDS = ("read_mb_per_second", "write_mb_per_second", "busy_percent")


class Places:
    """The folders and files whose file systems are measured, by role; safe for threads."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}
        self._lock = threading.Lock()

    def set(self, role: str, path: Path | str) -> None:
        """Say where `role` (log, output) is. It need not exist yet; a later path takes its place.

        A relative path is one of the folder that is the current one now.
        """
        with self._lock:
            self._paths[role] = Path(path).absolute()

    def items(self) -> list[tuple[str, Path]]:
        """Return role and absolute path of each, in the order in which the roles were set."""
        with self._lock:
            return list(self._paths.items())


class Disk:
    """Space of the file systems at `places`, and how busy their devices are.

    A file system that does not answer (NFS whose server is gone) costs its own fields alone: each
    place is looked at in a short-lived thread. One that hangs is left behind, and until it comes
    back no other is started for that place.

    Args:
        places: Where to look, at each reading as they are then.
        root: Where `/proc`, `/sys` and `/dev` are.
        patience_seconds: How long all places together may take.
    """

    name = "disk"
    can_block = True
    pace_seconds = 5.0

    def __init__(
        self, places: Places, root: Path = ROOT, *, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        self._places = places
        self._root = root
        self._patience = patience_seconds
        self._looks: dict[Path, _Look] = {}
        self._mounts: dict[tuple[Path, int], Mount] = {}
        self._devices: dict[Mount, KeptFile | str] = {}
        self._rates = Rates()

    def read(self) -> Fields:
        """Return the fields of `disk`: one object for each file system, whatever it holds."""
        fields = Fields()
        holds: dict[object, list[str]] = {}
        seen: dict[object, _Seen] = {}
        for role, result in self._look().items():
            if isinstance(result, Exception):
                fields.gaps[f"file_systems.{role}"] = result
            else:
                seen.setdefault(result.identity, result)
                holds.setdefault(result.identity, []).append(role)
        found = [self._describe(seen[each], roles) for each, roles in holds.items()]
        if found:
            fields.values["file_systems"] = [one.values for one in found]
        for number, one in enumerate(found):
            for name, error in one.gaps.items():
                fields.gaps[f"file_systems[{number}].{name}"] = error
        return fields

    def _look(self) -> dict[str, _Seen | Exception]:
        """Return what is seen at the place of each role, or why nothing is."""
        places = self._places.items()
        deadline = time.perf_counter() + self._patience
        looks = {}
        for path in dict.fromkeys(path for _, path in places):
            look = self._looks.get(path)
            if look is None:
                look = _Look(path, self._see)
                look.start()
            looks[path] = look
        for look in looks.values():
            look.join(max(deadline - time.perf_counter(), 0.0))
        self._looks = {path: look for path, look in looks.items() if look.is_alive()}
        return {role: looks[path].result for role, path in places}

    def _see(self, path: Path) -> _Seen:
        folder, device = nearest(path)
        space = os.statvfs(folder)
        try:
            mount: Mount | Exception = self._mount_of(folder, device)
        except Exception as error:  # noqa: BLE001 - the space is known all the same
            mount = error
        return _Seen(device, space, mount)

    def _mount_of(self, folder: Path, device: int) -> Mount:
        mount = self._mounts.get((folder, device))
        if mount is None:
            mounts = parse_mounts((self._root / "proc/self/mountinfo").read_bytes())
            numbers = os.major(device), os.minor(device)
            mount = mount_of(os.path.realpath(folder), numbers, mounts)
            self._mounts[folder, device] = mount
        return mount

    def _describe(self, seen: _Seen, roles: list[str]) -> Fields:
        one = Fields()
        one.add("mount", seen.point)
        one.values["holds"] = roles
        one.merge("usage_percent", space_of, seen.space)
        one.add("inodes_percent", inodes_percent, seen.space)
        device = Fields()
        device.merge("device", self._read_device, seen)
        one.values.update(device.values)
        for error in device.gaps.values():
            one.gaps.update(dict.fromkeys(DEVICE_FIELDS, error))
        return one

    def _read_device(self, seen: _Seen) -> dict[str, float]:
        file = self._device_file(seen.known_mount())
        words, now = file.read().split(), time.perf_counter()
        read = self._rates.of(f"{file.path} read", int(words[2]) * _SECTOR, now)
        write = self._rates.of(f"{file.path} write", int(words[6]) * _SECTOR, now)
        busy = self._rates.of(f"{file.path} busy", int(words[9]) / 1000, now)
        return known(
            {
                "read_mb_per_second": as_mb(read),
                "write_mb_per_second": as_mb(write),
                "busy_percent": as_percent(busy),
            }
        )

    def _device_file(self, mount: Mount) -> KeptFile:
        found = self._devices.get(mount)
        if found is None:
            try:
                major, minor = block_device_of(mount, self._root)
                found = KeptFile(self._root / f"sys/dev/block/{major}:{minor}/stat")
            except Unavailable as error:
                found = str(error)  # an error that is raised again and again grows
            self._devices[mount] = found
        if isinstance(found, str):
            raise Unavailable(found)
        return found


class _Seen(NamedTuple):
    """What one look at a place found; `mount` may be why the mount is not known."""

    device: int
    space: os.statvfs_result
    mount: Mount | Exception

    @property
    def identity(self) -> object:
        """What two places have in common on one file system; subvolumes of btrfs have it too."""
        return self.device if isinstance(self.mount, Exception) else self.mount.device

    def known_mount(self) -> Mount:
        """Return the mount; raise why it is not known."""
        if isinstance(self.mount, Exception):
            raise self.mount
        return self.mount

    def point(self) -> str:
        """Return where it is mounted."""
        return self.known_mount().point


class _Look(threading.Thread):
    """One look at one path; its `result` is a TimeoutError until it comes back."""

    def __init__(self, path: Path, see: Callable[[Path], _Seen]) -> None:
        super().__init__(name="vlog-monitor-disk-look", daemon=True)
        self.result: _Seen | Exception = TimeoutError(f"{path} does not answer")
        self._path = path
        self._see = see

    def run(self) -> None:
        try:
            self.result = self._see(self._path)
        except Exception as error:  # noqa: BLE001 - it costs this place, and is told
            self.result = error


def nearest(path: Path) -> tuple[Path, int]:
    """Return `path`, or its nearest parent that exists, and the `st_dev` of it."""
    for each in (path, *path.parents):
        try:
            return each, each.stat().st_dev
        except (FileNotFoundError, NotADirectoryError):
            continue
    raise FileNotFoundError(f"nothing of {path} exists")


def space_of(space: os.statvfs_result) -> dict[str, float]:
    """Return size and use of a file system, as `df` has them.

    Some blocks may be kept for root: they are neither used nor free, so that 100 % is where an
    ordinary user finds no more.

    Raises:
        Unavailable: it tells no size (some that stand on object stores).
    """
    if not space.f_blocks:
        raise Unavailable("it tells no size")
    used = space.f_blocks - space.f_bfree
    usable = used + space.f_bavail
    return {
        "usage_percent": as_percent(used / usable if usable else 1.0) or 0.0,
        "used_gb": as_gb(used * space.f_frsize),
        "free_gb": as_gb(space.f_bavail * space.f_frsize),
        "total_gb": as_gb(space.f_blocks * space.f_frsize),
    }


def inodes_percent(space: os.statvfs_result) -> float | None:
    """Return the share of the files that can be, that are; Unavailable where none is counted."""
    if not space.f_files:
        raise Unavailable("it does not count its files")  # btrfs: they are made as needed
    return as_percent(1 - space.f_ffree / space.f_files)
