"""The thresholds of the alerts, and what a detector says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vlog.errors import check_number


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds that a user may choose. At the largest value an alert is off.

    Attributes:
        memory_percent: Memory of the tightest limit, above 1, at most 100.
        gpu_memory_percent: Memory of a GPU, above 1, at most 100.
        disk_percent: A file system that holds the log or the output, above 1, at most 100.
        temperature_celsius: Of any sensor; None for 5 below what the sensor itself calls critical.
        slow_step_factor: How many times as long as usual steps take, above 1.
        after_seconds: How long heat, throttling and slow steps must last.

    Raises:
        ConfigurationError: a number is none, or out of its range.
    """

    memory_percent: float = 90.0
    gpu_memory_percent: float = 95.0
    disk_percent: float = 95.0
    temperature_celsius: float | None = None
    slow_step_factor: float = 1.5
    after_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be used, by the name that the user gave it."""
        for name in ("memory", "gpu_memory", "disk"):
            value = getattr(self, f"{name}_percent")  # 0.9 would be meant as 90 %
            check_number(f"{name}_alert_percent", value, 100, "percent", above=1)
        if self.temperature_celsius is not None:
            check_number("temperature_alert_celsius", self.temperature_celsius, 200, "degrees")
        factor = self.slow_step_factor
        check_number("slow_step_alert_factor", factor, 1e6, "how many times as long", above=1)
        check_number("alert_after_seconds", self.after_seconds, 86_400, "seconds")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector says of one subject.

    Attributes:
        alert: Name of the alert.
        is_on: Whether it is on.
        message: What is wrong, in one line for people.
        subject: What it is about, where there are several: a device, a file system.
        value: The measured value.
        threshold: The limit that it is held against.
        evidence: The numbers behind it.
        must_last: Whether it counts only after `Limits.after_seconds`, on and off.
    """

    alert: str
    is_on: bool
    message: str
    subject: str | None = None
    value: float | None = None
    threshold: float | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    must_last: bool = False
