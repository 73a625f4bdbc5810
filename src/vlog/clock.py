"""Where time comes from: the wall clock for stamps, a monotonic clock for durations.

Everything that needs the time takes a `Clock`, so that a test can move it by hand.
"""

from __future__ import annotations

import math
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


_MICROS = len("1970-01-01T00:00:00.")
_NEARLY_ONE = 1 - 5e-7  # what is more is rounded to the next second


class TimestampWriter:
    """Write times as text, the quicker the more of them fall into one second."""

    def __init__(self) -> None:
        self._second = 0, "", ""
        self._look_at(0)

    def __call__(self, seconds: float) -> str:
        """Return the time; see `iso_timestamp`."""
        whole, head, tail = self._second
        part = seconds - whole
        if not 0 <= part < _NEARLY_ONE:
            whole, head, tail = self._look_at(math.floor(seconds + 5e-7))
            part = max(seconds - whole, 0.0)
        return f"{head}{int(part * 1e6 + 0.5):06d}{tail}"

    def _look_at(self, whole: int) -> tuple[int, str, str]:
        text = datetime.fromtimestamp(whole).astimezone().isoformat(timespec="microseconds")
        self._second = found = whole, text[:_MICROS], text[_MICROS + 6 :]
        return found


_write = TimestampWriter()


def iso_timestamp(seconds: float) -> str:
    """Return `seconds` since the epoch as ISO 8601 local time with microseconds and UTC offset.

    Raises:
        ValueError, OverflowError, OSError: there is no such time.

    >>> len(iso_timestamp(0.5)) == len("1970-01-01T00:00:00.500000+00:00")
    True
    """
    return _write(seconds)
