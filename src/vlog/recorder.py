"""One run, as a series of facts: the recorder turns each into one entry.

It knows no framework. An integration tells it what happened (`step_complete`, `log`,
`checkpoint_saved` ...) and marks on its ledger what the time since the last mark was.
"""

from __future__ import annotations

import os
import threading
import traceback
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from vlog import __version__, alerts
from vlog.clock import Clock, SystemClock
from vlog.processors import (
    AddContext,
    AddResources,
    AddTrends,
    Stamp,
    normalize_values,
    redact_secrets,
)
from vlog.progress import Progress
from vlog.resources import Monitor, Reading, default_sources
from vlog.schema import EVENTS, MB, SCHEMA_VERSION, EventType, Severity
from vlog.timing import CHECKPOINT, EVALUATION, PhaseLedger, Schedule
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlog.config import Output
    from vlog.resources import Source

_READING_INTERVAL_SECONDS = {
    Verbosity.LOW: 10.0,
    Verbosity.MEDIUM: 5.0,
    Verbosity.HIGH: 1.0,
    Verbosity.ULTRA: 0.5,
}
_MAX_STEPS_NAMED = 100  # of the steps without a finite loss between two logs


@dataclass(frozen=True)
class Settings:
    """What a user may choose about a recording.

    Attributes:
        verbosity: What is written.
        memory_alert_percent: Host memory above which there is an alert, 0 to 100.
        reading_interval_seconds: Time between two readings; None for the verbosity's own
            (10 at low, 5 at medium, 1 at high, 0.5 at ultra).
    """

    verbosity: Verbosity = Verbosity.HIGH
    memory_alert_percent: float = 90.0
    reading_interval_seconds: float | None = None


class _EntryLogger(structlog.BoundLoggerBase):
    """structlog's side of a run: runs the chain, then calls `entry` of the stdlib logger."""

    def entry(self, **event_dict: Any) -> None:
        self._proxy_to_logger("entry", **event_dict)


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
        step: Steps done, of the whole training.
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
        self.settings = settings
        self.step = 0
        self.epoch: float | None = 0.0
        self.is_ended = False
        self._pid = os.getpid()
        self._output = output
        self._verbosity = settings.verbosity
        self._clock = clock if clock is not None else SystemClock()
        self._on_end = on_end
        self.report = output.report
        self._lock = threading.RLock()  # the monitor's thread writes alerts
        self.ledger = PhaseLedger(self._clock)
        self.progress = Progress(self._clock, self.ledger)
        self._alerts = alerts.AlertBook()
        self._memory_limit = alerts.Limit(alerts.HIGH_MEMORY, settings.memory_alert_percent)
        self._held: dict[str, Any] | None = None
        self._observed: dict[int, float] = {}  # true losses of steps that are not written yet
        self._non_finite: dict[int, float] = {}  # those since the last log that were not finite
        self._entries = 0
        self._evaluation_batches = 0
        self.monitor = Monitor(
            settings.reading_interval_seconds or _READING_INTERVAL_SECONDS[self._verbosity],
            self._clock,
            default_sources() if sources is None else sources,
            output.report,
            self._on_reading,
        )
        self._log = _EntryLogger(output.logger, self._chain(), {})

    def _chain(self) -> list[Any]:
        context = {"run_id": self.run_id, "rank": self._output.rank, "pid": self._pid}
        return [
            AddContext(context),
            Stamp(self._clock),
            AddResources(self.monitor, self._clock, self._verbosity),
            AddTrends(self.monitor, detailed=self._verbosity <= Verbosity.HIGH),
            normalize_values,
            redact_secrets,
            _as_arguments,
        ]

    # -- what happened -------------------------------------------------------------------------

    def start(self, environment: dict[str, Any], missing: list[str], **links: str | None) -> None:
        """Open the run with `system_initialization`, and begin to measure.

        Args:
            environment: See `vlog.describe.describe_environment`.
            missing: What cannot be recorded in this set-up, and why.
            **links: Runs and checkpoints that this run goes on from.
        """
        self._output.open()
        self.monitor.start()
        log_file = self._output.log_file
        self.record(
            EventType.SYSTEM_INITIALIZATION,
            f"🖥️ Run {self.run_id} is recorded at verbosity {self._verbosity.label}",
            schema_version=SCHEMA_VERSION,
            vlog_version=__version__,
            **{name: value for name, value in links.items() if value is not None},
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
        self.step, self.epoch = start_step, epoch
        self.progress.start(schedule, start_step)
        total = schedule.total_steps
        self.record(
            EventType.TRAINING_START,
            f"🚀 Training starts: step {start_step} of {total or 'an unknown number'}",
            **({"total_steps": total} if total else {}),
            start_step=start_step,
            num_epochs=num_epochs,
            batch=batch,
        )
        self.ledger.restart()

    def epoch_begin(self, epoch: float | None) -> None:
        """Write `epoch_begin`."""
        self.release()
        self.epoch = epoch
        self.progress.epoch_begin()
        self.record(EventType.EPOCH_BEGIN, f"📖 Epoch begins at {_number(epoch)}")

    def epoch_complete(self, epoch: float | None) -> None:
        """Write `epoch_complete`."""
        self.release()
        self.epoch = epoch
        self.record(
            EventType.EPOCH_COMPLETE,
            f"🏁 Epoch completed: {_number(epoch)} done",
            **self.progress.epoch_fields(),
            progress=self.progress.fields(self.step),
        )

    def step_begin(self, step: int) -> None:
        """Write `step_begin`."""
        self.release()
        if self._verbosity <= Verbosity.ULTRA:
            self.record(EventType.STEP_BEGIN, f"▶️ Step {step} begins", next_step=step)

    def micro_batch(self, number: int, seconds: float, description: dict[str, Any]) -> None:
        """Write `micro_batch`.

        Args:
            number: Its place in its step, from 0.
            seconds: Duration.
            description: See `vlog.describe.describe_batch`.
        """
        if self._verbosity <= Verbosity.ULTRA:
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
        is_bad = alerts.is_non_finite(loss)
        if is_bad and len(self._non_finite) < _MAX_STEPS_NAMED:
            self._non_finite[step] = loss
        if step < self.step or (step == self.step and self._held is None):
            self._judge_loss(step, loss)
        elif is_bad or step not in self._observed:
            self._observed[step] = loss

    def step_complete(
        self,
        step: int,
        epoch: float | None,
        metrics: dict[str, Any],
        samples: int,
        tokens: int,
        *,
        awaits_log: bool,
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
        """
        self.release()
        self.step, self.epoch = step, epoch
        timing = self.progress.step_complete(step, samples, tokens, self._verbosity)
        self._held = {
            "metrics": metrics,
            "timing": timing,
            "progress": self.progress.fields(step),
        }
        if self._verbosity <= Verbosity.HIGH:
            self._held["phases"] = self.ledger.as_fields()
        if not awaits_log:
            self.release()

    def log(self, logs: dict[str, Any], step: int) -> None:
        """Take what the trainer logs: into the step's entry that waits for it, or on its own."""
        metrics = {name: value for name, value in logs.items() if name != "epoch"}
        if "loss" not in metrics:
            self.release()
            if self._verbosity <= Verbosity.ULTRA:
                self.record(
                    EventType.TRAINING_METRICS_UPDATE,
                    f"📝 Trainer log at step {step}",
                    verbosity=Verbosity.ULTRA,
                    metrics=metrics,
                )
            return
        extra = self._loss_window(metrics, step)
        if self._held is not None:
            self._held["metrics"] |= metrics
            self._held |= extra
            self.release()
        else:
            message = f"📝 Metrics of step {step} - Loss: {_number(metrics['loss'])}"
            self.record(EventType.TRAINING_METRICS_UPDATE, message, metrics=metrics, **extra)
            self._judge(step, metrics)

    def _loss_window(self, metrics: dict[str, Any], step: int) -> dict[str, Any]:
        """Note the logged loss, and return what it is the mean of if of several steps.

        A loss that the trainer's filter made up for a step that has none is put right.
        """
        window = self.progress.log_loss(metrics["loss"], step)
        affected, self._non_finite = self._non_finite, {}
        if step in affected:
            metrics["loss"] = affected[step]
        extra: dict[str, Any] = {"loss_window_steps": window} if window > 1 else {}
        if affected and window > 1:
            extra["non_finite_steps"] = sorted(affected)
        return extra

    def release(self) -> None:
        """Write the step entry that waits, if one does."""
        held, self._held = self._held, None
        if held is None:
            return
        metrics = held["metrics"]
        if self.step in self._non_finite:
            metrics["loss"] = self._non_finite[self.step]
        loss = f" - Loss: {_number(metrics['loss'])}" if "loss" in metrics else ""
        self.record(
            EventType.TRAINING_STEP_COMPLETE, f"✅ Step {self.step} completed{loss}", **held
        )
        self._judge(self.step, metrics)

    def evaluation_start(self) -> None:
        """Write `evaluation_start`."""
        self.release()
        self._evaluation_batches = 0
        self.record(EventType.EVALUATION_START, f"🔎 Evaluation begins at step {self.step}")

    def prediction_step(self) -> None:
        """Write `prediction_step`."""
        if self._verbosity <= Verbosity.ULTRA:
            number = self._evaluation_batches
            self.record(
                EventType.PREDICTION_STEP, f"🔹 Evaluation batch {number}", prediction_step=number
            )
        self._evaluation_batches += 1

    def evaluation_complete(self, metrics: dict[str, Any]) -> None:
        """Write `evaluation_complete`, with the time that the ledger gave to evaluation."""
        self.release()
        seconds = self.ledger.take(EVALUATION)
        self.progress.evaluations.add(seconds)
        loss = next((value for name, value in metrics.items() if name.endswith("loss")), None)
        self.record(
            EventType.EVALUATION_COMPLETE,
            f"📊 Evaluation at step {self.step} - Loss: {_number(loss)}",
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
            checkpoint={"path": path, **_folder_size(path)},
            timing={"checkpoint_seconds": round(seconds, 6)},
        )

    # -- how it ended --------------------------------------------------------------------------

    def complete(self, metrics: dict[str, Any]) -> None:
        """Write `training_complete`."""
        self._end(
            EventType.TRAINING_COMPLETE,
            f"🎉 Training completed: {self.progress.steps} steps",
            metrics=metrics,
        )

    def fail(self, error: BaseException) -> None:
        """Write `training_failed` with the exception and its stack."""
        stack = "".join(traceback.format_exception(error))
        name = type(error).__name__
        self._end(
            EventType.TRAINING_FAILED,
            f"❌ Training failed at step {self.step}: {name}: {_text(error)[:500]}",
            exception={"type": name, "message": _text(error), "stack": stack},
        )

    def interrupt(self, reason: str) -> None:
        """Write `training_interrupted`."""
        self._end(
            EventType.TRAINING_INTERRUPTED,
            f"🛑 Training interrupted at step {self.step}: {reason}",
            reason=reason,
        )

    def _end(self, kind: EventType, message: str, **fields: Any) -> None:
        with self._lock:
            if self.is_ended or os.getpid() != self._pid:
                return
            self.release()
            self.is_ended = True
            statistics = self.progress.statistics(self._alerts.raised)
            duration = statistics["duration_seconds"]
            hooks = self.ledger.overhead_seconds
            overhead = {
                "training_thread_seconds": round(hooks, 6),
                "training_thread_percent": round(100 * hooks / duration, 4) if duration else 0.0,
                "entries": self._entries,
                "failed": self._output.report.count,
            }
            self.record(kind, message, statistics=statistics, overhead=overhead, **fields)
        self.monitor.stop()
        self._output.close()
        if self._on_end is not None:
            self._on_end(self)

    # -- alerts --------------------------------------------------------------------------------

    def _on_reading(self, reading: Reading) -> None:
        usage = reading.values.get("memory", {}).get("usage_percent")
        if usage is None:
            return
        limit = self._memory_limit
        with self._lock:
            is_on = limit.is_crossed(usage, self._alerts.is_active(limit.name))
            self._alert(
                EventType.RESOURCE_WARNING,
                limit.name,
                is_on,
                f"⚠️ Memory usage is {usage:.1f} % (limit {limit.threshold:g} %)",
                value=usage,
                threshold=limit.threshold,
                evidence=reading.values,
            )

    def _judge(self, step: int, metrics: dict[str, Any]) -> None:
        """Raise or resolve the alerts on what a step's numbers say."""
        loss = self._observed.pop(step, metrics.get("loss"))
        self._observed = {later: value for later, value in self._observed.items() if later > step}
        if loss is not None:
            self._judge_loss(step, loss)
        norm = metrics.get("grad_norm")
        if norm is not None:
            self._judge_number(alerts.NON_FINITE_GRAD_NORM, "Gradient norm", step, norm)

    def _judge_loss(self, step: int, loss: float) -> None:
        self._judge_number(alerts.NON_FINITE_LOSS, "Loss", step, loss)

    def _judge_number(self, name: str, what: str, step: int, value: Any) -> None:
        self._alert(
            EventType.TRAINING_ANOMALY,
            name,
            alerts.is_non_finite(value),
            f"⚠️ {what} of step {step} is {_number(value)}",
            value=value,
            evidence={"anomalous_step": step},
        )

    def _alert(
        self, kind: EventType, name: str, is_on: bool, message: str, value: Any, **fields: Any
    ) -> None:
        with self._lock:
            change = (
                None if self.is_ended else self._alerts.update(name, is_on, self._clock.monotonic())
            )
            if change is None:
                return
            if change.is_raised:
                self.record(kind, message, alert=name, value=value, **fields)
            else:
                self.record(
                    EventType.ALERT_RESOLVED,
                    f"👍 {name} is over after {change.active_seconds:.1f} s",
                    alert=name,
                    active_seconds=change.active_seconds,
                    value=value,
                )

    # -- the entry -----------------------------------------------------------------------------

    def record(
        self,
        kind: EventType,
        message: str,
        *,
        verbosity: Verbosity | None = None,
        level: Severity | None = None,
        next_step: int | None = None,
        **fields: Any,
    ) -> None:
        """Write one entry, unless the run's verbosity leaves it out.

        Args:
            kind: What happened.
            message: The same in one line for people.
            verbosity: Its tier, if not that of its type.
            level: Its severity, if not that of its type.
            next_step: Its step, if it belongs to one that is not done yet.
            **fields: Its own fields.
        """
        event = EVENTS[kind]
        tier = event.tier if verbosity is None else verbosity
        severity = event.severity if level is None else level
        if tier < self._verbosity or os.getpid() != self._pid:
            return
        with self._lock:
            self._log.entry(
                type=str(kind),
                level=str(severity),
                message=message,
                verbosity=tier.label,
                step=self.step if next_step is None else next_step,
                epoch=self.epoch,
                **fields,
            )
            self._entries += 1


def record_alone(
    output: Output,
    kind: EventType,
    message: str,
    *,
    verbosity: Verbosity | None = None,
    level: Severity | None = None,
    **fields: Any,
) -> None:
    """Write one entry that belongs to no run; its arguments are those of `Recorder.record`."""
    event = EVENTS[kind]
    tier = event.tier if verbosity is None else verbosity
    chain = [Stamp(SystemClock()), normalize_values, redact_secrets, _as_arguments]
    _EntryLogger(output.logger, chain, {}).entry(
        type=str(kind),
        level=str(event.severity if level is None else level),
        message=message,
        verbosity=tier.label,
        **fields,
    )
    output.close()


def _as_arguments(_logger: Any, _method: str, event_dict: Any) -> Any:
    """Pass the entry to the stdlib logger as one positional argument."""
    return (event_dict,), {}


def _number(value: Any) -> str:
    return f"{value:.6f}" if isinstance(value, (int, float)) else "unknown"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 - an exception's text may raise anything
        return f"<text raised {type(second).__name__}>"


def _folder_size(path: str | None) -> dict[str, Any]:
    """Return `size_mb` and `files` of a checkpoint folder, or nothing if it is not there."""
    if path is None or not os.path.isdir(path):  # noqa: PTH112
        return {}
    size = files = 0
    for folder, _, names in os.walk(path):
        for name in names:
            size += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118
            files += 1
    return {"size_mb": round(size / MB, 3), "files": files}
