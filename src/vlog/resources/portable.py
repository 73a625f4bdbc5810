"""The sources of systems without /proc (macOS, Windows): the same keys, as far as psutil can tell.

Source: psutil (https://psutil.readthedocs.io). Where a system has no such figure, psutil has no
function or field of the name: that is a gap.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from vlog.resources.disk import DEVICE_FIELDS, inodes_percent, nearest
from vlog.resources.network import InterfaceRates, total_of
from vlog.resources.rates import Rates
from vlog.resources.source import Fields, Unavailable
from vlog.resources.temperatures import described, summary_of
from vlog.resources.units import as_gb, as_mb, as_number, as_percent, known
from vlog.schema import GB

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlog.resources.disk import Places
    from vlog.resources.source import Source

_ENDED = (psutil.NoSuchProcess, psutil.ZombieProcess)
# Loopback, and macOS's and Windows's interfaces whose bytes pass a physical one, too.
_VIRTUAL = ("lo", "utun", "bridge", "awdl", "llw", "anpi", "ap", "gif", "stf", "vmnet", "vethernet")


class PortableCpu:
    """Busy share of all cores between two readings; nothing at the first one."""

    name = "cpu"
    can_block = False

    def __init__(self) -> None:
        self._before: Any = None

    def read(self) -> dict[str, Any]:
        """Return `usage_percent` (0 to 100)."""
        times = psutil.cpu_times()
        before, self._before = self._before, times
        if before is None:
            return {}
        # `guest` is part of `user` already: psutil documents it so.
        fields = [name for name in times._fields if name not in ("guest", "guest_nice")]
        passed = {name: getattr(times, name) - getattr(before, name) for name in fields}
        total = sum(passed.values())
        idle = passed["idle"] + passed.get("iowait", 0.0)
        if total <= 0:
            return {}
        return {"usage_percent": round(min(max(100 * (1 - idle / total), 0.0), 100.0), 2)}


class PortableMemory:
    """Memory of the host."""

    name = "memory"
    can_block = False

    def read(self) -> dict[str, Any]:
        """Return `usage_percent` (not reclaimable), `used_gb`, `available_gb`, `total_gb`."""
        memory = psutil.virtual_memory()
        return {
            "usage_percent": memory.percent,
            "used_gb": round(memory.used / GB, 3),
            "available_gb": round(memory.available / GB, 3),
            "total_gb": round(memory.total / GB, 3),
        }


class PortableProcess:
    """This process.

    Args:
        total_memory_bytes: Tells what `memory_percent` is a share of; the host's, if left out.
    """

    name = "process"
    can_block = False

    def __init__(self, total_memory_bytes: Callable[[], int | None] | None = None) -> None:
        total = psutil.virtual_memory().total
        self._total = total_memory_bytes if total_memory_bytes is not None else lambda: total
        self._process = psutil.Process()
        self._rates = Rates()

    def read(self) -> Fields:
        """Return the fields of `process`; those that are rates from the second time on."""
        fields = Fields()
        process = self._process
        with process.oneshot():
            fields.merge("memory_gb", self._memory)
            fields.add("cpu_percent", _cpu_percent, process, self._rates)
            fields.add("threads", process.num_threads)
            fields.add("open_files", _count_descriptors, process)
            for way in ("read", "write"):
                fields.add(f"{way}_mb_per_second", _io_rate, process, way, self._rates)
            fields.add("major_faults_per_second", self._faults)
        fields.values["gc_collections"] = [each["collections"] for each in gc.get_stats()]
        return fields

    def _memory(self) -> dict[str, Any]:
        resident, total = self._process.memory_info().rss, self._total()
        share = as_percent(resident / total) if total else None
        return known({"memory_gb": as_gb(resident), "memory_percent": share})

    def _faults(self) -> float | None:
        faults = getattr(self._process.memory_info(), "pageins", None)  # of macOS
        if faults is None:
            raise Unavailable("this system does not count major faults by process")
        return as_number(self._rates.of("faults", faults))


class PortableChildren:
    """All processes below this one, summed."""

    name = "children"
    can_block = True
    pace_seconds = 5.0  # it looks at every process of the system

    def __init__(self) -> None:
        self._rates: dict[psutil.Process, Rates] = {}

    def read(self) -> Fields:
        """Return the fields of `children`; only `count`, where there is none."""
        found = psutil.Process().children(recursive=True)
        self._rates = {child: self._rates.get(child) or Rates() for child in found}
        each = [fields for child in found if (fields := self._read(child)) is not None]
        total = Fields({"count": len(each)})
        for name in dict.fromkeys(name for one in each for name in (*one.values, *one.gaps)):
            errors = [one.gaps[name] for one in each if name in one.gaps]
            if errors:
                total.gaps[name] = errors[0]  # a sum without some of them would be a false one
            else:
                total.values[name] = round(sum(one.values.get(name, 0) for one in each), 3)
        return total

    def _read(self, child: psutil.Process) -> Fields | None:
        """Return what one process uses; None for one that has ended."""
        rates, fields = self._rates[child], Fields()
        try:
            if child.status() == psutil.STATUS_ZOMBIE:
                return None
            fields.values["memory_gb"] = child.memory_info().rss / GB
            fields.values["threads"] = child.num_threads()
        except _ENDED:
            return None
        fields.add("cpu_percent", _cpu_percent, child, rates)
        for way in ("read", "write"):
            fields.add(f"{way}_mb_per_second", _io_rate, child, way, rates)
        return None if any(isinstance(error, _ENDED) for error in fields.gaps.values()) else fields


class PortableNetwork:
    """All physical interfaces, as far as their names tell.

    Args:
        detailed: Whether to tell the rates of each interface, too.
    """

    name = "network"
    can_block = False

    def __init__(self, *, detailed: bool = False) -> None:
        self.detailed = detailed
        self._rates = Rates()

    def read(self) -> dict[str, Any]:
        """Return the fields of `network`; nothing the first time, since all of them are rates."""
        now = time.perf_counter()
        counters = psutil.net_io_counters(pernic=True)
        each = {
            name: self._rates_of(name, counter, now)
            for name, counter in counters.items()
            if not name.lower().startswith(_VIRTUAL)
        }
        return total_of(each, detailed=self.detailed)

    def _rates_of(self, name: str, counters: Any, now: float) -> InterfaceRates:
        faults = counters.errin + counters.errout + counters.dropin + counters.dropout
        return (
            self._rates.of(f"{name} receive", counters.bytes_recv, now),
            self._rates.of(f"{name} send", counters.bytes_sent, now),
            self._rates.of(f"{name} faults", faults, now),
        )


class PortableDisk:
    """Space of the file systems at `places`, and how busy their devices are where it can be told.

    Args:
        places: Where to look, at each reading as they are then.
    """

    name = "disk"
    can_block = True
    pace_seconds = 5.0

    def __init__(self, places: Places) -> None:
        self._places = places
        self._rates = Rates()

    def read(self) -> Fields:
        """Return the fields of `disk`: one object for each file system, whatever it holds."""
        fields = Fields()
        seen: dict[int, tuple[Path, list[str]]] = {}
        for role, path in self._places.items():
            try:
                folder, device = nearest(path)
            except OSError as error:
                fields.gaps[f"file_systems.{role}"] = error
            else:
                seen.setdefault(device, (folder, []))[1].append(role)
        if seen:
            fields.values["file_systems"] = []
        for number, (folder, roles) in enumerate(seen.values()):
            one = self._describe(folder, roles)
            fields.values["file_systems"].append(one.values)
            gaps = {f"file_systems[{number}].{name}": why for name, why in one.gaps.items()}
            fields.gaps.update(gaps)
        return fields

    def _describe(self, folder: Path, roles: list[str]) -> Fields:
        one = Fields({"holds": roles})
        one.merge("usage_percent", _space, folder)
        one.add("inodes_percent", _inodes_percent, folder)
        partition = _partition_of(folder)
        if partition is not None:
            one.values["mount"] = partition.mountpoint
        device = Fields()
        device.merge("device", self._read_device, partition)
        one.values.update(device.values)
        for error in device.gaps.values():
            one.gaps.update(dict.fromkeys(DEVICE_FIELDS, error))
        return one

    def _read_device(self, partition: Any) -> dict[str, Any]:
        name = None if partition is None else Path(partition.device).name
        counters = (psutil.disk_io_counters(perdisk=True) or {}).get(name or "")
        if counters is None:
            raise Unavailable("its device cannot be told")
        busy = getattr(counters, "busy_time", None)  # milliseconds
        return known(
            {
                "read_mb_per_second": as_mb(self._rates.of(f"{name} read", counters.read_bytes)),
                "write_mb_per_second": as_mb(self._rates.of(f"{name} write", counters.write_bytes)),
                "busy_percent": as_percent(
                    None if busy is None else self._rates.of(f"{name} busy", busy / 1000)
                ),
            }
        )


class PortableTemperatures:
    """Every sensor that psutil finds."""

    name = "temperatures"
    can_block = True
    pace_seconds = 10.0

    def read(self) -> Fields:
        """Return the fields of `temperatures`; raise Unavailable where there is no sensor."""
        read = getattr(psutil, "sensors_temperatures", dict)  # missing on macOS and Windows
        sensors = Fields()
        for chip, each in read().items():
            for number, one in enumerate(each, start=1):
                name = f"{chip} {one.label or number}"
                if name in sensors.values or name in sensors.gaps:
                    name = f"{name} ({number})"
                sensors.add(name, described, one.current, one.critical)
        return summary_of(sensors)


def _cpu_percent(process: psutil.Process, rates: Rates) -> float | None:
    times = process.cpu_times()
    cores = rates.of("cpu", times.user + times.system)
    return None if cores is None else as_number(100 * cores)


def _io_rate(process: psutil.Process, way: str, rates: Rates) -> float | None:
    if not hasattr(process, "io_counters"):
        raise Unavailable("this system does not count I/O by process")  # macOS
    return as_mb(rates.of(way, getattr(process.io_counters(), f"{way}_bytes")))


def _count_descriptors(process: psutil.Process) -> int:
    count = getattr(process, "num_fds", None) or getattr(process, "num_handles", None)  # Windows
    if count is None:
        raise Unavailable("this system does not count them")
    return int(count())


def _space(folder: Path) -> dict[str, Any]:
    space = psutil.disk_usage(str(folder))
    usable = space.used + space.free
    return known(
        {
            "usage_percent": as_percent(space.used / usable if usable else None),
            "used_gb": as_gb(space.used),
            "free_gb": as_gb(space.free),
            "total_gb": as_gb(space.total),
        }
    )


def _inodes_percent(folder: Path) -> float | None:
    if not hasattr(os, "statvfs"):
        raise Unavailable("this system does not count them")
    return inodes_percent(os.statvfs(folder))


def _partition_of(folder: Path) -> Any:
    real = folder.resolve()
    above = [
        each for each in psutil.disk_partitions(all=True) if real.is_relative_to(each.mountpoint)
    ]
    return max(above, key=lambda each: len(each.mountpoint), default=None)


def portable_sources(
    places: Places,
    root: Path,  # noqa: ARG001 - psutil knows where to look
    *,
    detailed: bool,
) -> list[Source]:
    """Return a fresh instance of each; the arguments are those of `default_sources`."""
    return [
        PortableCpu(),
        PortableMemory(),
        PortableDisk(places),
        PortableNetwork(detailed=detailed),
        PortableProcess(),
        PortableChildren(),
        PortableTemperatures(),
    ]
