"""Statistics of a stream of numbers in bounded memory."""

from __future__ import annotations

import math
from array import array
from functools import reduce
from operator import add

MAX_SAMPLES = 2**17  # 1 MiB of floats


class Samples:
    """Mean and extremes of all numbers, quantiles of an even sample of them.

    Up to `MAX_SAMPLES` numbers are kept. When that is full, every second one is let go, and from
    then on only every second, fourth, ... number is kept.

    >>> samples = Samples()
    >>> for value in (1.0, 2.0, 6.0):
    ...     samples.add(value)
    >>> samples.mean, samples.quantile(0.5), samples.max
    (3.0, 2.0, 6.0)

    Attributes:
        count: Numbers so far.
        min: The smallest; None without any.
        max: The largest; None without any.
    """

    def __init__(self) -> None:
        self.count = 0
        self.min: float | None = None
        self.max: float | None = None
        self._sum = 0.0
        self._kept = array("d")
        self._stride = 1

    def add(self, value: float) -> None:
        """Add a finite number."""
        if self.count % self._stride == 0:
            self._keep(value)
        self.count += 1
        self._sum += value
        self.min = value if self.min is None or value < self.min else self.min
        self.max = value if self.max is None or value > self.max else self.max

    def extend(self, values: list[float]) -> None:
        """Add finite numbers in order; it comes to the same as to add each."""
        kept = values[-self.count % self._stride :: self._stride]
        if not values or len(self._kept) + len(kept) > MAX_SAMPLES:
            for value in values:
                self.add(value)
            return
        self._kept.extend(kept)
        self.count += len(values)
        self._sum = reduce(add, values, self._sum)
        lowest, highest = min(values), max(values)
        self.min = lowest if self.min is None or lowest < self.min else self.min
        self.max = highest if self.max is None or highest > self.max else self.max

    def _keep(self, value: float) -> None:
        if len(self._kept) == MAX_SAMPLES:
            del self._kept[1::2]
            self._stride *= 2
            # The number at hand is an even multiple of the old stride: it is kept.
        self._kept.append(value)

    @property
    def mean(self) -> float | None:
        """The mean of all numbers; None without any, or if their sum is beyond what floats hold."""
        return self._sum / self.count if self.count and math.isfinite(self._sum) else None

    def quantile(self, share: float) -> float | None:
        """Return the number that `share` (0 to 1) of the sample lies below; None without any.

        Between two numbers it is interpolated.
        """
        if not self._kept:
            return None
        ordered = sorted(self._kept)
        place = share * (len(ordered) - 1)
        below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
        part = place - math.floor(place)
        gap = above - below
        # The gap between two huge numbers can be beyond what floats hold.
        return below + gap * part if math.isfinite(gap) else below * (1 - part) + above * part
