"""The processor, of the cores and the quota that this process may use.

Source: https://www.kernel.org/doc/html/latest/filesystems/proc.html (`/proc/stat`).
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from vlog.resources.cgroup.cpu import CgroupCpu
from vlog.resources.files import ROOT, KeptFile
from vlog.resources.rates import Rates
from vlog.resources.source import Fields, Unavailable
from vlog.resources.units import as_percent

if TYPE_CHECKING:
    from pathlib import Path

_IDLE, _IOWAIT, _STEAL = 3, 4, 7
_COUNTED = 8  # user nice system idle iowait irq softirq steal; guests are within user and nice
_FREQUENCY_EVERY = 10  # readings: the kernel asks each core for it


class Cpu:
    """Busy shares, load, and what the host and the quota held back.

    Args:
        root: Where `/proc` and `/sys` are.
        detailed: Whether to tell of each core, and of its frequency.
    """

    name = "cpu"
    can_block = False

    def __init__(self, root: Path = ROOT, *, detailed: bool = False) -> None:
        self._stat = KeptFile(root / "proc/stat")
        self._load = KeptFile(root / "proc/loadavg")
        self._cgroup = CgroupCpu(root)
        self._rates = Rates()
        self.detailed = detailed
        self._frequencies = Frequencies(root)
        self._before: dict[bytes, list[int]] = {}
        self._periods = (0, 0)
        self._host_cores = 0

    def read(self) -> Fields:
        """Return the fields of `cpu`; the shares from the second time on."""
        fields = Fields()
        usable = usable_cores()
        fields.merge("usage_percent", self._shares, usable)
        fields.merge("throttled_percent", self._quota, fields.values)
        fields.add("load_1_minute", lambda: float(self._load.read().split(None, 1)[0]))
        if self.detailed:
            fields.add("frequency_mhz", self._frequencies.read, usable)
        return fields

    def _shares(self, usable: frozenset[int]) -> dict[str, Any]:
        lines = self._stat.read().split(b"\n")
        self._host_cores = sum(line.startswith(b"cpu") for line in lines[1:])
        is_part = 0 < len(usable) < self._host_cores
        wanted = lines[: self._host_cores + 1] if is_part or self.detailed else lines[:1]
        now = {line.split(None, 1)[0]: _ticks(line) for line in wanted}
        before, self._before = self._before, now
        passed = {
            name: [new - old for new, old in zip(ticks, before[name], strict=True)]
            for name, ticks in now.items()
            if name in before
        }
        found: dict[str, Any] = {
            "scope": "host",
            "usable_cores": len(usable) or self._host_cores,
            **_host_shares(passed.pop(b"cpu", [])),
        }
        if is_part:
            found |= _of_cores([passed.get(b"cpu%d" % core) for core in usable], found)
        if self.detailed and passed:
            found["per_core_percent"] = [_busy(each) for each in passed.values()]
        return found

    def _quota(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return the shares of the quota instead, where one gives less than the cores do."""
        limit = self._cgroup.read(self._host_cores)
        if limit is None or limit.cores >= found.get("usable_cores", math.inf):
            return {}
        busy = self._rates.of(limit.path, limit.used_seconds)
        before, self._periods = self._periods, (limit.throttled_periods, limit.periods)
        if busy is None:
            found.pop("usage_percent", None)  # it is of the host
            return {"scope": "cgroup", "usable_cores": round(limit.cores, 3)}
        throttled, periods = (new - old for new, old in zip(self._periods, before, strict=True))
        host = found.get("host_usage_percent", found.get("usage_percent"))
        return {
            "scope": "cgroup",
            "usable_cores": round(limit.cores, 3),
            "usage_percent": _share(busy, limit.cores),
            "throttled_percent": _share(throttled, periods),
            **({} if host is None else {"host_usage_percent": host}),
        }


class Frequencies:
    """Mean clock of the cores, asked for at every tenth reading only."""

    def __init__(self, root: Path) -> None:
        self._root = root / "sys/devices/system/cpu"
        self._files: dict[int, KeptFile] = {}
        self._readings = 0
        self._mean: float | None = None

    def read(self, usable: frozenset[int]) -> float:
        """Return the mean in MHz.

        Raises:
            Unavailable: the kernel does not tell (in most virtual machines).
        """
        if self._readings % _FREQUENCY_EVERY == 0:
            self._mean = self._measure(usable)
        self._readings += 1
        if self._mean is None:
            raise Unavailable("the kernel does not tell the frequency")
        return self._mean

    def _measure(self, usable: frozenset[int]) -> float | None:
        found = []
        for core in usable:
            path = self._root / f"cpu{core}/cpufreq/scaling_cur_freq"
            try:
                found.append(int(self._files.setdefault(core, KeptFile(path)).read()))
            except FileNotFoundError:
                return None
        return round(sum(found) / len(found) / 1000, 1) if found else None


def usable_cores() -> frozenset[int]:
    """Return the cores that this process may run on; empty where the system does not tell."""
    try:
        return frozenset(os.sched_getaffinity(0))
    except AttributeError:
        return frozenset()


def _host_shares(passed: list[int]) -> dict[str, float]:
    """Return the shares of the ticks that have passed; none where none have."""
    if sum(passed) <= 0:
        return {}
    return {
        "usage_percent": _busy(passed),
        "iowait_percent": _share(passed[_IOWAIT], sum(passed)),
        "steal_percent": _share(passed[_STEAL], sum(passed)),
    }


def _of_cores(cores: list[list[int] | None], host: dict[str, Any]) -> dict[str, Any]:
    """Return the shares of some cores, beside the host's."""
    found: dict[str, Any] = {"scope": "cpuset"}
    if "usage_percent" in host:
        found["host_usage_percent"] = host["usage_percent"]
    known = [each for each in cores if each]
    if known:
        found["usage_percent"] = _busy([sum(ticks) for ticks in zip(*known, strict=True)])
    return found


def _ticks(line: bytes) -> list[int]:
    return [int(word) for word in line.split()[1 : _COUNTED + 1]]


def _busy(passed: list[int]) -> float:
    return _share(sum(passed) - passed[_IDLE] - passed[_IOWAIT], sum(passed))


def _share(part: float, whole: float) -> float:
    """Return a percentage; counters of several cores are not read at one instant."""
    return as_percent(part / whole) if whole > 0 else 0.0
