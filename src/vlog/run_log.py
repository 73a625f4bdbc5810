"""The entries of one run on their way to the handlers: verbosity filter and structlog chain."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from vlog.clock import Clock, SystemClock, iso_timestamp
from vlog.gap import Gap, origin_of, reason_of
from vlog.processors import AddResources, AddTrends, clean_values
from vlog.record import number_of
from vlog.schema import EVENTS, EventType, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict

    from vlog.budget import OverheadBudget
    from vlog.output import Output
    from vlog.resources import Monitor
    from vlog.trends import Trends
    from vlog.verbosity import CurrentVerbosity, Verbosity


class _Head(NamedTuple):
    """What all entries of a type begin with, as it is written."""

    tier: Verbosity
    type: str
    level: str
    verbosity: str
    number: int  # of a stdlib record of it


def _head_of(kind: EventType, tier: Verbosity, severity: Severity) -> _Head:
    level, label = str(severity), tier.label
    return _Head(tier, str(kind), level, label, number_of(level, label))


_HEADS = {kind: _head_of(kind, event.tier, event.severity) for kind, event in EVENTS.items()}
_STEP = _HEADS[EventType.TRAINING_STEP_COMPLETE]


class _Draft(NamedTuple):
    """An entry that is to be written behind the one that is being written."""

    head: _Head
    message: str
    step: int
    fields: dict[str, Any]


class RunLog:
    """Write the entries of one run.

    It may be called from any thread: numbers are given and lines are written under one lock, so
    that the order in the file is the order of `seq`. A forked child writes nothing.

    Args:
        output: Where entries go.
        run_id: The run, until `context` says another.
        verbosity: The run's: what is of a finer tier is left out.
        clock: Where time comes from.
        monitor: Whose readings step entries carry.
        trends: What they carry as well.
        budget: Says what is left out of them for now.

    Attributes:
        lock: The lock, for those who decide and write in one go.
        step: The `step` of the entries to come.
        epoch: Their `epoch`.
        context: `run_id`, `rank` and `pid` of the entries to come.
        entries: Number of entries accepted, which is the `seq` of the next one.
    """

    def __init__(
        self,
        output: Output,
        run_id: str,
        verbosity: CurrentVerbosity,
        clock: Clock,
        *,
        monitor: Monitor,
        trends: Trends,
        budget: OverheadBudget,
    ) -> None:
        self.lock = threading.RLock()
        self.step = 0
        self.epoch: float | None = None  # not known before the training starts
        self.entries = 0
        self._is_writing = False
        self._said: list[_Draft] = []  # records, in the midst of an entry
        self._verbosity = verbosity
        self._wall = clock.wall
        self._logger = output.logger
        self._pid = os.getpid()
        self.context = {"run_id": run_id, "rank": output.rank, "pid": self._pid}
        self._chain: tuple[Callable[[Any, str, EventDict], EventDict], ...] = (clean_values,)
        self._step_chain = (
            AddResources(monitor, clock, verbosity, budget),
            AddTrends(trends, monitor, budget),
            *self._chain,
        )

    @property
    def is_own_process(self) -> bool:
        """Whether this is the process that the run began in, and not a fork of it."""
        return os.getpid() == self._pid

    def takes(self, tier: Verbosity) -> bool:
        """Return whether the run's verbosity writes entries of `tier`."""
        return tier >= self._verbosity.value

    def record(
        self,
        kind: EventType,
        message: str,
        *,
        verbosity: Verbosity | None = None,
        level: Severity | None = None,
        of_step: int | None = None,
        **fields: Any,
    ) -> None:
        """Write one entry, unless the run's verbosity leaves it out.

        Args:
            kind: What happened.
            message: The same in one line for people.
            verbosity: Its tier, if not that of its type.
            level: Its severity, if not that of its type.
            of_step: Its step, if it is not the last one that is done.
            **fields: Its own fields.
        """
        self.write(kind, message, fields, verbosity=verbosity, level=level, of_step=of_step)

    def write(
        self,
        kind: EventType,
        message: str,
        fields: dict[str, Any],
        *,
        verbosity: Verbosity | None = None,
        level: Severity | None = None,
        of_step: int | None = None,
    ) -> None:
        """Write one entry whose own fields are in a dict; see `record`."""
        head = _HEADS[kind]
        if verbosity is not None or level is not None:
            head = _head_of(kind, verbosity or head.tier, level or EVENTS[kind].severity)
        if head.tier < self._verbosity.value or os.getpid() != self._pid:
            return
        with self.lock:
            step = self.step if of_step is None else of_step
            if self._is_writing and kind == EventType.LOG_RECORD:
                self._said.append(_Draft(head, message, step, fields))
                return  # by a handler of the app's, or by a value's repr
            self._write(head, message, step, fields)
            if self._said and not self._is_writing:
                for each in self._said.copy():
                    self._write(*each)
                self._said.clear()  # what these say in their turn could go on for ever

    def _write(self, head: _Head, message: str, step: int, fields: dict[str, Any]) -> None:
        outer, self._is_writing = self._is_writing, True
        entry: Any = {
            "timestamp": iso_timestamp(self._wall()),
            "type": head.type,
            "level": head.level,
            "message": message,
            **self.context,
            "seq": self.entries,
            "verbosity": head.verbosity,
            "step": step,
            "epoch": self.epoch,
            **fields,
        }
        try:
            for processor in self._step_chain if head is _STEP else self._chain:
                entry = processor(None, "entry", entry)
            self._logger.entry(entry, head.number)
            self.entries += 1  # a Ctrl-C before this line leaves its number to the next one
        except Exception as error:
            self._write_gap(entry, error)
            raise
        finally:
            self._is_writing = outer

    def _write_gap(self, entry: dict[str, Any], error: Exception) -> None:
        """Write, in place of an entry that could not be made, that it is missing and why."""
        origin = origin_of(entry)
        self.entries += 1
        self._logger.entry(Gap(origin, origin, reason_of(error)).entry(origin.timestamp))


def record_alone(
    output: Output,
    kind: EventType,
    message: str,
    *,
    level: Severity | None = None,
    **fields: Any,
) -> None:
    """Write one entry that belongs to no run; its arguments are those of `RunLog.record`."""
    event = EVENTS[kind]
    head = _head_of(kind, event.tier, event.severity if level is None else level)
    entry: Any = {
        "timestamp": iso_timestamp(SystemClock().wall()),
        "type": head.type,
        "level": head.level,
        "message": message,
        "verbosity": head.verbosity,
        **fields,
    }
    output.open()
    try:
        entry = clean_values(None, "entry", entry)
        output.logger.entry(entry, head.number)
    finally:
        output.close()
