"""Sources and readings that tests make up, to steer what the monitor sees."""

from __future__ import annotations

import threading

from vlog.resources import Reading


class Fixed:
    """A source that says one thing after the other, the last one for ever."""

    def __init__(self, name, *results, can_block=False, pace_seconds=0.0):
        self.name = name
        self.can_block = can_block
        self.pace_seconds = pace_seconds
        self.reads = 0
        self.is_closed = False
        self._results = list(results)

    def read(self):
        self.reads += 1
        result = self._results.pop(0) if len(self._results) > 1 else self._results[0]
        if isinstance(result, Exception):
            raise result
        return result

    def close(self):
        self.is_closed = True


class Hanging:
    """A source that answers until it hangs, and goes on when it is let go."""

    def __init__(self, name, values, answers=1):
        self.name = name
        self.answers = answers
        self.may_go_on = threading.Event()
        self._values = values

    def read(self):
        if self.answers <= 0:
            self.may_go_on.wait(60)
        self.answers -= 1
        return dict(self._values)


def reading(number=1, taken=0.0, missing=None, **sections):
    return Reading(number, taken, sections, b"{}", missing or {})
