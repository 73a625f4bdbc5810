"""The trends of resources, step time, throughput and loss, in step entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.schema import EventType
from vlog.trends import Trend
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from vlog.resources import Monitor, Reading
    from vlog.verbosity import CurrentVerbosity


class AddTrends:
    """Add `trends` to step entries.

    Resources are followed over distinct readings, step time and throughput over steps, loss over
    logged losses.

    Args:
        monitor: Where readings come from.
        verbosity: The run's: from high on, the window, its extremes and its slope are added.
    """

    def __init__(self, monitor: Monitor, verbosity: CurrentVerbosity) -> None:
        self._monitor = monitor
        self._verbosity = verbosity
        self._last_reading = 0
        self._trends = {
            "memory_usage_trend": Trend("readings"),
            "gpu_memory_usage_trend": Trend("readings"),
            "cpu_usage_trend": Trend("readings"),
            "step_time_trend": Trend("steps"),
            "throughput_trend": Trend("steps"),
            "loss_trend": Trend("logged losses"),
        }

    def __call__(self, _logger: Any, _method: str, event_dict: EventDict) -> EventDict:
        """Return `event_dict`, with trends if it is a step's entry."""
        kind = event_dict["type"]
        if kind in _WITH_LOSS:
            self._add("loss_trend", _number_at(event_dict, "metrics", "loss"))
        if kind != EventType.TRAINING_STEP_COMPLETE:
            return event_dict
        self._add_step(event_dict)
        reading = self._monitor.latest
        if reading is not None and reading.number != self._last_reading:
            self._last_reading = reading.number
            self._add_reading(reading)
        detailed = self._verbosity.value <= Verbosity.HIGH
        summaries = {name: trend.summary(detailed) for name, trend in self._trends.items()}
        event_dict["trends"] = {name: fields for name, fields in summaries.items() if fields}
        return event_dict

    def _add(self, name: str, value: float | None) -> None:
        if value is not None:
            self._trends[name].add(value)

    def _add_step(self, event_dict: EventDict) -> None:
        seconds = _number_at(event_dict, "timing", "step_time_seconds")
        self._add("step_time_trend", seconds)
        work = event_dict.get("tokens") or event_dict.get("samples")
        if seconds and isinstance(work, int):
            self._add("throughput_trend", work / seconds)

    def _add_reading(self, reading: Reading) -> None:
        values = reading.values
        self._add("memory_usage_trend", values.get("memory", {}).get("usage_percent"))
        self._add("cpu_usage_trend", values.get("cpu", {}).get("usage_percent"))
        devices = values.get("gpu", {}).get("devices", ())
        used = [device.get("memory_usage_percent") for device in devices]
        self._add(
            "gpu_memory_usage_trend", max((each for each in used if each is not None), default=None)
        )


def _number_at(event_dict: EventDict, section: str, name: str) -> float | None:
    """Return a number of an entry, which a caller of `_write_log` may have composed freely."""
    values = event_dict.get(section)
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, float) else None


_WITH_LOSS = (EventType.TRAINING_STEP_COMPLETE, EventType.TRAINING_METRICS_UPDATE)
