"""The course of one loop: where the loop says it is, told to the recorder.

A step is open from its first batch to its last one. An evaluation or checkpoint in between stands
behind the step, if that is done by then.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from vlog.describe import BatchStructures, count_batch
from vlog.device_values import DeviceValues
from vlog.integrations.loop_facts import OpenStep, learning_rate_of, plain_number
from vlog.ranks import world_size
from vlog.schema import EventType
from vlog.timing import (
    CHECKPOINT,
    DATA_WAIT,
    EVALUATION,
    FORWARD_BACKWARD,
    LOGGING,
    OPTIMIZER,
)
from vlog.values import normalize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vlog.integrations.loop_facts import Plan, Spacing
    from vlog.recorder import Recorder

    # Where a number belongs: the step, and the result of the evaluation that it was logged in.
    _Place = tuple[int, dict[str, Any] | None]

_MOST_COUNTED = 2**53  # of samples or tokens in a step
_DEVICE_SECONDS = 2.0  # how long the end of a run waits for the last numbers of a device


class LoopCourse:
    """Follow one loop. Its methods may raise; `vlog.integrations.loop_run` guards them.

    Args:
        recorder: Of the run.
        plan: How many steps are to come.
        optimizer: Whose steps are told; None without one.

    Attributes:
        plan: The same.
        optimizer: The same, to be taken away at the end of the run.
        is_in_step: Whether a step goes on.
    """

    def __init__(self, recorder: Recorder, plan: Plan, optimizer: Any) -> None:
        self._recorder = recorder
        self._ledger = recorder.ledger
        self._mark = recorder.ledger.mark
        self.plan = plan
        self.optimizer = optimizer
        self._numbers = DeviceValues(self._number_arrived)
        self._structures = BatchStructures()
        self._evaluations: list[dict[str, Any]] = []  # results of the open ones, innermost last
        self._has_begun = self._has_batch = self._announces_epoch = False
        self._ranks = 1
        self._epoch: int | None = None
        self._accumulate = 1
        self.is_in_step = False
        self._open = OpenStep()

    @property
    def is_evaluating(self) -> bool:
        """Whether an evaluation goes on."""
        return bool(self._evaluations)

    @property
    def step(self) -> int:
        """The step that goes on, of the whole training; between steps, the last one done."""
        return self.plan.step + self.is_in_step

    @property
    def _phase(self) -> str:
        if self._evaluations:
            return EVALUATION
        return FORWARD_BACKWARD if self.is_in_step else LOGGING

    def leave(self, phase: str) -> None:
        """Write what the loop has said and is not written yet; the time at its end is `phase`."""
        self._mark(self._phase if self.is_in_step or self._evaluations else phase)
        self._evaluations.clear()
        self._begin()
        self._leave_step()
        self._numbers.collect(_DEVICE_SECONDS)
        self._mark(phase)

    def _begin(self) -> None:
        """Write `training_start`, and `epoch_begin` if one has begun, once they are known."""
        if not self._has_begun:
            self._has_begun = True
            self._ranks = world_size()
            self._recorder.training_started(
                self.plan.schedule,
                self.plan.start_step,
                self.plan.epoch(self._epoch),
                self.plan.epochs,
                {**self.plan.batch, "world_size": self._ranks},
            )
        if self._announces_epoch:
            self._announces_epoch = False
            self._recorder.epoch_begin(self.plan.epoch(self._epoch))

    def log(self, metrics: Mapping[Any, Any] | None, more: dict[str, Any]) -> None:
        """Take numbers: of the open evaluation, of the open step, or of the last one."""
        self._mark(self._phase)
        result = self._evaluations[-1] if self._evaluations else None
        place = self.step, result
        known: dict[str, Any] = {}
        for key, value in {**(metrics or {}), **more}.items():
            name = str(key)
            if result is not None and name == "loss":
                name = "eval_loss"
            number = self._plain(value)
            if number is not value or not self._numbers.observe(place, value, name):
                known[name] = number
        if known:
            self._take(place, known)

    def _plain(self, value: Any) -> Any:
        try:
            return plain_number(value)
        except Exception as error:  # noqa: BLE001 - one odd value must cost no other
            self._recorder.report("a logged value has no number", error)
            return normalize(value)[0]  # says so; the value itself might raise again elsewhere

    def _count(self, value: Any) -> int:
        """Return a count that a loop tells, which may be a tensor; 0 where it cannot be had."""
        number = self._plain(value)
        if issubclass(type(number), (int, float)) and 0 <= number <= _MOST_COUNTED:
            return int(number)
        self._recorder.report("samples or tokens of a step are no count that is at hand")
        return 0

    def _number_arrived(self, place: _Place, number: float, name: str) -> None:
        self._take(place, {name: number})

    def _take(self, place: _Place, metrics: dict[str, Any]) -> None:
        step, result = place
        if result is not None and any(result is each for each in self._evaluations):
            result.update(metrics)
        elif result is None and self.is_in_step and step > self.plan.step:
            self._open.metrics.update(metrics)
        else:
            self._begin()
            self._recorder.log(metrics, step, is_own=True)

    def epoch_begins(self, epoch: int) -> None:
        """Announce an epoch; its entry comes when its loader is known."""
        self._mark(LOGGING)
        self._epoch, self._announces_epoch = epoch, True
        self.plan.epoch_begins()

    def epoch_ended(self, is_whole: bool) -> None:
        """Write `epoch_complete`."""
        self._mark(LOGGING)
        self._begin()
        done = self.plan.epoch(self._epoch)
        if is_whole and self._epoch is not None:
            done = self._epoch + 1.0
        self._recorder.epoch_complete(done)

    def loader_begins(self, loader: Any, accumulate: int) -> None:
        """Take the length of a loader into the plan."""
        self._mark(self._phase)
        self._leave_step()
        self._accumulate = accumulate
        try:
            self.plan.loader_begins(loader, accumulate)
        finally:
            self._recorder.progress.plan(self.plan.schedule)
            self._begin()

    def batch_came(self, batch: Any) -> None:
        """Mark the wait, begin the step if this is its first batch, and count the batch."""
        self._mark(DATA_WAIT)
        is_first, self.is_in_step = not self.is_in_step, True
        self._open.batch = {}
        self._open.batch_began = self._ledger.totals[FORWARD_BACKWARD]
        if is_first:
            self._announce_step()
        self._describe_batch(self._open, batch)

    def _announce_step(self) -> None:
        self._begin()
        self._recorder.step_begin(self.step)

    def _describe_batch(self, step: OpenStep, batch: Any) -> None:
        counts = count_batch(batch)
        step.samples += counts.get("samples", 0)
        step.tokens += counts.get("tokens", 0)
        step.batch = dict(counts)
        is_first = not self._has_batch and batch is not None
        if is_first or (batch is not None and self._recorder.writes(EventType.MICRO_BATCH)):
            step.batch["batch"] = self._structures.of(batch)
        if is_first:
            self._has_batch = True
            step.facts["batch"] = step.batch["batch"]

    def batch_done(self) -> None:
        """Mark a micro-batch, and complete the step if it was its last one."""
        self._mark(self._phase)
        if self.is_in_step:  # and not completed by an evaluation in the loop's body
            self._end_micro_batch()
            if self._open.micro_batches >= self._accumulate:
                self._complete_step()

    def _end_micro_batch(self) -> None:
        step = self._open
        if step.batch is not None:
            batch, step.batch = step.batch, None
            step.micro_batches += 1
            seconds = self._ledger.totals[FORWARD_BACKWARD] - step.batch_began
            self._recorder.micro_batch(step.micro_batches - 1, seconds, batch)

    def loader_ended(self) -> None:
        """Mark the wait for nothing, and complete a last step of fewer micro-batches."""
        self._mark(DATA_WAIT)
        if self.is_in_step:
            self._complete_step()

    def loop_left(self) -> None:
        """Leave a loop by `break`, or by what its body raised."""
        self._mark(self._phase)
        self._leave_step()

    def step_begins(self, samples: int, tokens: int) -> None:
        """Begin a step without a loader."""
        self._mark(LOGGING)
        self._accumulate = 1
        self.is_in_step = True
        self._open.samples, self._open.tokens = self._count(samples), self._count(tokens)
        self._announce_step()

    def step_ended(self) -> None:
        """Complete it."""
        self._mark(self._phase)
        if self.is_in_step:
            self._complete_step()

    def _leave_step(self) -> None:
        """Close an open step, if one is: complete if the loop has said so, given up if not."""
        if self._is_step_done:
            self._end_micro_batch()
            self._complete_step()
        elif self.is_in_step:
            step, metrics = self.step, self._close_step().metrics
            if metrics:
                self._recorder.log(metrics, step, is_own=True)

    @property
    def _is_step_done(self) -> bool:
        """Whether the loop has said that the open step is done.

        By the optimizer, where that is watched; by a log in the last micro-batch, where it is not.
        """
        step = self._open
        if self.optimizer is not None:
            return self.is_in_step and step.has_stepped
        is_last = step.micro_batches + 1 >= self._accumulate
        return self.is_in_step and is_last and bool(step.metrics)

    def _close_step(self) -> OpenStep:
        step, self._open, self.is_in_step = self._open, OpenStep(), False
        return step

    def _complete_step(self) -> None:
        step = self._close_step()
        self.plan.step_done()
        ranks = self._ranks
        self._recorder.step_complete(
            self.step,
            self.plan.epoch(self._epoch),
            {},
            step.samples * ranks,
            step.tokens * ranks,
            facts=step.facts,
            awaits_log=True,
        )
        rate = {} if step.learning_rate is None else {"learning_rate": step.learning_rate}
        self._recorder.log(rate | step.metrics, self.step, is_own=True)
        self._numbers.collect()

    def optimizer_begins(self) -> None:
        """Mark what came before the optimizer, and read the rate that it learns with."""
        self._mark(self._phase)
        self._open.learning_rate = learning_rate_of(self.optimizer)

    def optimizer_ended(self) -> None:
        """Mark the optimizer."""
        self._mark(OPTIMIZER)
        self._open.has_stepped = True

    def _interlude_begins(self) -> None:
        """Begin what is no part of a step: it stands behind the step that is done."""
        self._mark(self._phase)
        if not self._evaluations and self._is_step_done:
            self._leave_step()
        self._begin()

    def evaluation_begins(self) -> None:
        """Begin an evaluation."""
        self._interlude_begins()
        self._evaluations.append({})
        self._recorder.evaluation_start()

    def prediction_done(self) -> None:
        """Write `prediction_step`."""
        self._recorder.prediction_step(self._mark(EVALUATION))

    def evaluation_ended(self, error: BaseException | None) -> None:
        """Write `evaluation_complete`, unless it raised."""
        self._mark(EVALUATION)
        self._numbers.collect()
        result = self._evaluations.pop()
        if self._has_succeeded(EVALUATION, self.plan.evaluations, error):
            self._recorder.evaluation_complete(result)

    def checkpoint_begins(self) -> None:
        """Mark what came before the writing of a checkpoint."""
        self._interlude_begins()

    def checkpoint_ended(self, path: Any, error: BaseException | None) -> None:
        """Write `model_checkpoint_save`, unless it raised."""
        self._mark(CHECKPOINT)
        if self._has_succeeded(CHECKPOINT, self.plan.checkpoints, error):
            self._recorder.checkpoint_saved(None if path is None else os.fsdecode(path))

    def _has_succeeded(self, phase: str, spacing: Spacing, error: BaseException | None) -> bool:
        """Return whether an interlude is to be written, and take it into the plan if so."""
        if error is not None:
            self._ledger.take(phase)  # or the next one would seem as much longer
            return False
        spacing.seen(self.plan.step)
        self._recorder.progress.plan(self.plan.schedule)
        return True
