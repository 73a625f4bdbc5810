"""Where time comes from: the wall clock for stamps, a monotonic clock for durations.

Everything that needs the time takes a `Clock`, so that a test can move it by hand.
"""

from __future__ import annotations

import time
from datetime import datetime
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


def iso_timestamp(seconds: float) -> str:
    """Return `seconds` since the epoch as ISO 8601 local time with microseconds and UTC offset.

    >>> len(iso_timestamp(0.5)) == len("1970-01-01T00:00:00.500000+00:00")
    True
    """
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="microseconds")
