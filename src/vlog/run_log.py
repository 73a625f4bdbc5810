"""The entries of one run on their way to the handlers: verbosity filter and structlog chain."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import structlog

from vlog.clock import Clock, SystemClock, iso_timestamp
from vlog.gap import Gap, origin_of, reason_of
from vlog.processors import (
    AddContext,
    AddResources,
    AddTrends,
    Stamp,
    normalize_values,
    redact_secrets,
)
from vlog.schema import EVENTS, EventType, Severity

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

    from vlog.output import Output
    from vlog.resources import Monitor
    from vlog.verbosity import CurrentVerbosity, Verbosity


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
        monitor: Monitor,
    ) -> None:
        self.lock = threading.RLock()
        self.step = 0
        self.epoch: float | None = None  # not known before the training starts
        self.entries = 0
        self._is_writing = False
        self._said: list[dict[str, Any]] = []  # records, in the midst of an entry
        self._verbosity = verbosity
        self._clock = clock
        self._output = output
        self._pid = os.getpid()
        self.context = {"run_id": run_id, "rank": output.rank, "pid": self._pid}
        chain: list[Processor] = [
            AddContext(self.context),
            Stamp(clock),
            AddResources(monitor, clock, verbosity),
            AddTrends(monitor, verbosity),
            normalize_values,
            redact_secrets,
        ]
        self._logger = _entry_logger(output, chain)

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
        tier = EVENTS[kind].tier if verbosity is None else verbosity
        if tier < self._verbosity.value or not self.is_own_process:
            return
        with self.lock:
            entry = {
                **_envelope(kind, message, tier, level),
                "step": self.step if of_step is None else of_step,
                "epoch": self.epoch,
                **fields,
            }
            if self._is_writing and kind == EventType.LOG_RECORD:
                self._said.append(entry)  # by a handler of the app's, or by a value's repr
                return
            self._write(entry)
            if self._said and not self._is_writing:
                for each in self._said.copy():
                    self._write(each)
                self._said.clear()  # what these say in their turn could go on for ever

    def _write(self, entry: dict[str, Any]) -> None:
        outer, self._is_writing = self._is_writing, True
        try:
            self._logger.entry(**entry, seq=self.entries)
            self.entries += 1  # a Ctrl-C before this line leaves its number to the next one
        except Exception as error:
            self._write_gap(entry, error)
            raise
        finally:
            self._is_writing = outer

    def _write_gap(self, entry: dict[str, Any], error: Exception) -> None:
        """Write, in place of an entry that could not be made, that it is missing and why."""
        now = iso_timestamp(self._clock.wall())
        of_step = {"timestamp": now, "step": entry["step"], "epoch": self.epoch}
        origin = origin_of({**self.context, **of_step, "seq": self.entries})
        self.entries += 1
        self._output.logger.entry(Gap(origin, origin, reason_of(error)).entry(now))


def record_alone(
    output: Output,
    kind: EventType,
    message: str,
    *,
    level: Severity | None = None,
    **fields: Any,
) -> None:
    """Write one entry that belongs to no run; its arguments are those of `RunLog.record`."""
    chain: list[Processor] = [Stamp(SystemClock()), normalize_values, redact_secrets]
    envelope = _envelope(kind, message, EVENTS[kind].tier, level)
    output.open()
    try:
        _entry_logger(output, chain).entry(**envelope, **fields)
    finally:
        output.close()


def _envelope(
    kind: EventType, message: str, tier: Verbosity, level: Severity | None
) -> dict[str, str]:
    severity = EVENTS[kind].severity if level is None else level
    return {
        "type": str(kind),
        "level": str(severity),
        "message": message,
        "verbosity": tier.label,
    }


class _EntryLogger(structlog.BoundLoggerBase):
    """structlog's side of a run: runs the chain, then calls `entry` of the stdlib logger."""

    def entry(self, **event_dict: Any) -> None:
        self._proxy_to_logger("entry", **event_dict)


def _entry_logger(output: Output, chain: list[Processor]) -> _EntryLogger:
    return _EntryLogger(output.logger, [*chain, _as_argument], {})


def _as_argument(_logger: Any, _method: str, event_dict: EventDict) -> Any:
    """Pass the entry to the stdlib logger as one positional argument."""
    return (event_dict,), {}
