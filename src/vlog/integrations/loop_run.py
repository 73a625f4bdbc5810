"""One run of a loop: where the loop says it is, told to the recorder.

Every method is guarded: nothing of vlog passes it into the training.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from vlog import endings
from vlog.describe import count_batch, describe_environment, describe_structure
from vlog.device_values import DeviceValues
from vlog.handlers.error_log import tell_stderr
from vlog.integrations.guard import guarded
from vlog.integrations.loop_facts import learning_rate_of, plain_number, watch_optimizer
from vlog.lineage import find_checkpoint_run
from vlog.ranks import world_size
from vlog.schema import EventType
from vlog.timing import (
    CHECKPOINT,
    DATA_WAIT,
    EVALUATION,
    FINALIZE,
    FORWARD_BACKWARD,
    LOGGING,
    OPTIMIZER,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlog.integrations.loop_facts import Plan
    from vlog.options import Recording
    from vlog.recorder import Recorder
    from vlog.verbosity_request import VerbosityRequest


class LoopRun:
    """Follow one loop, from `start` to `finish` or `raised`.

    Args:
        recording: What its user asked for.
        plan: How many steps are to come.
        optimizer: Whose steps are timed; None without one.

    Attributes:
        recorder: Of this run.
        plan: The same.
        step: Steps done, of the whole training.
    """

    def __init__(self, recording: Recording, plan: Plan, optimizer: Any) -> None:
        self._recording = recording
        self.plan = plan
        self._optimizer = optimizer
        self.recorder: Recorder = recording.new_run(self._let_go)
        self._mark = self.recorder.ledger.mark
        self._numbers = DeviceValues(self._number_arrived)
        self._unwatch_optimizer: Callable[[], None] | None = None
        self._evaluations: list[dict[str, Any]] = []  # results of the open ones, innermost last
        self._has_begun = self._has_batch = self._announces_epoch = False
        self._epoch: int | None = None
        self._begin_step()

    def _begin_step(self) -> None:
        self._is_in_step = self._has_stepped = False
        self._metrics: dict[str, Any] = {}
        self._facts: dict[str, Any] = {}
        self._samples = self._tokens = self._micro_batches = 0
        self._learning_rate: float | None = None

    @property
    def step(self) -> int:
        """Steps done, of the whole training."""
        return self.plan.step

    @property
    def says_that_the_step_is_done(self) -> bool:
        """Whether the open step has called the optimizer or logged something."""
        return self._has_stepped or bool(self._metrics)

    @property
    def micro_batches(self) -> int:
        """Micro-batches of the open step that are done."""
        return self._micro_batches

    def report_fault(self, what: str, error: BaseException) -> None:
        """Tell the error log; see `vlog.integrations.guard`."""
        self._recording.output.report(what, error)

    def leave(self) -> None:
        """Say that the time since the last mark was vlog's own."""
        self.recorder.ledger.leave()

    @guarded
    def start(self, made_of: dict[str, Any], checkpoint: str | None) -> None:
        """Open the run.

        Args:
            made_of: See `initialization_of`.
            checkpoint: The checkpoint that it goes on from.
        """
        log_file = self._recording.output.log_file
        resumed_from = None
        if checkpoint is not None and log_file is not None:
            resumed_from = find_checkpoint_run(log_file, checkpoint)
        endings.watch(self.recorder)
        atexit.register(self._at_exit)
        try:
            self.recorder.start(
                describe_environment(),
                missing=[],
                resumed_from=resumed_from,
                resumed_from_checkpoint=checkpoint,
            )
        except Exception as error:
            tell_stderr(f"vlog: this run may not be recorded: {type(error).__name__}: {error}")
            raise
        self.recorder.record(
            EventType.TRAINING_INITIALIZATION,
            "🧩 Arguments, model and data sets are ready",
            **made_of,
        )
        if self._optimizer is not None:
            self._unwatch_optimizer = watch_optimizer(
                self._optimizer, self._optimizer_begins, self._optimizer_ended
            )

    @guarded
    def finish(self) -> None:
        """End the run as complete."""
        self._mark(FINALIZE)
        if not self.recorder.is_ended:
            self._begin()
            self.recorder.complete({})

    @guarded
    def raised(self, error: BaseException) -> None:
        """End the run by what the loop raised."""
        self._mark(self._phase)
        endings.end_by(self.recorder, error)

    @guarded
    def set_verbosity(self, wish: VerbosityRequest) -> None:
        """Write at another verbosity from now on."""
        self.recorder.set_verbosity(wish)

    def _at_exit(self) -> None:
        """End a run that nobody finished, in front of `endings`, which would interrupt it."""
        total = self.plan.total_steps
        if total is not None and self.step >= total:
            self.finish()

    def _let_go(self, recorder: Recorder) -> None:
        endings.unwatch(recorder)
        atexit.unregister(self._at_exit)
        if self._unwatch_optimizer is not None:
            self._unwatch_optimizer()
            self._unwatch_optimizer = None

    @property
    def _phase(self) -> str:
        return FORWARD_BACKWARD if self._is_in_step else LOGGING

    def _begin(self) -> None:
        """Write `training_start`, and `epoch_begin` if one has begun, once they are known."""
        if not self._has_begun:
            self._has_begun = True
            self.recorder.training_started(
                self.plan.schedule,
                self.plan.start_step,
                self.plan.epoch(self._epoch),
                self.plan.epochs,
                {**self.plan.batch, "world_size": world_size()},
            )
        if self._announces_epoch:
            self._announces_epoch = False
            self.recorder.epoch_begin(self.plan.epoch(self._epoch))

    @guarded
    def log(self, metrics: dict[str, Any]) -> None:
        """Take numbers: of the open evaluation, of the open step, or of the last one."""
        self._mark(EVALUATION if self._evaluations else self._phase)
        step = self.step + self._is_in_step
        known: dict[str, Any] = {}
        for name, value in metrics.items():
            if not self._numbers.observe(step, value, str(name)):
                known[str(name)] = plain_number(value)
        self._take(step, known)

    def _number_arrived(self, step: int, number: float, name: str) -> None:
        self._take(step, {name: number})

    def _take(self, step: int, metrics: dict[str, Any]) -> None:
        if self._evaluations:
            self._evaluations[-1].update(metrics)
        elif self._is_in_step and step > self.step:
            self._metrics.update(metrics)
        elif metrics:
            self._begin()
            self.recorder.log(metrics, step, is_own=True)

    @guarded
    def epoch_begins(self, epoch: int) -> None:
        """Announce an epoch; its entry comes when its loader is known."""
        self._mark(LOGGING)
        self._epoch, self._announces_epoch = epoch, True
        self.plan.epoch_begins()

    @guarded
    def epoch_ended(self, *, is_whole: bool) -> None:
        """Write `epoch_complete`."""
        self._mark(LOGGING)
        self._begin()
        done = self.plan.epoch(self._epoch)
        if is_whole and self._epoch is not None:
            done = self._epoch + 1
        self.recorder.epoch_complete(done)

    @guarded
    def loader_begins(self, loader: Any, accumulate: int) -> None:
        """Take the length of a loader into the plan."""
        self._mark(LOGGING)
        self.plan.loader_begins(loader, accumulate)
        self.recorder.progress.plan(self.plan.schedule)
        self._begin()

    @guarded
    def batch_wanted(self) -> None:
        """Mark what came before the wait for a batch."""
        self._mark(self._phase)

    @guarded
    def batch_came(self, batch: Any) -> None:
        """Mark the wait, begin the step if this is its first batch, and count the batch."""
        self._mark(DATA_WAIT)
        self._begin_step_entry()
        counts = count_batch(batch)
        self._samples += counts.get("samples", 0)
        self._tokens += counts.get("tokens", 0)
        self._description: dict[str, Any] = dict(counts)
        is_first = not self._has_batch and batch is not None
        if is_first or (batch is not None and self.recorder.writes(EventType.MICRO_BATCH)):
            self._description["batch"] = describe_structure(batch)
        if is_first:
            self._has_batch = True
            self._facts["batch"] = self._description["batch"]

    def _begin_step_entry(self) -> None:
        if not self._is_in_step:
            self._begin()
            self._is_in_step = True
            self.recorder.step_begin(self.step + 1)

    @guarded
    def batch_done(self, *, is_last: bool) -> None:
        """Mark a micro-batch, and complete the step if it was its last one."""
        seconds = self._mark(FORWARD_BACKWARD)
        self.recorder.micro_batch(self._micro_batches, seconds, self._description)
        self._micro_batches += 1
        if is_last:
            self._complete_step()

    @guarded
    def loader_ended(self) -> None:
        """Mark the wait for nothing, and complete a last step of fewer micro-batches."""
        self._mark(DATA_WAIT)
        if self._is_in_step:
            self._complete_step()

    @guarded
    def step_begins(self, samples: int, tokens: int) -> None:
        """Begin a step without a loader."""
        self._mark(LOGGING)
        self._samples, self._tokens = samples, tokens
        self._begin_step_entry()

    @guarded
    def step_ended(self) -> None:
        """Complete it."""
        self._mark(FORWARD_BACKWARD)
        self._complete_step()

    def _complete_step(self) -> None:
        metrics, facts = self._metrics, self._facts
        if self._learning_rate is not None:
            metrics = {"learning_rate": self._learning_rate} | metrics
        samples, tokens = self._samples * world_size(), self._tokens * world_size()
        self.plan.step_done()
        self._begin_step()
        self.recorder.step_complete(
            self.step,
            self.plan.epoch(self._epoch),
            {},
            samples,
            tokens,
            awaits_log=True,
            **facts,
        )
        self.recorder.log(metrics, self.step, is_own=True)
        self._numbers.collect()

    @guarded
    def _optimizer_begins(self) -> None:
        self._mark(self._phase)
        self._learning_rate = learning_rate_of(self._optimizer)

    @guarded
    def _optimizer_ended(self) -> None:
        self._mark(OPTIMIZER)
        self._has_stepped = True

    @guarded
    def evaluation_begins(self, result: dict[str, Any]) -> None:
        """Begin an evaluation, whose numbers go into `result`."""
        self._mark(self._phase)
        self._begin()
        self._evaluations.append(result)
        self.recorder.evaluation_start()

    @guarded
    def evaluation_ended(self, error: BaseException | None) -> None:
        """Write `evaluation_complete`, unless it raised."""
        self._mark(EVALUATION)
        result = self._evaluations.pop()
        if error is None:
            self.recorder.evaluation_complete(result)

    @guarded
    def checkpoint_begins(self) -> None:
        """Mark what came before the writing of a checkpoint."""
        self._mark(self._phase)
        self._begin()

    @guarded
    def checkpoint_ended(self, path: str | None, error: BaseException | None) -> None:
        """Write `model_checkpoint_save`, unless it raised."""
        self._mark(CHECKPOINT)
        if error is None:
            self.recorder.checkpoint_saved(path)
