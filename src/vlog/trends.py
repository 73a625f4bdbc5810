"""Where a series of numbers is heading, told apart from its noise."""

from __future__ import annotations

import math
from collections import deque
from operator import mul
from typing import TYPE_CHECKING

from vlog.decimals import MOST
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from vlog.budget import OverheadBudget
    from vlog.verbosity import CurrentVerbosity

INCREASING = "increasing"
DECREASING = "decreasing"
STABLE = "stable"

WINDOW = 10
_LATEST = 5
# How many standard errors a slope must be away from 0, by the number of values: few values make a
# standard error that is no more sure than the slope. Student's t with two degrees of freedom less,
# 1 % on both sides. Source: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm
_ENOUGH = [math.inf] * 4 + [9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355]
_FEWEST = 4
_SMALLEST_CHANGE = 0.005  # of the mean, over the window
# By the number of values: how far each is from the middle, and the sum of their squares.
_PLACES = [[i - (count - 1) / 2 for i in range(count)] for count in range(WINDOW + 1)]
_SPREADS = [sum(map(mul, places, places)) for places in _PLACES]


class Trend:
    """The trend of the last `WINDOW` values.

    Args:
        unit: What a value is one of (`readings`, `steps`, `losses`), for the name of the window.

    Attributes:
        values: Those, oldest first; all are finite.
    """

    def __init__(self, unit: str) -> None:
        self._windows = [f"last {count} {unit}" for count in range(WINDOW + 1)]
        self.values: deque[float] = deque(maxlen=WINDOW)

    def fields(self, detailed: bool) -> dict[str, object]:
        """Return the fields of a trend, or an empty dict before the first value.

        Args:
            detailed: Whether to add the window's name, its extremes and its slope.
        """
        values = list(self.values)
        if not values:
            return {}
        count, current = len(values), values[-1]
        mean = sum(values) / count
        latest = mean if count <= _LATEST else sum(values[-_LATEST:]) / _LATEST
        slope = slope_of(values)
        direction = STABLE  # unless the slope matters, and stands out of the noise
        size = abs(slope)
        if size * (count - 1) > _SMALLEST_CHANGE * abs(mean) and size > _ENOUGH[count] * (
            slope_error(values, mean, slope)
        ):
            direction = INCREASING if slope > 0 else DECREASING
        least, most = min(values), max(values)
        if least > -MOST and most < MOST:  # as `rounded` does it
            current = (current * 1e6 + 0.5) // 1.0 / 1e6
            latest = (latest * 1e6 + 0.5) // 1.0 / 1e6
            least = (least * 1e6 + 0.5) // 1.0 / 1e6
            most = (most * 1e6 + 0.5) // 1.0 / 1e6
        else:
            current, latest, least, most = (
                round(each, 6) for each in (current, latest, least, most)
            )
        if not detailed:
            return {"current": current, "avg_last_5": latest, "trend_direction": direction}
        return {
            "current": current,
            "avg_last_5": latest,
            "min_last_10": least,
            "max_last_10": most,
            "trend_direction": direction,
            "window": self._windows[count],
            "slope_per_sample": (slope * 1e9 + 0.5) // 1.0 / 1e9 if size < 1e6 else slope,
        }


def slope_of(values: list[float]) -> float:
    """Return the least-squares slope of at most `WINDOW` values, per value; of too few, 0.

    >>> slope_of([1.0, 2.0, 3.0, 4.0])
    1.0
    """
    count = len(values)
    if count < _FEWEST:
        return 0.0
    slope: float = sum(map(mul, _PLACES[count], values)) / _SPREADS[count]
    return slope


def slope_error(values: list[float], mean: float, slope: float) -> float:
    """Return the standard error of their slope."""
    count = len(values)
    spread = _SPREADS[count]
    # A difference of large sums; but where a slope matters, it is no small part of them.
    residual = sum(map(mul, values, values)) - mean * mean * count - slope * slope * spread
    return math.sqrt(residual / (count - 2) / spread) if residual > 0 else 0.0


class Trends:
    """The trends of one run: of resources, step time, throughput and loss.

    What is no finite number has no trend, and is left out.

    Args:
        verbosity: The run's: from high on, the window, its extremes and its slope are told.
        budget: Says whether they are left out for now: then values are kept, and nothing is told.
    """

    def __init__(self, verbosity: CurrentVerbosity, budget: OverheadBudget) -> None:
        self._verbosity = verbosity
        self._budget = budget
        self._trends = {
            "memory_usage_trend": Trend("readings"),
            "gpu_memory_usage_trend": Trend("readings"),
            "cpu_usage_trend": Trend("readings"),
            "step_time_trend": Trend("steps"),
            "throughput_trend": Trend("steps"),
            "loss_trend": Trend("logged losses"),
        }
        self._fields: dict[str, dict[str, object]] = {}  # of those with a value, in that order
        self._is_detailed: bool | None = False  # None: they are to be told anew

    def see(self, name: str, value: object) -> None:
        """Take in the next value of the trend `name`."""
        if type(value) is not float or value - value != 0.0:
            return
        trend = self._trends[name]
        trend.values.append(value)
        if self._budget.sheds_trends:
            self._is_detailed = None
        elif name in self._fields and self._is_detailed is not None:
            self._fields[name] = trend.fields(self._is_detailed)
        else:
            self._tell_all()

    def see_step(self, seconds: float, work: int) -> None:
        """Take in a step: its duration, and its tokens, or samples if it has none."""
        self.see("step_time_trend", seconds)
        if seconds and work:
            self.see("throughput_trend", work / seconds)

    def fields(self) -> dict[str, dict[str, object]]:
        """Return `trends`: the fields of each trend that has any. Nobody changes those."""
        if (self._verbosity.value <= Verbosity.HIGH) is not self._is_detailed:
            self._tell_all()
        return self._fields.copy()

    def _tell_all(self) -> None:
        self._is_detailed = detailed = self._verbosity.value <= Verbosity.HIGH
        found = {name: trend.fields(detailed) for name, trend in self._trends.items()}
        self._fields = {name: fields for name, fields in found.items() if fields}
