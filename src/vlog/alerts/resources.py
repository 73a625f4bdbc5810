"""Alerts on what the machine does: each a pure function of the newest reading and what is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlog.alerts.limits import Finding, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vlog.resources import Reading

HIGH_MEMORY = "high_memory_usage"
HIGH_GPU_MEMORY = "high_gpu_memory_usage"
HIGH_DISK = "high_disk_usage"
LITTLE_ROOM = "no_room_for_checkpoint"
HOT = "high_temperature"
THROTTLED = "gpu_throttled"
MISSING = "resource_missing"
_OF_A_READING = frozenset({HIGH_MEMORY, HIGH_GPU_MEMORY, HIGH_DISK, HOT, THROTTLED})

_MARGIN_PERCENT = 1.0
_MARGIN_CELSIUS = 3.0
_MARGIN_OF_CHECKPOINT = 0.1
_BELOW_CRITICAL_CELSIUS = 5.0
# Held down against the owner's will; a power cap at full load is what the device is made for.
_HARMFUL_REASONS = frozenset(
    {"hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown"}
)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a detector looks at.

    Attributes:
        reading: The newest reading.
        limits: The thresholds.
        active: Name and subject of the alerts that are on.
        checkpoint_gb: What the next checkpoint needs, as far as is known.
    """

    reading: Reading
    limits: Limits
    active: frozenset[tuple[str, str | None]] = frozenset()
    checkpoint_gb: float | None = None

    def is_over(
        self, alert: str, subject: str | None, value: float, limit: float, margin: float
    ) -> bool:
        """Return whether `value` is above `limit`; once it was, until it is below by `margin`.

        A value that hovers at its limit raises one alert.
        """
        return value > (limit - margin if (alert, subject) in self.active else limit)


def high_memory(situation: Situation) -> Iterator[Finding]:
    """Memory of the tightest limit is nearly used up."""
    memory = situation.reading.values.get("memory", {})
    usage = memory.get("usage_percent")
    if usage is not None:
        of = " of the control group's limit" if memory.get("scope") == "cgroup" else ""
        yield _fullness(
            situation,
            (HIGH_MEMORY, None),
            usage,
            situation.limits.memory_percent,
            message=f"Memory usage is {usage:.1f} %{of}",
            evidence=evidence_of(situation.reading, "memory", "process", "children", "pressure"),
        )


def high_gpu_memory(situation: Situation) -> Iterator[Finding]:
    """Memory of a GPU is nearly used up."""
    for subject, device in devices_of(situation.reading):
        usage = device.get("memory_usage_percent")
        if usage is not None:
            yield _fullness(
                situation,
                (HIGH_GPU_MEMORY, subject),
                usage,
                situation.limits.gpu_memory_percent,
                message=f"Memory of {subject} is {usage:.1f} % full",
                evidence={"device": device},
            )


def high_disk(situation: Situation) -> Iterator[Finding]:
    """A file system that the run writes to is nearly full."""
    for mount, disk in _file_systems(situation):
        usage = disk.get("usage_percent")
        if usage is not None:
            yield _fullness(
                situation,
                (HIGH_DISK, mount),
                usage,
                situation.limits.disk_percent,
                message=f"Disk {mount} is {usage:.1f} % full",
                evidence={"file_system": disk},
            )


def _fullness(
    situation: Situation,
    key: tuple[str, str | None],
    usage: float,
    limit: float,
    *,
    message: str,
    evidence: dict[str, Any],
) -> Finding:
    """Hold a share in percent against its limit."""
    alert, subject = key
    return Finding(
        alert,
        situation.is_over(alert, subject, usage, limit, _MARGIN_PERCENT),
        f"{message} (limit {limit:g} %)",
        subject=subject,
        value=usage,
        threshold=limit,
        evidence=evidence,
    )


def little_room(situation: Situation) -> Iterator[Finding]:
    """The next checkpoint does not fit on the disk.

    Free space falls while one is written: this is for readings that were taken between two.
    """
    needed = situation.checkpoint_gb
    if needed is None:
        return
    for mount, disk in _file_systems(situation):
        free = disk.get("free_gb")
        if free is not None and "output" in disk.get("holds", ()):
            room = needed - free  # what is lacking
            yield Finding(
                LITTLE_ROOM,
                situation.is_over(LITTLE_ROOM, mount, room, 0.0, _MARGIN_OF_CHECKPOINT * needed),
                f"The next checkpoint needs {needed:.3g} GB, and {mount} has {free:.3g} GB left",
                subject=mount,
                value=free,
                threshold=round(needed, 3),
                evidence={"file_system": disk, "checkpoint_gb": round(needed, 3)},
            )


def high_temperature(situation: Situation) -> Iterator[Finding]:
    """A sensor is near what it calls critical."""
    for subject, celsius, limit in _temperatures(situation.reading, situation.limits):
        yield Finding(
            HOT,
            situation.is_over(HOT, subject, celsius, limit, _MARGIN_CELSIUS),
            f"{subject} is at {celsius:.0f} °C (limit {limit:g} °C)",
            subject=subject,
            value=celsius,
            threshold=limit,
            evidence=evidence_of(situation.reading, "gpu") if subject.startswith("gpu ") else {},
            must_last=True,
        )


def throttled(situation: Situation) -> Iterator[Finding]:
    """A GPU is held down by heat or power supply."""
    for subject, device in devices_of(situation.reading):
        reasons = device.get("throttle_reasons")
        if reasons is not None:
            yield Finding(
                THROTTLED,
                not _HARMFUL_REASONS.isdisjoint(reasons),
                f"{subject} is held down: {', '.join(reasons)}",
                subject=subject,
                value=device.get("sm_clock_mhz"),
                evidence={"device": device},
                must_last=True,
            )


def missing(situation: Situation) -> Iterator[Finding]:
    """Something that could be read cannot be read any more."""
    for path, what in situation.reading.missing.items():
        if what.is_lost:
            yield Finding(
                MISSING,
                is_on=True,
                message=f"No reading of {path} since {what.since}: {what.why}",
                subject=path,
                evidence={"since": what.since, "why": what.why},
            )


RESOURCE_DETECTORS: tuple[Callable[[Situation], Iterator[Finding]], ...] = (
    high_memory,
    high_gpu_memory,
    high_disk,
    high_temperature,
    throttled,
    missing,
)


def find_resource_alerts(situation: Situation) -> Iterator[Finding]:
    """Yield what all detectors find, and the end of alerts whose subject is not seen any more."""
    seen = set()
    for detect in RESOURCE_DETECTORS:
        for finding in detect(situation):
            seen.add((finding.alert, finding.subject))
            yield finding
    for alert, subject in sorted(situation.active - seen, key=str):
        if alert == MISSING:
            yield Finding(alert, is_on=False, message="", subject=subject)
        elif alert in _OF_A_READING:
            yield Finding(alert, is_on=False, message="", subject=subject, must_last=True)


def devices_of(reading: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and fields of each accelerator: `gpu 1`, `gpu 1 mig 7`."""
    for place, device in enumerate(reading.values.get("gpu", {}).get("devices", ())):
        mig = device.get("mig", {}).get("gpu_instance_id")
        part = "" if mig is None else f" mig {mig}"
        yield f"gpu {device.get('index', place)}{part}", device


def _temperatures(reading: Reading, limits: Limits) -> Iterator[tuple[str, float, float]]:
    """Yield name, temperature and limit of each sensor that has them."""
    found = [
        (name, device.get("temperature_celsius"), device.get("slowdown_temperature_celsius"))
        for name, device in devices_of(reading)
    ]
    sensors = reading.values.get("temperatures", {}).get("sensors", {})
    found += [
        (name, sensor.get("celsius"), sensor.get("critical_celsius"))
        for name, sensor in sensors.items()
    ]
    for name, celsius, critical in found:
        limit = limits.temperature_celsius
        if limit is None and critical is not None:
            limit = critical - _BELOW_CRITICAL_CELSIUS
        if celsius is not None and limit is not None:
            yield name, celsius, limit


def _file_systems(situation: Situation) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in situation.reading.values.get("disk", {}).get("file_systems", ()):
        yield each.get("mount", "?"), each


def evidence_of(reading: Reading, *sections: str) -> dict[str, Any]:
    """Return some sections of a reading, those that are there."""
    return {name: reading.values[name] for name in sections if name in reading.values}
