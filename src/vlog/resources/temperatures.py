"""Temperatures of the host's sensors.

Source: https://www.kernel.org/doc/html/latest/hwmon/sysfs-interface.html, and, where no driver
reports there, https://www.kernel.org/doc/html/latest/driver-api/thermal/sysfs-api.html.
"""

from __future__ import annotations

import errno
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from vlog.resources.files import ROOT, KeptFile
from vlog.resources.source import Fields, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

_COLDEST, _HOTTEST = -50.0, 200.0  # degrees Celsius: beyond, nothing is connected
_ASLEEP = (errno.ENODATA, errno.ENETDOWN, errno.EAGAIN)  # the device is off, and has none now


class Sensor(NamedTuple):
    """One sensor.

    Attributes:
        name: What it measures, as its driver calls it; others may be called the same.
        device: What tells it from those.
        file: Holds millidegrees.
        critical: In degrees, where it is known.
    """

    name: str
    device: str
    file: KeptFile
    critical: float | None = None


class Temperatures:
    """Every sensor that the kernel knows. They are looked up once, and again when one is gone.

    Args:
        root: Where `/sys` is.
    """

    name = "temperatures"
    can_block = True  # some are behind slow buses
    pace_seconds = 10.0

    def __init__(self, root: Path = ROOT) -> None:
        self._folder = root / "sys/class"
        self._sensors: dict[str, Sensor] = {}

    def read(self) -> Fields:
        """Return the fields of `temperatures`.

        Raises:
            Unavailable: there is no sensor.
        """
        if not self._sensors:
            found = find_hwmon(self._folder / "hwmon") or find_zones(self._folder / "thermal")
            self._sensors = with_unique_names(found)
        sensors = Fields()
        for name, sensor in self._sensors.items():
            sensors.add(name, read_sensor, sensor)
        if any(isinstance(error, FileNotFoundError) for error in sensors.gaps.values()):
            self._sensors = {}  # a driver that was loaded anew has other files
        return summary_of(sensors)


def summary_of(sensors: Fields) -> Fields:
    """Return the fields of `temperatures` of what each sensor says, or why it does not.

    Raises:
        Unavailable: there is no sensor.
    """
    if not sensors.values and not sensors.gaps:
        raise Unavailable("no temperature sensors")
    summary = Fields()
    if sensors.values:
        hottest = max(each["celsius"] for each in sensors.values.values())
        summary.values = {"max_celsius": hottest, "sensors": sensors.values}
    summary.gaps = {f"sensors.{name}": error for name, error in sensors.gaps.items()}
    return summary


def find_hwmon(folder: Path) -> list[Sensor]:
    """Return the sensors of the drivers below /sys/class/hwmon."""
    return [_sensor(each, chip) for chip in _sorted(folder, "hwmon*") for each in _inputs(chip)]


def _inputs(chip: Path) -> list[Path]:
    return _sorted(chip, "temp*_input")


def _sensor(file: Path, chip: Path) -> Sensor:
    number = file.name.removesuffix("_input")
    label = _text(chip / f"{number}_label") or number
    device = chip / "device"
    return Sensor(
        name=f"{_text(chip / 'name') or chip.name} {label}",
        device=device.resolve().name if device.exists() else chip.name,
        file=KeptFile(file),
        critical=_limit(chip / f"{number}_crit") or _limit(chip / f"{number}_max"),
    )


def find_zones(folder: Path) -> list[Sensor]:
    """Return the zones below /sys/class/thermal."""
    return [
        Sensor(_text(zone / "type") or zone.name, zone.name, KeptFile(zone / "temp"))
        for zone in _sorted(folder, "thermal_zone*")
    ]


def with_unique_names(sensors: list[Sensor]) -> dict[str, Sensor]:
    """Return the sensors by name, and by name and device where several have the same.

    Two of one name on one device are numbered, so that none is lost.
    """
    names = Counter(sensor.name for sensor in sensors)
    found: dict[str, Sensor] = {}
    for sensor in sensors:
        name = sensor.name
        if names[name] > 1:
            name = f"{name} ({sensor.device})"
        number = 1
        while name in found:
            number += 1
            name = f"{sensor.name} ({sensor.device}, {number})"
        found[name] = sensor
    return found


def read_sensor(sensor: Sensor) -> dict[str, float]:
    """Return `celsius`, and `critical_celsius` where it is known.

    Raises:
        Unavailable: it has no temperature now, or one that cannot be.
    """
    try:
        content = sensor.file.read()
    except OSError as error:
        if error.errno in _ASLEEP:
            raise Unavailable("its device is off") from error
        raise
    return described(int(content) / 1000, sensor.critical)


def described(celsius: float, critical: float | None) -> dict[str, float]:
    """Return the fields of a sensor; raise Unavailable where it is not connected."""
    if not is_possible(celsius):
        raise Unavailable(f"it says {celsius:g} degrees: nothing is connected to it")
    found = {"celsius": round(celsius, 1)}
    if critical is not None:
        found["critical_celsius"] = round(critical, 1)
    return found


def is_possible(celsius: float) -> bool:
    """Return whether it can be a temperature; exactly 0 is what a dead sensor says."""
    return _COLDEST < celsius < _HOTTEST and celsius != 0


def _sorted(folder: Path, pattern: str) -> list[Path]:
    """Return what matches, in the order of the numbers in the names."""
    return sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name))


def _text(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip() or None
    except OSError:
        return None  # a driver need not have it


def _limit(file: Path) -> float | None:
    """Return a limit in degrees, unless it is one of those that stand for "none"."""
    try:
        celsius = int(file.read_text()) / 1000
    except (OSError, ValueError):
        return None  # a driver need not have it
    return celsius if is_possible(celsius) and celsius > 0 else None
