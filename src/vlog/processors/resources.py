"""The monitor's latest reading, spliced into step entries."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vlog.budget import SPARE_READING_SECONDS
from vlog.schema import EventType
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.typing import EventDict

    from vlog.budget import OverheadBudget
    from vlog.clock import Clock
    from vlog.resources import Missing, Monitor
    from vlog.verbosity import CurrentVerbosity

_STEP = str(EventType.TRAINING_STEP_COMPLETE)
_EVERY_STEPS = {Verbosity.MEDIUM: 5, Verbosity.HIGH: 1, Verbosity.ULTRA: 1}


class AddResources:
    """Add `resource_usage` and its age: every 5th step at medium, every step from high on.

    What is missing in it stands beside it, at the first reading and whenever that changes. What the
    budget leaves out are most readings: one in 10 s costs nothing, and tells of the whole run.

    Args:
        monitor: Where the reading lies.
        clock: Tells its age.
        verbosity: The run's.
        budget: Says whether to leave most out for now.
    """

    def __init__(
        self,
        monitor: Monitor,
        clock: Clock,
        verbosity: CurrentVerbosity,
        budget: OverheadBudget,
    ) -> None:
        self._budget = budget
        self._monitor = monitor
        self._monotonic = clock.monotonic
        self._verbosity = verbosity
        self._missing: Mapping[str, Missing] = {}
        self._taken = -math.inf  # the reading that was added last

    def __call__(self, _logger: Any, _method: str, event_dict: EventDict) -> EventDict:
        """Return `event_dict` with the reading, if it is a step's turn and there is one."""
        if event_dict["type"] != _STEP:
            return event_dict
        reading = self._monitor.latest
        if reading is None:
            return event_dict
        if self._budget.sheds_resources and reading.taken - self._taken < SPARE_READING_SECONDS:
            return event_dict
        every_steps = _EVERY_STEPS.get(self._verbosity.value, 0)
        if every_steps and event_dict["step"] % every_steps == 0:
            self._taken = reading.taken
            event_dict["resource_usage"] = reading
            age = self._monotonic() - reading.taken
            event_dict["resource_age_seconds"] = (age * 1e3 + 0.5) // 1.0 / 1e3 if age > 0 else 0.0
            if reading.missing is not self._missing:
                self._missing = reading.missing
                event_dict["resource_missing"] = {
                    path: asdict(what) for path, what in self._missing.items()
                }
        return event_dict
