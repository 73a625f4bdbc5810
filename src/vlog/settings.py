"""What a user may choose about a recording, checked when it is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from vlog.errors import ConfigurationError
from vlog.verbosity import Verbosity

_READING_INTERVAL_SECONDS = {
    Verbosity.LOW: 10.0,
    Verbosity.MEDIUM: 5.0,
    Verbosity.HIGH: 1.0,
    Verbosity.ULTRA: 0.5,
}


@dataclass(frozen=True)
class Settings:
    """The choices that hold for every run of a callback or loop.

    Attributes:
        verbosity: What is written.
        memory_alert_percent: Host memory above which there is an alert, above 0, at most 100.
        reading_interval_seconds: Time between two readings, above 0; None for the verbosity's
            own (10 at low, 5 at medium, 1 at high, 0.5 at ultra).

    Raises:
        ConfigurationError: a number is none, or out of its range.
    """

    verbosity: Verbosity = Verbosity.HIGH
    memory_alert_percent: float = 90.0
    reading_interval_seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        _check("memory_alert_percent", self.memory_alert_percent, 100.0, "percent")
        if self.reading_interval_seconds is not None:
            _check("reading_interval_seconds", self.reading_interval_seconds, 3600.0, "seconds")

    @property
    def interval_seconds(self) -> float:
        """Time between two readings."""
        return self.reading_interval_seconds or _READING_INTERVAL_SECONDS[self.verbosity]


def _check(name: str, value: object, maximum: float, unit: str) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= maximum:  # type: ignore[operator]  # it is a number
        raise ConfigurationError(
            f"{name} is {value!r}. Expected a number of {unit} above 0 and up to {maximum:g}."
        )
