"""The life of one run of a loop: its start, its end, and what its loop says in between.

Every method is guarded: nothing of vlog passes it into the training. What a loop does out of order
is taken as well as it can be: a run that nobody started begins, and one that is over stays over.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING, Any

from vlog import endings
from vlog.handlers.error_log import tell_stderr
from vlog.integrations.guard import guarded
from vlog.integrations.loop_course import LoopCourse
from vlog.integrations.loop_facts import watch_optimizer
from vlog.redaction import redact_text
from vlog.schema import EventType
from vlog.timing import FINALIZE, LOGGING

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlog.integrations.loop_facts import Plan
    from vlog.options import Recording
    from vlog.recorder import Recorder
    from vlog.timing import PhaseLedger
    from vlog.verbosity_request import VerbosityRequest


def _handed_on(name: str) -> Callable[..., None]:
    """Return a method that hands what it is told to the course, while the run is open."""

    def tell(self: LoopRun, *args: Any) -> None:
        if self.begins_or_is_open(name):
            with self.lock:
                getattr(self.course, name)(*args)

    tell.__name__ = name
    tell.__doc__ = getattr(LoopCourse, name).__doc__
    return guarded(tell)


class LoopRun:
    """Record one loop, from `start` to `finish` or `raised`. Any thread may call it.

    Args:
        recording: What its user asked for.
        plan: How many steps are to come.
        optimizer: Whose steps are timed; None without one.
        made_of: See `initialization_of`.
        checkpoint: The checkpoint that it goes on from.
        name: What the console calls it.

    Attributes:
        recorder: Of this run.
        ledger: Where its time goes.
        course: Of its loop.
        lock: Held by the thread that tells something.
    """

    def __init__(
        self,
        recording: Recording,
        plan: Plan,
        optimizer: Any,
        *,
        made_of: dict[str, Any],
        checkpoint: str | None,
        name: str,
    ) -> None:
        self._recording = recording
        self._made_of = made_of
        self._checkpoint = checkpoint
        self._name = redact_text(name)
        self.lock = threading.RLock()
        self._has_started = False
        self._unwatch_optimizer: Callable[[], None] | None = None
        self._take_process(plan, optimizer)

    def _take_process(self, plan: Plan, optimizer: Any) -> None:
        self._pid = os.getpid()
        self.recorder: Recorder = self._recording.new_run(self._let_go)
        self.recorder.name = self._name
        self.ledger: PhaseLedger = self.recorder.ledger
        self.course = LoopCourse(self.recorder, plan, optimizer)

    @property
    def is_open(self) -> bool:
        """Whether it has begun in this process and is not over."""
        return self._has_started and not self.recorder.is_ended and os.getpid() == self._pid

    def begins_or_is_open(self, what: str) -> bool:
        """Return whether `what` is recorded: begin if nobody has, and say if the run is over.

        A fork of the process that it records in has nothing to say.
        """
        if not self._has_started:
            self.start()
        if self.is_open:
            return True
        if self.recorder.is_ended:
            self._recording.output.report(f"{what} is not recorded: the run is over")
        return False

    def report_fault(self, what: str, error: BaseException) -> None:
        """Tell the error log; see `vlog.integrations.guard`."""
        self._recording.output.report(what, error)

    @guarded
    def start(self) -> None:
        """Open the run; one that is open stays as it is."""
        if self._has_started:
            if self.begins_or_is_open("start"):
                return
            tell_stderr("vlog: this training is not recorded: make a new training_run for it")
            return
        if os.getpid() != self._pid:  # a launcher has forked since
            self._take_process(self.course.plan, self.course.optimizer)
        self._has_started = True
        endings.watch(self.recorder)
        atexit.register(self._at_exit)
        try:
            self._write_start()
        except Exception as error:
            tell_stderr(f"vlog: this run may not be recorded: {type(error).__name__}: {error}")
            raise
        finally:
            self._made_of = {}
            self._watch_optimizer()

    def _write_start(self) -> None:
        self.recorder.start([], self._checkpoint)
        made_of = ", ".join(self._made_of) or "nothing is described"
        self.recorder.record(
            EventType.TRAINING_INITIALIZATION,
            f"🧩 The run is made of: {made_of}",
            **self._made_of,
        )

    def _watch_optimizer(self) -> None:
        if self.course.optimizer is not None:
            self._unwatch_optimizer = watch_optimizer(
                self.course.optimizer, self._optimizer_begins, self._optimizer_ended
            )

    @guarded
    def finish(self) -> None:
        """End the run as complete."""
        if self.is_open:
            try:
                self.course.leave(FINALIZE)
            finally:
                self.recorder.complete({})

    @guarded
    def raised(self, error: BaseException) -> None:
        """End the run by what the loop raised; what is no Exception is an order to stop."""
        if self.is_open:
            try:
                self.course.leave(LOGGING)
            finally:
                if isinstance(error, Exception):
                    self.recorder.fail(error)
                else:
                    self.recorder.interrupt(type(error).__name__)

    def _at_exit(self) -> None:
        """End a run that nobody finished, in front of `endings`, which would interrupt it."""
        plan = self.course.plan
        if plan.total_steps is not None and plan.step >= plan.total_steps:
            self.finish()

    def _let_go(self, recorder: Recorder) -> None:
        """Keep nothing that is the training's: the run may be held for long."""
        endings.unwatch(recorder)
        atexit.unregister(self._at_exit)
        if self._unwatch_optimizer is not None:
            self._unwatch_optimizer()
        self._unwatch_optimizer = self.course.optimizer = None

    @guarded
    def set_verbosity(self, request: VerbosityRequest) -> None:
        """Write at another verbosity from now on."""
        if self.begins_or_is_open("set_verbosity"):
            self.recorder.set_verbosity(request)

    log = _handed_on("log")
    epoch_begins = _handed_on("epoch_begins")
    epoch_ended = _handed_on("epoch_ended")
    loader_begins = _handed_on("loader_begins")
    batch_came = _handed_on("batch_came")
    batch_done = _handed_on("batch_done")
    loader_ended = _handed_on("loader_ended")
    loop_left = _handed_on("loop_left")
    step_begins = _handed_on("step_begins")
    step_ended = _handed_on("step_ended")
    evaluation_begins = _handed_on("evaluation_begins")
    prediction_done = _handed_on("prediction_done")
    evaluation_ended = _handed_on("evaluation_ended")
    checkpoint_begins = _handed_on("checkpoint_begins")
    checkpoint_ended = _handed_on("checkpoint_ended")
    _optimizer_begins = _handed_on("optimizer_begins")
    _optimizer_ended = _handed_on("optimizer_ended")
