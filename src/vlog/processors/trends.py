"""The trends of memory, step time and loss, in step entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.schema import EventType
from vlog.trends import Trend

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from vlog.resources import Monitor


class AddTrends:
    """Add `trends` to step entries.

    Memory is followed over distinct readings, step time over steps, loss over logged losses.

    Args:
        monitor: Where readings come from.
        detailed: Whether to add the window, its extremes and its slope.
    """

    def __init__(self, monitor: Monitor, *, detailed: bool) -> None:
        self._monitor = monitor
        self._detailed = detailed
        self._last_reading = 0
        self._memory = Trend("readings")
        self._step_time = Trend("steps")
        self._loss = Trend("logged losses")

    def __call__(self, _logger: Any, _method: str, event_dict: EventDict) -> EventDict:
        """Return `event_dict`, with trends if it is a step's entry."""
        loss = _number_at(event_dict, "metrics", "loss")
        kind = event_dict["type"]
        if loss is not None and kind in _WITH_LOSS:
            self._loss.add(loss)
        if kind != EventType.TRAINING_STEP_COMPLETE:
            return event_dict
        step_time = _number_at(event_dict, "timing", "step_time_seconds")
        if step_time is not None:
            self._step_time.add(step_time)
        self._take_reading()
        trends = {
            "memory_usage_trend": self._memory.summary(self._detailed),
            "step_time_trend": self._step_time.summary(self._detailed),
            "loss_trend": self._loss.summary(self._detailed),
        }
        event_dict["trends"] = {name: fields for name, fields in trends.items() if fields}
        return event_dict

    def _take_reading(self) -> None:
        reading = self._monitor.latest
        if reading is None or reading.number == self._last_reading:
            return
        self._last_reading = reading.number
        usage = reading.values.get("memory", {}).get("usage_percent")
        if usage is not None:
            self._memory.add(usage)


def _number_at(event_dict: EventDict, section: str, name: str) -> float | None:
    """Return a number of an entry, which a caller of `_write_log` may have composed freely."""
    values = event_dict.get(section)
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, float) else None


_WITH_LOSS = (EventType.TRAINING_STEP_COMPLETE, EventType.TRAINING_METRICS_UPDATE)
