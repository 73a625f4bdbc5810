"""Which numbers have been there, kept as ranges: as small as what is missing is rare."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Numbers:
    """A set of whole numbers, in the memory of its gaps."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def add(self, first: int, last: int) -> bool:
        """Add the numbers from `first` to `last`; return whether one of them was there."""
        low = bisect_left(self._lasts, first - 1)  # the ranges that these ones touch
        high = low
        while high < len(self._firsts) and self._firsts[high] <= last + 1:
            high += 1
        touched = range(low, high)
        was_there = any(self._firsts[i] <= last and first <= self._lasts[i] for i in touched)
        if touched:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high], self._lasts[low:high] = [first], [last]
        return was_there

    def has_any(self, first: int, last: int) -> bool:
        """Return whether one of the numbers from `first` to `last` is there."""
        place = bisect_left(self._lasts, first)
        return place < len(self._firsts) and self._firsts[place] <= last

    def missing(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of those from `first` to `last` that are not there.

        >>> numbers = Numbers()
        >>> numbers.add(3, 4)
        False
        >>> list(numbers.missing(0, 9))
        [(0, 2), (5, 9)]
        """
        place = bisect_left(self._lasts, first)
        while first <= last:
            if place == len(self._firsts) or self._firsts[place] > last:
                yield first, last
                return
            if first < self._firsts[place]:
                yield first, self._firsts[place] - 1
            first = self._lasts[place] + 1
            place += 1
