"""What a user may choose about a recording, checked when it is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlog.alerts import Limits
from vlog.errors import ConfigurationError, check_number
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
        limits: When something is an alert.
        reading_interval_seconds: Time between two readings, above 0.001; None for the verbosity's
            own (10 at low, 5 at medium, 1 at high, 0.5 at ultra).
        capture: Loggers whose records are taken into the log.
        overhead_budget_percent: Share of the step time that vlog may take, 0 to 100; 0 for any.

    Raises:
        ConfigurationError: a number is none, or out of its range.
    """

    verbosity: Verbosity = Verbosity.HIGH
    limits: Limits = field(default_factory=Limits)
    reading_interval_seconds: float | None = None
    capture: tuple[str, ...] = ()
    overhead_budget_percent: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        if self.reading_interval_seconds is not None:
            interval = self.reading_interval_seconds
            check_number("reading_interval_seconds", interval, 3600, "seconds", above=0.001)
        _check_budget(self.overhead_budget_percent)

    @property
    def interval_seconds(self) -> float:
        """Time between two readings."""
        return self.reading_interval_seconds or _READING_INTERVAL_SECONDS[self.verbosity]


def _check_budget(value: object) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 100:  # type: ignore[operator]  # it is a number
        raise ConfigurationError(
            f"overhead_budget_percent is {value!r}. Expected percent, 0 (for no budget) to 100."
        )
