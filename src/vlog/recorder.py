"""One run, as a series of facts: the recorder turns each into one entry.

It knows no framework. An integration tells it what happened (`step_complete`, `log`,
`checkpoint_saved` ...) and marks on its ledger what the time since the last mark was.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vlog import __version__, alerts
from vlog.clock import Clock, SystemClock
from vlog.describe import describe_checkpoint, describe_exception
from vlog.progress import Progress
from vlog.resources import Monitor, default_sources
from vlog.run_log import RunLog
from vlog.schema import EVENTS, SCHEMA_VERSION, EventType
from vlog.timing import CHECKPOINT, EVALUATION, PhaseLedger, Schedule
from vlog.true_losses import TrueLosses
from vlog.verbosity import Verbosity
from vlog.watch import Watch
from vlog.wording import epochs_text, is_whole, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlog.config import Output
    from vlog.resources import Source
    from vlog.settings import Settings


class Recorder:
    """Record one run, from `start` to one of `complete`, `fail` and `interrupt`.

    Its methods raise what goes wrong in them: whoever calls them from a training guards the call.
    They are called by the thread that trains; alerts come from the monitor's thread.

    Args:
        output: Where entries go.
        settings: What is written.
        clock: Where time comes from.
        sources: What the monitor measures; None for everything that this machine has.
        on_end: Called once, with the recorder, when the run has ended.

    Attributes:
        run_id: Its name: the UTC time of its start and six random digits.
        ledger: Where its time goes.
        report: Told of what goes wrong inside vlog.
        record: Writes any entry; see `RunLog.record`.
    """

    def __init__(
        self,
        output: Output,
        settings: Settings,
        clock: Clock | None = None,
        sources: Sequence[Source] | None = None,
        on_end: Callable[[Recorder], None] | None = None,
    ) -> None:
        now = datetime.now(UTC)
        self.run_id = f"{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
        self.report = output.report
        self.is_ended = False
        self._output = output
        self._verbosity = settings.verbosity
        self._on_end = on_end
        clock = clock if clock is not None else SystemClock()
        self.ledger = PhaseLedger(clock)
        self.progress = Progress(clock, self.ledger)
        self.monitor = Monitor(
            settings.interval_seconds,
            clock,
            default_sources() if sources is None else sources,
            output.report,
        )
        self._log = RunLog(output, self.run_id, settings.verbosity, clock, self.monitor)
        self._watch = Watch(self._log, clock, settings.memory_alert_percent)
        self.monitor.on_reading = self._watch.see_reading
        self.record = self._log.record
        self._held: dict[str, Any] | None = None
        self._losses = TrueLosses()
        self._evaluation_batches = 0
        self._bytes_before = self._failed_before = 0

    @property
    def step(self) -> int:
        """Steps done, of the whole training."""
        return self._log.step

    def writes(self, kind: EventType) -> bool:
        """Return whether the run's verbosity writes entries of this type."""
        return self._log.takes(EVENTS[kind].tier)

    def start(self, environment: dict[str, Any], missing: list[str], **links: str | None) -> None:
        """Open the run with `system_initialization`, and begin to measure.

        Args:
            environment: See `vlog.describe.describe_environment`.
            missing: What cannot be recorded in this set-up, and why.
            **links: Runs and checkpoints that this run goes on from.
        """
        self._output.open()
        self._bytes_before = self._output.bytes_written
        self._failed_before = self._output.report.count
        self.monitor.start()
        log_file = self._output.log_file
        known: dict[str, Any] = {name: value for name, value in links.items() if value is not None}
        self.record(
            EventType.SYSTEM_INITIALIZATION,
            f"🖥️ Run {self.run_id} is recorded at verbosity {self._verbosity.label}",
            schema_version=SCHEMA_VERSION,
            vlog_version=__version__,
            **known,
            logging={
                "verbosity_level": self._verbosity.label,
                "log_file": None if log_file is None else str(log_file),
                "missing": missing,
            },
            environment=environment,
        )

    def training_started(
        self,
        schedule: Schedule,
        start_step: int,
        epoch: float | None,
        num_epochs: float | None,
        batch: dict[str, Any],
    ) -> None:
        """Write `training_start`: from here on the ledger counts."""
        self._log.step, self._log.epoch = start_step, epoch
        self.progress.start(schedule, start_step)
        total = schedule.total_steps
        fields: dict[str, Any] = {"total_steps": total} if total else {}
        self.record(
            EventType.TRAINING_START,
            f"🚀 Training starts: step {start_step} of {total or 'an unknown number'}",
            **fields,
            start_step=start_step,
            num_epochs=num_epochs,
            batch=batch,
        )
        self.ledger.restart()

    def epoch_begin(self, epoch: float | None) -> None:
        """Write `epoch_begin`."""
        self.release()
        self._log.epoch = epoch
        self.progress.epoch_begin()
        self.record(EventType.EPOCH_BEGIN, f"📖 Epoch begins: {epochs_text(epoch)} done")

    def epoch_complete(self, epoch: float | None) -> None:
        """Write `epoch_complete`."""
        self.release()
        self._log.epoch = epoch
        self.record(
            EventType.EPOCH_COMPLETE,
            f"🏁 Epoch {'completed' if is_whole(epoch) else 'stopped'}: {epochs_text(epoch)} done",
            **self.progress.epoch_fields(),
            progress=self.progress.fields(self.step),
        )

    def step_begin(self, step: int) -> None:
        """Write `step_begin`."""
        self.release()
        self.record(EventType.STEP_BEGIN, f"▶️ Step {step} begins", next_step=step)

    def micro_batch(self, number: int, seconds: float, description: dict[str, Any]) -> None:
        """Write `micro_batch`.

        Args:
            number: Its place in its step, from 0.
            seconds: Duration.
            description: `batch`, `samples` and `tokens`.
        """
        self.record(
            EventType.MICRO_BATCH,
            f"🔹 Micro-batch {number} of step {self.step + 1}",
            next_step=self.step + 1,
            micro_batch=number,
            timing={"micro_batch_seconds": round(seconds, 6)},
            **description,
        )

    def observe_loss(self, step: int, loss: float) -> None:
        """Take the true loss of a micro-batch, as the training computed it.

        It may come after the step's entry (a device answers late); then only an alert follows.
        """
        is_written = step < self.step or (step == self.step and self._held is None)
        self._losses.observe(step, loss, is_written=is_written)
        if is_written:
            self._watch.see_loss(step, loss)

    def step_complete(
        self,
        step: int,
        epoch: float | None,
        metrics: dict[str, Any],
        samples: int,
        tokens: int,
        *,
        awaits_log: bool,
        **facts: Any,
    ) -> None:
        """Accept the step's entry; write it now, or when its metrics come.

        Args:
            step: Steps done, this one included.
            epoch: Epochs done, as a fraction.
            metrics: What is known of it already.
            samples: Samples of all ranks in it.
            tokens: Input tokens of all ranks in it.
            awaits_log: Whether a log of this step is to be expected: `log` or any later event
                then writes the entry.
            **facts: Other fields of the entry.
        """
        self.release()
        self._log.step, self._log.epoch = step, epoch
        timing = self.progress.step_complete(step, samples, tokens, self._verbosity)
        self._held = {
            "metrics": metrics,
            "timing": timing,
            "progress": self.progress.fields(step),
            **facts,
        }
        if self._log.takes(Verbosity.HIGH):
            self._held["phases"] = self.ledger.as_fields()
        if not awaits_log:
            self.release()

    def log(self, logs: dict[str, Any], step: int) -> None:
        """Take what the trainer logs: into the step's entry that waits for it, or on its own."""
        metrics = {name: value for name, value in logs.items() if name != "epoch"}
        update = EventType.TRAINING_METRICS_UPDATE
        if "loss" not in metrics:
            self.release()
            message = f"📝 Trainer log at step {step}"
            self.record(update, message, verbosity=Verbosity.ULTRA, metrics=metrics)
            return
        extra = self._loss_window(metrics, step)
        if self._held is not None:
            self._held["metrics"] |= metrics
            self._held |= extra
            self.release()
        else:
            message = f"📝 Metrics of step {step} - Loss: {number_text(metrics['loss'])}"
            self.record(update, message, metrics=metrics, **extra)
            self._judge_numbers(step, metrics)

    def _loss_window(self, metrics: dict[str, Any], step: int) -> dict[str, Any]:
        """Note the logged loss, and return what it is the mean of if of several steps.

        A loss that the trainer's filter made up for a step that has none is put right.
        """
        self._losses.correct(step, metrics)
        affected = self._losses.end_window()
        if not affected and alerts.is_non_finite(metrics["loss"]):
            self._losses.non_finite_steps += 1  # nobody saw which step it was
        window = self.progress.log_window(step)
        self.progress.log_loss(metrics["loss"], window, is_whole=not affected)
        extra: dict[str, Any] = {"loss_window_steps": window} if window > 1 else {}
        if affected and window > 1:
            extra["non_finite_steps"] = affected
        return extra

    def release(self) -> None:
        """Write the step entry that waits, if one does."""
        held = self._held
        if held is None:
            return
        metrics = held["metrics"]
        self._losses.correct(self.step, metrics)
        loss = f" - Loss: {number_text(metrics['loss'])}" if "loss" in metrics else ""
        message = f"✅ Step {self.step} completed{loss}"
        try:
            self.record(EventType.TRAINING_STEP_COMPLETE, message, **held)
        except Exception:
            self._held = None
            raise
        self._held = None  # not before: a Ctrl-C in between leaves it to the end of the run
        self._judge_numbers(self.step, metrics)

    def evaluation_start(self) -> None:
        """Write `evaluation_start`."""
        self.release()
        self._evaluation_batches = 0
        self.record(EventType.EVALUATION_START, f"🔎 Evaluation begins at step {self.step}")

    def prediction_step(self, seconds: float) -> None:
        """Write `prediction_step`, which took `seconds`."""
        number = self._evaluation_batches
        self._evaluation_batches += 1
        self.record(
            EventType.PREDICTION_STEP,
            f"🔹 Evaluation batch {number}",
            prediction_step=number,
            timing={"prediction_seconds": round(seconds, 6)},
        )

    def evaluation_complete(self, metrics: dict[str, Any]) -> None:
        """Write `evaluation_complete`, with the time that the ledger gave to evaluation."""
        self.release()
        seconds = self.ledger.take(EVALUATION)
        self.progress.evaluated(self.step, seconds)
        loss = next((value for name, value in metrics.items() if name.endswith("loss")), None)
        self.record(
            EventType.EVALUATION_COMPLETE,
            f"📊 Evaluation at step {self.step} - Loss: {number_text(loss)}",
            metrics={name: value for name, value in metrics.items() if name != "epoch"},
            timing={"evaluation_seconds": round(seconds, 6)},
        )

    def checkpoint_saved(self, path: str | None) -> None:
        """Write `model_checkpoint_save`, with the time that the ledger gave to checkpoints."""
        self.release()
        seconds = self.ledger.take(CHECKPOINT)
        self.progress.checkpoints.add(seconds)
        self.record(
            EventType.MODEL_CHECKPOINT_SAVE,
            f"💾 Checkpoint of step {self.step} saved: {path or 'unknown path'}",
            checkpoint=describe_checkpoint(path),
            timing={"checkpoint_seconds": round(seconds, 6)},
        )

    def _judge_numbers(self, step: int, metrics: dict[str, Any]) -> None:
        """Hold what a step's entry says against the limits."""
        loss = self._losses.pop(step, metrics.get("loss"))
        if loss is not None:
            self._watch.see_loss(step, loss)
        if metrics.get("grad_norm") is not None:
            self._watch.see_grad_norm(step, metrics["grad_norm"])

    def complete(self, metrics: dict[str, Any]) -> None:
        """Write `training_complete`."""
        self._end(
            EventType.TRAINING_COMPLETE,
            f"🎉 Training completed at step {self.step} ({self.progress.steps} in this run)",
            metrics=metrics,
        )

    def fail(self, error: BaseException) -> None:
        """Write `training_failed` with the exception and its stack."""
        exception = describe_exception(error)
        what = f"{exception['type']}: {exception['message'][:500]}"
        self._end(
            EventType.TRAINING_FAILED,
            f"❌ Training failed at step {self.step}: {what}",
            exception=exception,
        )

    def interrupt(self, reason: str) -> None:
        """Write `training_interrupted`."""
        self._end(
            EventType.TRAINING_INTERRUPTED,
            f"🛑 Training interrupted at step {self.step}: {reason}",
            reason=reason,
        )

    def _end(self, kind: EventType, message: str, **fields: Any) -> None:
        with self._log.lock:
            if self.is_ended or not self._log.is_own_process:
                return
            self.is_ended = True
        try:
            self.release()
        finally:  # whatever goes wrong: the run has an end, and lets go
            try:
                self._write_end(kind, message, fields)
            finally:
                self._let_go()

    def _write_end(self, kind: EventType, message: str, fields: dict[str, Any]) -> None:
        with self._log.lock:
            self._watch.is_over = True
            statistics = self.progress.statistics(self._watch.raised)
            if self._losses.non_finite_steps:
                statistics["non_finite_losses"] = self._losses.non_finite_steps
            overhead = self._overhead(statistics["duration_seconds"])
            self.record(kind, message, statistics=statistics, overhead=overhead, **fields)

    def _overhead(self, duration: float) -> dict[str, Any]:
        seconds = self.ledger.overhead_seconds
        return {
            "training_thread_seconds": round(seconds, 6),
            "training_thread_percent": round(100 * seconds / duration, 4) if duration else 0.0,
            "entries": self._log.entries,
            "bytes_written": self._output.bytes_written - self._bytes_before,
            "failed": self._output.report.count - self._failed_before,
        }

    def _let_go(self) -> None:
        if self._on_end is not None:
            self._on_end(self)
        self.monitor.stop(timeout_seconds=0)  # a reading that is being taken is not waited for
        self._output.close()
