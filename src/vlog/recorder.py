"""One run, as a series of facts: the recorder turns each into one entry.

It knows no framework. An integration tells it what happened (`step_complete`, `log`,
`checkpoint_saved` ...) and marks on its ledger what the time since the last mark was.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vlog import __version__, open_runs
from vlog.budget import OverheadBudget
from vlog.capture import Capture
from vlog.clock import Clock, SystemClock
from vlog.describe import describe_checkpoint, describe_environment, describe_exception
from vlog.handlers import JsonlFormatter
from vlog.lineage import find_checkpoint_run
from vlog.machine import Machine
from vlog.meter import Meter
from vlog.progress import Progress
from vlog.ranks import agree_on_run_id
from vlog.record import entry_of
from vlog.run_log import RunLog
from vlog.schema import EVENTS, GB, MB, SCHEMA_VERSION, EventType, Severity
from vlog.step_entries import StepEntries
from vlog.timing import CHECKPOINT, EVALUATION, PhaseLedger, Schedule
from vlog.trends import Trends
from vlog.values import clean_text
from vlog.verbosity import CurrentVerbosity, tier_of
from vlog.verbosity_switch import VerbositySwitch
from vlog.watch import Watch
from vlog.wording import OwnText, epochs_text, is_whole, result_text

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Sequence

    from vlog.output import Output
    from vlog.resources import Source
    from vlog.settings import Settings
    from vlog.verbosity_request import VerbosityRequest

_MESSAGE_CHARACTERS = 500  # of an exception's, in the message of an entry


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
        run_id: Its name: the UTC time of its start and six random digits; from `start` on, the same
            in all ranks.
        name: What its user calls it, if anything.
        ledger: Where its time goes.
        report: Told of what goes wrong inside vlog.
        record: Writes any entry; see `RunLog.record`, and for `write` as well.
        step_complete: Takes a step that is done; see `StepEntries`, for the next three as well.
        log: Takes what the trainer logs.
        observe_loss: Takes the true loss of a micro-batch.
        release: Writes the step's entry that waits, if one does.
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
        self._limits = asdict(settings.limits)
        self.name = ""
        self._verbosity = verbosity = CurrentVerbosity(settings.verbosity)
        self._on_end = on_end
        clock = clock if clock is not None else SystemClock()
        self.ledger = PhaseLedger(clock)
        self.progress = Progress(clock, self.ledger)
        self._machine = Machine(settings, clock, sources, output.report)
        self.monitor = self._machine.monitor
        self._budget = OverheadBudget(settings.overhead_budget_percent, verbosity)
        self._meter = Meter(self.ledger, self._budget, clock, output)
        trends = Trends(verbosity, self._budget)
        self._log = RunLog(
            output,
            self.run_id,
            verbosity,
            clock,
            monitor=self.monitor,
            trends=trends,
            budget=self._budget,
        )
        self._watch = Watch(self._log, clock, settings.limits)
        self._switch = VerbositySwitch(self._log, verbosity, self._machine, output)
        self.monitor.on_reading = self._watch.see_reading
        self.monitor.on_tick = self._tick
        self._steps = StepEntries(
            self._log,
            self.progress,
            self.ledger,
            self._watch,
            verbosity,
            trends=trends,
            is_shown=self._is_shown,
            show=self._show_step,
            meter=self._meter,
            written=self._switch.step_done,
        )
        self.record = self._log.record
        self.write = self._log.write
        self.observe_loss = self._steps.observe_loss
        self.step_complete = self._steps.complete
        self.log = self._steps.log
        self.release = self._steps.release
        self._evaluation_batches = 0
        self._formatter = JsonlFormatter()
        self._capture = Capture(settings.capture, self)

    @property
    def handlers(self) -> Collection[logging.Handler]:
        """The handlers that its entries go to."""
        return self._output.handlers

    @property
    def step(self) -> int:
        """Steps done, of the whole training."""
        return self._log.step

    @property
    def has_to_write(self) -> bool:
        """Whether an entry is due when a step begins: the one that waits, or that of its begin."""
        return self._steps.has_held or self._log.takes(EVENTS[EventType.STEP_BEGIN].tier)

    def writes(self, kind: EventType) -> bool:
        """Return whether entries of this type are written now."""
        if kind is EventType.MICRO_BATCH and self._budget.sheds_micro_batches:
            return False
        return self._log.takes(EVENTS[kind].tier)

    def start(self, missing: list[str], checkpoint: str | None, **links: str | None) -> None:
        """Open the run with `system_initialization`, and begin to measure.

        Args:
            missing: What cannot be recorded in this set-up, and why.
            checkpoint: The checkpoint that this run goes on from.
            **links: Other runs that it goes on from.
        """
        self.run_id = self._log.context["run_id"] = agree_on_run_id(self.run_id, self.report)
        self._output.open()
        self._meter.start()
        log_file = self._output.log_file
        if self._output.console is not None:
            self._output.console.start()
        if checkpoint is not None:
            origin = find_checkpoint_run(log_file, checkpoint) if log_file is not None else None
            links = {"resumed_from": origin, "resumed_from_checkpoint": checkpoint, **links}
        known: dict[str, Any] = {name: value for name, value in links.items() if value is not None}
        self.record(
            EventType.SYSTEM_INITIALIZATION,
            f"🖥️ Run {self.run_id} is recorded at verbosity {self._verbosity.value.label}",
            schema_version=SCHEMA_VERSION,
            vlog_version=__version__,
            **known,
            logging={
                "verbosity_level": self._verbosity.value.label,
                "log_file": None if log_file is None else str(log_file),
                "missing": missing,
                "alert_limits": self._limits,
            },
            environment=describe_environment(),
        )
        self._machine.watch_disk("log", log_file)
        self._switch.discard_old_request()
        open_runs.add(self)
        self._capture.start()
        self.monitor.start()  # not before: an alert must not be the first entry

    def expect_checkpoints(self, folder: str | None, size_gb: float | None) -> None:
        """Watch the disk that checkpoints are written to.

        Args:
            folder: Where they go.
            size_gb: The least that the first one needs; None if there will be none.
        """
        self._machine.watch_disk("output", folder)
        self._watch.expect_checkpoint(size_gb)

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
        if num_epochs is not None:
            fields["num_epochs"] = num_epochs
        self.record(
            EventType.TRAINING_START,
            f"🚀 Training starts: step {start_step} of {total or 'an unknown number'}",
            **fields,
            start_step=start_step,
            batch=batch,
        )
        self.ledger.restart()
        self._meter.restart()

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
        if self.writes(EventType.STEP_BEGIN):
            message = OwnText(f"▶️ Step {step} begins")
            self.record(EventType.STEP_BEGIN, message, of_step=step)

    def micro_batch(self, number: int, seconds: float, description: dict[str, Any]) -> None:
        """Write `micro_batch`.

        Args:
            number: Its place in its step, from 0.
            seconds: Duration.
            description: `batch`, `samples` and `tokens`.
        """
        if not self.writes(EventType.MICRO_BATCH):
            return
        self.record(
            EventType.MICRO_BATCH,
            OwnText(f"🔹 Micro-batch {number} of step {self.step + 1}"),
            of_step=self.step + 1,
            micro_batch=number,
            timing={"micro_batch_seconds": round(seconds, 6)},
            **description,
        )

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
            OwnText(f"🔹 Evaluation batch {number}"),
            prediction_step=number,
            timing={"prediction_seconds": round(seconds, 6)},
        )

    def evaluation_complete(self, metrics: dict[str, Any]) -> None:
        """Write `evaluation_complete`, with the time that the ledger gave to evaluation."""
        self.release()
        seconds = self.ledger.take(EVALUATION)
        self.progress.evaluated(self.step, seconds)
        self.record(
            EventType.EVALUATION_COMPLETE,
            f"📊 Evaluation at step {self.step}{result_text(metrics)}",
            metrics={name: value for name, value in metrics.items() if name != "epoch"},
            timing={"evaluation_seconds": round(seconds, 6)},
        )

    def checkpoint_saved(self, path: str | None) -> None:
        """Write `model_checkpoint_save`, with the time that the ledger gave to checkpoints."""
        self.release()
        seconds = self.ledger.take(CHECKPOINT)
        self.progress.checkpoints.add(seconds)
        checkpoint = describe_checkpoint(path)
        self._machine.watch_disk("output", path)
        size_mb = checkpoint.get("size_mb")
        self._watch.expect_checkpoint(size_mb * MB / GB if size_mb else None)
        self.record(
            EventType.MODEL_CHECKPOINT_SAVE,
            f"💾 Checkpoint of step {self.step} saved: {path or 'unknown path'}",
            checkpoint=checkpoint,
            timing={"checkpoint_seconds": round(seconds, 6)},
        )

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
        what = f"{exception['type']}: {clean_text(exception['message'], _MESSAGE_CHARACTERS)}"
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

    def take_record(self, record: logging.LogRecord) -> None:
        """Write a record of any logger as a `log_record` entry; its level number is its tier."""
        tier = tier_of(record.levelno)
        if not self._log.takes(tier):
            return
        entry = entry_of(record) or self._formatter.foreign_entry(record)
        known = ("logger", "fields", "non_finite")
        self.record(
            EventType.LOG_RECORD,
            entry["message"],
            verbosity=tier,
            level=Severity(entry["level"]),
            **{name: entry[name] for name in known if name in entry},
        )

    def _end(self, kind: EventType, message: str, **fields: Any) -> None:
        if not self._log.is_own_process:  # the lock may be held by a thread that a child has not
            return
        with self._log.lock:
            if self.is_ended:
                return
            self.is_ended = True
        try:
            self.release()
            self._watch.see_waiting_steps()
        finally:  # whatever goes wrong: the run has an end, and lets go
            try:
                self._write_end(kind, message, fields)
            finally:
                self._let_go()

    def _write_end(self, kind: EventType, message: str, fields: dict[str, Any]) -> None:
        with self._log.lock:
            self._watch.is_over = True
            statistics = self.progress.statistics(self._watch.raised)
            if self._steps.non_finite:
                statistics["non_finite_losses"] = self._steps.non_finite
            overhead = self._meter.fields(
                statistics["duration_seconds"],
                self.progress.steps,
                self._log.entries,
                self.monitor.cpu_seconds,
            )
            self.record(kind, message, statistics=statistics, overhead=overhead, **fields)

    def _is_shown(self) -> bool:
        return self._output.console is not None

    def _show_step(self, step: int, fields: dict[str, Any]) -> None:
        """Show a step to whoever looks on, at every verbosity."""
        console, latest = self._output.console, self.monitor.latest
        if console is not None:
            usage = latest.values if latest is not None else None
            console.show_step(self.name, step, fields, usage)

    def set_verbosity(self, request: VerbosityRequest) -> None:
        """Write at another verbosity from now on."""
        if not self.is_ended:
            self._switch.switch(request, "python")

    def _tick(self) -> None:
        """Look, in the monitor's thread, after what others may have done or request."""
        if self.is_ended:
            return
        self._capture.refresh()
        self._switch.look()
        if self._output.console is not None:
            self._output.console.reopen()

    def _let_go(self) -> None:
        open_runs.remove(self)
        self._capture.stop()
        if self._output.console is not None:
            self._output.console.finish()
        if self._on_end is not None:
            self._on_end(self)
        self.monitor.stop(timeout_seconds=0)  # a reading that is being taken is not waited for
        self._output.close()
