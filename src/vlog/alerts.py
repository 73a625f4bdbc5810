"""When a number becomes an alert, and when the alert is over: once each per crossing."""

from __future__ import annotations

import math
from dataclasses import dataclass

HIGH_MEMORY = "high_memory_usage"
NON_FINITE_LOSS = "non_finite_loss"
NON_FINITE_GRAD_NORM = "non_finite_grad_norm"


@dataclass(frozen=True, slots=True)
class Limit:
    """An upper limit with a margin, so that a value that hovers at it raises one alert.

    Attributes:
        name: The alert's name.
        threshold: A value above it is an alert.
        margin: How far the value must fall below the threshold before the alert is over.
    """

    name: str
    threshold: float
    margin: float = 1.0

    def is_crossed(self, value: float, was_active: bool) -> bool:
        """Return whether the alert is on, given whether it was on before."""
        limit = self.threshold - self.margin if was_active else self.threshold
        return value > limit


def is_non_finite(value: object) -> bool:
    """Return whether `value` is a number that is nan, inf or -inf."""
    return isinstance(value, float) and not math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an alert.

    Attributes:
        name: The alert's name.
        is_raised: True at the crossing, False when it is over.
        active_seconds: How long it was on; 0.0 at the crossing.
    """

    name: str
    is_raised: bool
    active_seconds: float


class AlertBook:
    """Which alerts are on, since when, and how many there were.

    Attributes:
        raised: Number of alerts so far.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self.raised = 0

    def is_active(self, name: str) -> bool:
        """Return whether the alert is on."""
        return name in self._since

    def update(self, name: str, is_on: bool, now: float) -> Transition | None:
        """Note the alert's state at `now` (monotonic seconds) and return a change of it."""
        if is_on and name not in self._since:
            self._since[name] = now
            self.raised += 1
            return Transition(name, is_raised=True, active_seconds=0.0)
        if not is_on and name in self._since:
            return Transition(
                name, is_raised=False, active_seconds=round(now - self._since.pop(name), 6)
            )
        return None
