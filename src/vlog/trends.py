"""Where a series of numbers is heading, told apart from its noise."""

from __future__ import annotations

import math
from collections import deque

INCREASING = "increasing"
DECREASING = "decreasing"
STABLE = "stable"

WINDOW = 10
# How many standard errors a slope must be away from 0, by the number of values: few values make a
# standard error that is no more sure than the slope. Student's t with two degrees of freedom less,
# 1 % on both sides. Source: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm
_STANDARD_ERRORS = {4: 9.925, 5: 5.841, 6: 4.604, 7: 4.032, 8: 3.707, 9: 3.499, 10: 3.355}
_FEWEST = min(_STANDARD_ERRORS)
_SMALLEST_CHANGE = 0.005  # of the mean, over the window


class Trend:
    """The trend of the last `WINDOW` values.

    Args:
        unit: What a value is one of (`readings`, `steps`, `losses`), for the name of the window.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._values: deque[float] = deque(maxlen=WINDOW)

    def add(self, value: float) -> None:
        """Take in the next value; one that is not finite has no trend and is left out."""
        if math.isfinite(value):
            self._values.append(value)

    def summary(self, detailed: bool) -> dict[str, object]:
        """Return the fields of a trend, or an empty dict before the first value.

        Args:
            detailed: Whether to add the window's name, its extremes and its slope.
        """
        values = list(self._values)
        if not values:
            return {}
        last = values[-5:]
        slope, error = slope_of(values)
        fields: dict[str, object] = {
            "current": round(values[-1], 6),
            "avg_last_5": round(sum(last) / len(last), 6),
            "trend_direction": direction_of(values, slope, error),
        }
        if detailed:
            fields["window"] = f"last {len(values)} {self._unit}"
            fields["min_last_10"] = round(min(values), 6)
            fields["max_last_10"] = round(max(values), 6)
            fields["slope_per_sample"] = round(slope, 9)
        return fields


def slope_of(values: list[float]) -> tuple[float, float]:
    """Return the least-squares slope per value and its standard error.

    >>> slope_of([1.0, 2.0, 3.0, 4.0])
    (1.0, 0.0)
    """
    count = len(values)
    if count < _FEWEST:
        return 0.0, 0.0
    middle = (count - 1) / 2
    mean = sum(values) / count
    spread = count * (count * count - 1) / 12
    slope = sum((i - middle) * value for i, value in enumerate(values)) / spread
    residual = sum((value - mean - slope * (i - middle)) ** 2 for i, value in enumerate(values))
    return slope, math.sqrt(residual / (count - 2) / spread)


def direction_of(values: list[float], slope: float, error: float) -> str:
    """Name the direction of `slope` if it stands out of the noise and matters at all."""
    change = abs(slope) * (len(values) - 1)
    mean = abs(sum(values)) / len(values)
    enough = _STANDARD_ERRORS.get(len(values), 0.0)
    if abs(slope) <= enough * error or change <= _SMALLEST_CHANGE * mean:
        return STABLE
    return INCREASING if slope > 0 else DECREASING
