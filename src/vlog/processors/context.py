"""Which run an entry belongs to, and when it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.clock import Clock, iso_timestamp

if TYPE_CHECKING:
    from structlog.typing import EventDict


class AddContext:
    """Add run, rank and process.

    Args:
        context: `run_id`, `rank` and `pid`, the same in every entry of the run.
    """

    def __init__(self, context: dict[str, Any]) -> None:
        self._context = context

    def __call__(self, _logger: Any, _method: str, event_dict: EventDict) -> EventDict:
        """Return `event_dict` with the context behind its own envelope."""
        event_dict.update(self._context)
        return event_dict


class Stamp:
    """Add the time, and put the keys that every entry has in front.

    Args:
        clock: Whose wall time is written.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, _logger: Any, _method: str, event_dict: EventDict) -> EventDict:
        """Return a new dict: `timestamp` first, then the rest in reading order."""
        entry = {"timestamp": iso_timestamp(self._clock.wall())}
        for key in _LEADING:
            if key in event_dict:
                entry[key] = event_dict.pop(key)
        entry.update(event_dict)
        return entry


_LEADING = (
    "type",
    "level",
    "message",
    "run_id",
    "rank",
    "pid",
    "seq",
    "verbosity",
    "step",
    "epoch",
)
