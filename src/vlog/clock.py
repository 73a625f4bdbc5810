"""Where time comes from: the wall clock for stamps, a monotonic clock for durations.

Everything that needs the time takes a `Clock`, so that a test can move it by hand.
"""

from __future__ import annotations

import math
import time
from datetime import datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """The two clocks of a run."""

    def wall(self) -> float:
        """Return seconds since the epoch (it may jump)."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start (it never goes back)."""
        ...


class SystemClock:
    """The machine's own clocks."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.perf_counter)


_QUARTER_SECONDS = 900  # local time differs from UTC by a multiple of it, and changes at one
_QUARTERS = 64  # that are kept: the time that entries come, and the times at which runs may end
_HOUR, _MICROS = len("1970-01-01T00:"), len("1970-01-01T00:00:00.000000")


def iso_timestamp(seconds: float) -> str:
    """Return `seconds` since the epoch as ISO 8601 local time with microseconds and UTC offset.

    Raises:
        ValueError, OverflowError, OSError: there is no such time.

    >>> len(iso_timestamp(0.5)) == len("1970-01-01T00:00:00.500000+00:00")
    True
    """
    whole = math.floor(seconds + 5e-7)
    micros = int((seconds - whole) * 1e6 + 0.5) if seconds > whole else 0
    number, second = divmod(whole, _QUARTER_SECONDS)
    quarter = _quarter(number, (*time.tzname, time.timezone))
    if quarter is None:
        text = datetime.fromtimestamp(whole).astimezone().isoformat(timespec="microseconds")
        return f"{text[: _MICROS - 6]}{micros:06d}{text[_MICROS:]}"
    head, minute, tail = quarter
    return f"{head}{minute + second // 60:02d}:{second % 60:02d}.{micros:06d}{tail}"


@lru_cache(_QUARTERS)
def _quarter(number: int, _zone: tuple[str | int, ...]) -> tuple[str, int, str] | None:
    """Return what stands before the minutes of a quarter of an hour, its first, and the offset.

    None if its minutes are not those of local time, as in some places long ago.

    Args:
        number: Of the quarter, since the epoch.
        _zone: What tells one local time from another, which an app may choose.
    """
    first, last = (
        datetime.fromtimestamp(number * _QUARTER_SECONDS + each).astimezone()
        for each in (0, _QUARTER_SECONDS - 1)
    )
    if first.utcoffset() != last.utcoffset() or (first.minute % 15, first.second) != (0, 0):
        return None
    text = first.isoformat(timespec="microseconds")
    return text[:_HOUR], first.minute, text[_MICROS:]
