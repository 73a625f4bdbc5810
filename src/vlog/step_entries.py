"""The entries of steps: each waits for its metrics, which come after the step.

A trainer's log of a step comes when the step is over already, and may not come at all. So an entry
is held until the next thing happens, and nothing stays held when the run ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog import alerts
from vlog.schema import EVENTS, EventType
from vlog.true_losses import TrueLosses
from vlog.verbosity import Verbosity
from vlog.wording import OwnText, number_text, result_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlog.meter import Meter
    from vlog.progress import Progress
    from vlog.run_log import RunLog
    from vlog.timing import PhaseLedger
    from vlog.trends import Trends
    from vlog.verbosity import CurrentVerbosity
    from vlog.watch import Watch

_TIER = EVENTS[EventType.TRAINING_STEP_COMPLETE].tier


class StepEntries:
    """Write one entry for each step, with the metrics that belong to it.

    Args:
        log: Where to.
        progress: Counts the steps.
        ledger: Where the time of the run went.
        watch: Is shown every step and every loss.
        verbosity: The run's.
        trends: Are shown every step and every logged loss.
        is_shown: Asked whether somebody looks on.
        show: Told of each step then, at every verbosity: `show(step, fields)`.
        meter: Tells what vlog costs, and what is left out for that.
        written: Called when the entry of a step is out.
    """

    def __init__(
        self,
        log: RunLog,
        progress: Progress,
        ledger: PhaseLedger,
        watch: Watch,
        verbosity: CurrentVerbosity,
        *,
        trends: Trends,
        is_shown: Callable[[], bool],
        show: Callable[[int, dict[str, Any]], None],
        meter: Meter,
        written: Callable[[], None],
    ) -> None:
        self._log = log
        self._progress = progress
        self._ledger = ledger
        self._watch = watch
        self._verbosity = verbosity
        self._trends = trends
        self._is_shown = is_shown
        self._show = show
        self._meter = meter
        self._written = written
        self._held: dict[str, Any] | None = None
        self._losses = TrueLosses()

    @property
    def non_finite(self) -> int:
        """Number of steps whose loss was not finite."""
        return self._losses.non_finite_steps

    @property
    def has_held(self) -> bool:
        """Whether an entry waits."""
        return self._held is not None

    def observe_loss(self, step: int, loss: float, _name: str = "") -> None:
        """Take the true loss of a micro-batch, as the training computed it.

        It may come after the step's entry (a device answers late); then only an alert follows.
        """
        is_written = step < self._log.step or (step == self._log.step and self._held is None)
        self._losses.observe(step, loss, is_written=is_written)
        if is_written:
            self._watch.see_loss(step, loss)

    def complete(
        self,
        step: int,
        epoch: float | None,
        metrics: dict[str, Any],
        samples: int,
        tokens: int,
        *,
        facts: dict[str, Any],
        awaits_log: bool,
    ) -> None:
        """Accept the step's entry; write it now, or when its metrics come.

        Args:
            step: Steps done, this one included.
            epoch: Epochs done, as a fraction.
            metrics: What is known of it already.
            samples: Samples of all ranks in it.
            tokens: Input tokens of all ranks in it.
            facts: Other fields of the entry.
            awaits_log: Whether a log of this step is to be expected: `log` or any later event
                then writes the entry.
        """
        self.release()
        self._log.step, self._log.epoch = step, epoch
        seconds = self._progress.step_complete(samples, tokens)
        held: dict[str, Any] = {"metrics": metrics}
        verbosity = self._verbosity.value
        if verbosity <= _TIER or self._is_shown():
            held["timing"] = self._progress.timing(step, verbosity)
            held["progress"] = self._progress.fields(step)
            self._trends.see_step(seconds, tokens or samples)
        if samples:
            held["samples"] = samples
        if tokens:
            held["tokens"] = tokens
        held |= facts
        if verbosity <= Verbosity.HIGH:
            held["phases"] = self._ledger.as_fields()
        self._held = held
        if not awaits_log:
            self.release()

    def log(self, logs: dict[str, Any], step: int, *, is_own: bool = False) -> None:
        """Take what the trainer logs: into the step's entry that waits for it, or on its own.

        Args:
            logs: Numbers by name.
            step: The step that they were logged at.
            is_own: Whether they are what a user's loop logs at its will: then a loss is that of
                its step, and numbers without a loss count as much. A trainer's loss is the mean of
                all steps since its last log.
        """
        metrics = {name: value for name, value in logs.items() if name != "epoch"}
        if "loss" not in metrics and not is_own:
            self.release()
            message = f"📝 Trainer log at step {step}"
            update = EventType.TRAINING_METRICS_UPDATE
            self._log.record(update, message, verbosity=Verbosity.ULTRA, metrics=metrics)
            return
        extra = self._loss_window(metrics, step, is_own=is_own) if "loss" in metrics else {}
        if self._held is not None and step == self._log.step:
            self._held["metrics"] |= metrics
            self._held |= extra
            self.release()
        else:
            self._update(metrics, step, extra)

    def _update(self, metrics: dict[str, Any], step: int, extra: dict[str, Any]) -> None:
        self._trends.see("loss_trend", metrics.get("loss"))
        message = f"📝 Metrics of step {step}{result_text(metrics)}"
        update = EventType.TRAINING_METRICS_UPDATE
        self._log.record(update, message, of_step=step, metrics=metrics, **extra)
        self._judge_numbers(step, metrics)

    def _loss_window(self, metrics: dict[str, Any], step: int, *, is_own: bool) -> dict[str, Any]:
        """Note the logged loss, and return what it is the mean of if of several steps.

        A loss that the trainer's filter made up for a step that has none is put right.
        """
        self._losses.correct(step, metrics)
        affected = self._losses.end_window()
        if not affected and alerts.is_non_finite(metrics["loss"]):
            self._losses.non_finite_steps += 1  # nobody saw which step it was
        window = 1 if is_own else self._progress.log_window(step)
        self._progress.log_loss(metrics["loss"], window, is_whole=not affected)
        extra: dict[str, Any] = {"loss_window_steps": window} if window > 1 else {}
        if affected and window > 1:
            extra["non_finite_steps"] = affected
        return extra

    def release(self) -> None:
        """Write the step entry that waits, if one does."""
        held, step = self._held, self._log.step
        if held is None:
            return
        metrics = held["metrics"]
        self._losses.correct(step, metrics)
        if self._is_shown():
            self._show(step, held)
        try:
            if self._verbosity.value <= _TIER:
                self._write(step, held, metrics)
        except Exception:
            self._held = None
            raise
        self._held = None  # not before: a Ctrl-C in between leaves it to the end of the run
        if self._progress.last_step is not None:
            self._watch.see_step(self._progress.last_step)
        self._judge_numbers(step, metrics)
        self._written()
        change = self._meter.step_done()
        if change is not None:
            self._log.write(EventType.OVERHEAD_BUDGET, change.message, change.fields())

    def _write(self, step: int, held: dict[str, Any], metrics: dict[str, Any]) -> None:
        if "timing" not in held:  # the verbosity was switched after the step
            held["timing"] = self._progress.timing(step, self._verbosity.value)
            held["progress"] = self._progress.fields(step)
        loss = ""
        if "loss" in metrics:
            loss = f" - Loss: {number_text(metrics['loss'])}"
            self._trends.see("loss_trend", metrics["loss"])
        if self._verbosity.value <= Verbosity.ULTRA:
            held["overhead"] = self._meter.entry_fields()
        message = OwnText(f"✅ Step {step} completed{loss}")
        self._log.write(EventType.TRAINING_STEP_COMPLETE, message, held)

    def _judge_numbers(self, step: int, metrics: dict[str, Any]) -> None:
        """Hold what a step's entry says against the limits."""
        loss = self._losses.pop(step, metrics.get("loss"))
        self._watch.see_numbers(step, loss, metrics.get("grad_norm"))
