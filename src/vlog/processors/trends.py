"""The trends of resources, step time, throughput and loss, in step entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.schema import EventType

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from vlog.budget import OverheadBudget
    from vlog.resources import Monitor, Reading
    from vlog.trends import Trends

_STEP = str(EventType.TRAINING_STEP_COMPLETE)


class AddTrends:
    """Add `trends` to step entries.

    Args:
        trends: Those of the run, which are told of steps and losses by others.
        monitor: Where readings come from; of each, the trends are told once.
        budget: Says whether to leave them out for now; they are followed all the same.
    """

    def __init__(self, trends: Trends, monitor: Monitor, budget: OverheadBudget) -> None:
        self._trends = trends
        self._monitor = monitor
        self._budget = budget
        self._last_reading = 0

    def __call__(self, _logger: Any, _method: str, event_dict: EventDict) -> EventDict:
        """Return `event_dict`, with trends if it is a step's entry."""
        if event_dict["type"] != _STEP:
            return event_dict
        reading = self._monitor.latest
        if reading is not None and reading.number != self._last_reading:
            self._last_reading = reading.number
            self._see(reading)
        if not self._budget.sheds_trends:
            event_dict["trends"] = self._trends.fields()
        return event_dict

    def _see(self, reading: Reading) -> None:
        values, see = reading.values, self._trends.see
        see("memory_usage_trend", values.get("memory", {}).get("usage_percent"))
        see("cpu_usage_trend", values.get("cpu", {}).get("usage_percent"))
        devices = values.get("gpu", {}).get("devices", ())
        used = [device.get("memory_usage_percent") for device in devices]
        see(
            "gpu_memory_usage_trend", max((each for each in used if each is not None), default=None)
        )
