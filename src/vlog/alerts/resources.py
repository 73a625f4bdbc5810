"""Alerts on what the machine does: each a pure function over the last readings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlog.alerts.limits import Finding, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vlog.resources import Reading

HIGH_MEMORY = "high_memory_usage"
HIGH_GPU_MEMORY = "high_gpu_memory_usage"
HIGH_DISK = "high_disk_usage"
LITTLE_ROOM = "no_room_for_checkpoint"
HOT = "high_temperature"
THROTTLED = "gpu_throttled"
MISSING = "resource_missing"

_MARGIN_PERCENT = 1.0  # a value that hovers at its limit raises one alert
_MARGIN_CELSIUS = 3.0
_BELOW_CRITICAL_CELSIUS = 5.0
# Held down against the owner's will; a power cap at full load is what the device is made for.
_HARMFUL_REASONS = frozenset(
    {"hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown"}
)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a detector looks at.

    Attributes:
        window: The last readings, newest last, at least one.
        limits: The thresholds.
        active: Name and subject of the alerts that are on.
        checkpoint_gb: What the next checkpoint needs, as far as is known.
    """

    window: Sequence[Reading]
    limits: Limits
    active: frozenset[tuple[str, str | None]] = frozenset()
    checkpoint_gb: float | None = None

    @property
    def values(self) -> dict[str, dict[str, Any]]:
        """The sections of the newest reading."""
        return self.window[-1].values


def is_over(value: float, limit: float, was_on: bool, margin: float = _MARGIN_PERCENT) -> bool:
    """Return whether `value` is above `limit`; once it was, until it is below by `margin`."""
    return value > (limit - margin if was_on else limit)


def is_lasting(
    window: Sequence[Reading], seconds: float, was_on: bool, test: Callable[[Reading], bool | None]
) -> bool:
    """Return whether `test` has been true for `seconds`, or has not been false for so long.

    Args:
        window: The readings, newest last.
        seconds: How long.
        was_on: What to say while neither is so.
        test: Says True, False, or None where the reading does not tell.
    """
    newest = None
    for reading in reversed(window):
        state = test(reading)
        if state is None:
            continue
        newest = (state, reading.taken) if newest is None else newest
        if state != newest[0]:
            return was_on
        if newest[1] - reading.taken >= seconds:
            return state
    return was_on


def high_memory(situation: Situation) -> Iterator[Finding]:
    """Memory of the tightest limit is nearly used up."""
    memory, limit = situation.values.get("memory", {}), situation.limits.memory_percent
    usage = memory.get("usage_percent")
    if usage is not None:
        of = " of the control group's limit" if memory.get("scope") == "cgroup" else ""
        yield Finding(
            HIGH_MEMORY,
            is_over(usage, limit, (HIGH_MEMORY, None) in situation.active),
            f"Memory usage is {usage:.1f} %{of} (limit {limit:g} %)",
            value=usage,
            threshold=limit,
            evidence=_sections(situation, "memory", "process", "children", "pressure"),
        )


def high_gpu_memory(situation: Situation) -> Iterator[Finding]:
    """Memory of a GPU is nearly used up."""
    limit = situation.limits.gpu_memory_percent
    for subject, device in devices_of(situation.window[-1]):
        usage = device.get("memory_usage_percent")
        if usage is not None:
            yield Finding(
                HIGH_GPU_MEMORY,
                is_over(usage, limit, (HIGH_GPU_MEMORY, subject) in situation.active),
                f"Memory of {subject} is {usage:.1f} % full (limit {limit:g} %)",
                subject=subject,
                value=usage,
                threshold=limit,
                evidence={"device": device},
            )


def high_disk(situation: Situation) -> Iterator[Finding]:
    """A file system that the run writes to is nearly full."""
    limit = situation.limits.disk_percent
    for mount, disk in _file_systems(situation):
        usage = disk.get("usage_percent")
        if usage is not None:
            yield Finding(
                HIGH_DISK,
                is_over(usage, limit, (HIGH_DISK, mount) in situation.active),
                f"Disk {mount} is {usage:.1f} % full (limit {limit:g} %)",
                subject=mount,
                value=usage,
                threshold=limit,
                evidence={"file_system": disk},
            )


def little_room(situation: Situation) -> Iterator[Finding]:
    """The next checkpoint does not fit on the disk."""
    needed = situation.checkpoint_gb
    if needed is None:
        return
    for mount, disk in _file_systems(situation):
        free = disk.get("free_gb")
        if free is not None and "output" in disk.get("holds", ()):
            yield Finding(
                LITTLE_ROOM,
                free < needed,
                f"The next checkpoint needs {needed:.3g} GB, and {mount} has {free:.3g} GB left",
                subject=mount,
                value=free,
                threshold=round(needed, 3),
                evidence={"file_system": disk, "checkpoint_gb": round(needed, 3)},
            )


def high_temperature(situation: Situation) -> Iterator[Finding]:
    """A sensor has been near what it calls critical for a while."""
    for subject, (celsius, limit) in _temperatures(situation.window[-1], situation.limits).items():
        was_on = (HOT, subject) in situation.active

        def is_hot(reading: Reading, subject: str = subject, was_on: bool = was_on) -> bool | None:
            found = _temperatures(reading, situation.limits).get(subject)
            return None if found is None else is_over(*found, was_on, _MARGIN_CELSIUS)

        yield Finding(
            HOT,
            is_lasting(situation.window, situation.limits.after_seconds, was_on, is_hot),
            f"{subject} is at {celsius:.0f} °C (limit {limit:g} °C)",
            subject=subject,
            value=celsius,
            threshold=limit,
            evidence=_sections(situation, "gpu") if subject.startswith("gpu") else {},
        )


def throttled(situation: Situation) -> Iterator[Finding]:
    """A GPU has been held down by heat or power supply for a while."""
    for subject, device in devices_of(situation.window[-1]):
        reasons = device.get("throttle_reasons")
        if reasons is None:
            continue
        was_on = (THROTTLED, subject) in situation.active

        def is_held_down(reading: Reading, subject: str = subject) -> bool | None:
            found = dict(devices_of(reading)).get(subject, {}).get("throttle_reasons")
            return None if found is None else not _HARMFUL_REASONS.isdisjoint(found)

        yield Finding(
            THROTTLED,
            is_lasting(situation.window, situation.limits.after_seconds, was_on, is_held_down),
            f"{subject} is held down: {', '.join(reasons)}",
            subject=subject,
            value=device.get("sm_clock_mhz"),
            evidence={"device": device},
        )


def missing(situation: Situation) -> Iterator[Finding]:
    """Something that could be read cannot be read any more."""
    now = situation.window[-1].missing
    lost = {path: what for path, what in now.items() if what.is_lost}
    for path, what in lost.items():
        yield Finding(
            MISSING,
            is_on=True,
            message=f"No reading of {path} since {what.since}: {what.why}",
            subject=path,
            evidence={"since": what.since, "why": what.why},
        )
    for name, subject in situation.active:
        if name == MISSING and subject not in now:
            yield Finding(MISSING, is_on=False, message="", subject=subject)


RESOURCE_DETECTORS: tuple[Callable[[Situation], Iterator[Finding]], ...] = (
    high_memory,
    high_gpu_memory,
    high_disk,
    little_room,
    high_temperature,
    throttled,
    missing,
)


def devices_of(reading: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and fields of each accelerator: `gpu 1`, `gpu 1 mig 7`."""
    for place, device in enumerate(reading.values.get("gpu", {}).get("devices", ())):
        mig = device.get("mig", {}).get("gpu_instance_id")
        part = "" if mig is None else f" mig {mig}"
        yield f"gpu {device.get('index', place)}{part}", device


def _temperatures(reading: Reading, limits: Limits) -> dict[str, tuple[float, float]]:
    """Return what each sensor shows, and its limit; those without a limit are left out."""
    found = {
        name: (device.get("temperature_celsius"), device.get("slowdown_temperature_celsius"))
        for name, device in devices_of(reading)
    }
    sensors = reading.values.get("temperatures", {}).get("sensors", {})
    for name, sensor in sensors.items():
        found[name] = sensor.get("celsius"), sensor.get("critical_celsius")
    known = {}
    for name, (celsius, critical) in found.items():
        limit = limits.temperature_celsius
        if limit is None and critical is not None:
            limit = critical - _BELOW_CRITICAL_CELSIUS
        if celsius is not None and limit is not None:
            known[name] = celsius, limit
    return known


def _file_systems(situation: Situation) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in situation.values.get("disk", {}).get("file_systems", ()):
        yield each.get("mount", "?"), each


def _sections(situation: Situation, *names: str) -> dict[str, Any]:
    return {name: situation.values[name] for name in names if name in situation.values}
