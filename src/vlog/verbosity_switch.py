"""The verbosity of a run, switched while it goes on: from Python, or by a file beside its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.schema import EventType
from vlog.verbosity_request import VerbosityRequest, take_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlog.machine import Machine
    from vlog.output import Output
    from vlog.run_log import RunLog
    from vlog.verbosity import CurrentVerbosity, Verbosity


class VerbositySwitch:
    """Switch what one run writes and how it measures, and write that down.

    Args:
        log: Where to.
        current: The run's verbosity.
        machine: Measures as often as that wants.
        output: Knows the log, beside which a request may wait.
    """

    def __init__(
        self, log: RunLog, current: CurrentVerbosity, machine: Machine, output: Output
    ) -> None:
        self._log = log
        self._current = current
        self._machine = machine
        self._output = output
        self._before: Verbosity | None = None  # what it goes back to
        self._last_step = 0

    def discard_old_request(self) -> None:
        """Take away a request that was meant for an earlier run."""
        self._look_for(lambda _: None)

    def look(self) -> None:
        """Fulfil the request that waits beside the log, if one does."""
        self._look_for(lambda request: self.switch(request, "command"))

    def _look_for(self, act: Callable[[VerbosityRequest], None]) -> None:
        log_file = self._output.log_file
        if log_file is None:
            return
        try:
            request = take_request(log_file)
        except (OSError, ValueError) as error:
            self._output.report("a request for another verbosity cannot be fulfilled", error)
            return
        if request is not None:
            act(request)

    def switch(self, request: VerbosityRequest, source: str) -> None:
        """Do what is asked for, from this entry on.

        Args:
            request: It.
            source: Where it comes from: `python`, `command` or `steps are over`.
        """
        with self._log.lock:
            before = self._current.value
            lasting = before if self._before is None else self._before
            self._before = None
            if request.steps is not None:  # one request of some steps may follow the other
                self._before, self._last_step = lasting, self._log.step + request.steps
            self._current.value = request.verbosity
            self._write(before, request, source)
        self._machine.switch(request.verbosity)

    def step_done(self) -> None:
        """Go back to the verbosity of before, if the steps of a request are over."""
        if self._before is not None and self._log.step >= self._last_step:
            self.switch(VerbosityRequest(self._before), "steps are over")

    def _write(self, before: Verbosity, request: VerbosityRequest, source: str) -> None:
        steps: dict[str, Any] = {} if request.steps is None else {"steps": request.steps}
        how_long = f" for {request.steps} steps" if steps else ""
        self._log.record(
            EventType.VERBOSITY_CHANGED,
            f"🔧 Verbosity is {request.verbosity.label} now{how_long}; it was {before.label}",
            verbosity_before=before.label,
            verbosity_now=request.verbosity.label,
            **steps,
            source=source,
        )
