"""The Hugging Face Trainer: its hooks, told to the recorder.

What hooks do and do not say: `on_step_end` comes before the `on_log` of the same step, batches
are fetched before `on_step_begin`, and evaluation, checkpoint and log lie between two hooks whose
second one names them. Read in transformers 5.23.
"""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any

from vlog.errors import MissingExtraError

try:
    from accelerate.utils.memory import should_reduce_batch_size
    from transformers.trainer_callback import TrainerCallback
except ImportError as _error:
    raise MissingExtraError(
        "VerboseLoggingCallback needs transformers 5 or newer, torch and accelerate. "
        "Install them with: pip install 'vlog-training[trainer]'"
    ) from _error

from vlog import endings
from vlog.clock import Clock, SystemClock
from vlog.config import DEFAULT_LOG_FILE, Output, Rotation, refuse_unknown
from vlog.describe import describe_batch, describe_environment, describe_model
from vlog.integrations.trainer_facts import (
    batch_of,
    checkpoint_path,
    initialization_of,
    schedule_of,
)
from vlog.integrations.trainer_probe import LossProbe, find_trainer, wrap_trainer
from vlog.lineage import find_checkpoint_run
from vlog.own_entry import own_entry
from vlog.recorder import Recorder, Settings, record_alone
from vlog.resources import Monitor, default_sources
from vlog.schema import EventType
from vlog.timing import (
    CHECKPOINT,
    DATA_SKIP,
    DATA_WAIT,
    EVALUATION,
    FINALIZE,
    FORWARD_BACKWARD,
    LOGGING,
    OPTIMIZER,
)
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from vlog.resources import Source

__all__ = ["VerboseLoggingCallback"]

_LATE = (
    "exceptions that the caller catches: the callback was added after the Trainer was "
    "constructed; pass it in `callbacks=[...]`"
)
_UNWRAPPED = "exceptions that the caller catches, batches, hidden losses: wrap_trainer is off"


def _guarded(hook: Callable[..., None]) -> Callable[..., None]:
    """Let nothing out of `hook`: what it raises is reported, and its time is vlog's."""

    @functools.wraps(hook)
    def safe(self: VerboseLoggingCallback, *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - this is the boundary to the training
            self._report(f"{hook.__name__} failed", error)
        run = self._run
        if run is not None:
            run.ledger.leave()

    return safe


class VerboseLoggingCallback(TrainerCallback):
    """Record a Trainer's runs as JSONL: one callback, and a complete and true log.

    Nothing that goes wrong in it reaches the training; it is written to
    `verbose_logging_errors.log` beside the log instead.

    Args:
        verbosity_level: `"low"`, `"medium"`, `"high"` or `"ultra"`.
        log_file: Path of the log. Left at its default, what the app configured on the logger
            `vlog` is used, or else this file in the current folder. Rank 3 writes
            `<name>.rank3.jsonl`.
        standard_log: True for the flat standard log `training_logs.jsonl` beside the log, or its
            path. Written by rank 0.
        memory_alert_percent: Host memory above which there is an alert, 0 to 100.
        reading_interval_seconds: Time between two resource readings; None for the verbosity's own
            (10 at low, 5 at medium, 1 at high, 0.5 at ultra).
        max_mb: Size in MiB at which the log is set aside as a segment; 0 for never.
        total_mb: Size in MiB of all segments above which the oldest are deleted.
        compress: How segments are compressed: `"zstd"`, `"gzip"` or `"none"`.
        log_sample_content: Whether to write the first sample's values, not only its structure.
        wrap_trainer: Whether to wrap two methods of the Trainer instance, without which
            exceptions that the caller catches, batches, token counts and a loss that the
            Trainer's filter hides cannot be recorded.
        clock: Where time comes from.
        sources: What the monitor measures; None for everything that this machine has.

    Raises:
        ConfigurationError: an option has a value that it cannot take, or is unknown.
        LogFileError: a log cannot be written where it was asked for.
    """

    def __init__(
        self,
        verbosity_level: str | Verbosity = "high",
        log_file: str | os.PathLike[str] = DEFAULT_LOG_FILE,
        *,
        standard_log: str | os.PathLike[str] | bool | None = None,
        memory_alert_percent: float = Settings.memory_alert_percent,
        reading_interval_seconds: float | None = None,
        max_mb: float = Rotation.max_mb,
        total_mb: float = Rotation.total_mb,
        compress: str = Rotation.compress,
        log_sample_content: bool = False,
        wrap_trainer: bool = True,
        clock: Clock | None = None,
        sources: list[Source] | None = None,
        **unknown: object,
    ) -> None:
        refuse_unknown(unknown, VerboseLoggingCallback.__init__)
        super().__init__()
        self._options = {
            "verbosity_level": verbosity_level,
            "log_file": log_file,
            "standard_log": standard_log,
            "memory_alert_percent": memory_alert_percent,
            "reading_interval_seconds": reading_interval_seconds,
            "max_mb": max_mb,
            "total_mb": total_mb,
            "compress": compress,
            "log_sample_content": log_sample_content,
            "wrap_trainer": wrap_trainer,
        }
        self._settings = Settings(
            Verbosity.parse(verbosity_level), memory_alert_percent, reading_interval_seconds
        )
        self._output = Output(log_file, standard_log, Rotation(max_mb, total_mb, compress))
        self._report = self._output.report
        self._log_sample_content = log_sample_content
        self._wraps_trainer = wrap_trainer
        self._clock = clock if clock is not None else SystemClock()
        self._sources = sources
        self._run: Recorder | None = None
        self._wrapped: weakref.WeakSet[Any] = weakref.WeakSet()
        self._last_run_id: str | None = None
        self._out_of_memory_run_id: str | None = None
        self._is_set_up = False
        self._losses = LossProbe(self._deliver_loss)
        self._forget_step()

    def __getstate__(self) -> dict[str, Any]:
        """Return the options: a copy in another process records for itself."""
        return self._options

    def __setstate__(self, options: dict[str, Any]) -> None:
        self.__init__(**options)  # type: ignore[misc]  # a copy is made as the original was

    # -- one run -------------------------------------------------------------------------------

    def _begin_run(self, resume_from_checkpoint: str | None, missing: list[str]) -> Recorder:
        if self._run is not None:
            self._run.interrupt("the training loop ended without on_train_end")
        run = Recorder(self._output, self._settings, self._clock, self._sources, endings.unwatch)
        endings.watch(run)
        self._run = run
        self._is_set_up = False
        resumed_from = None
        log_file = self._output.log_file
        if resume_from_checkpoint is not None and log_file is not None:
            resumed_from = find_checkpoint_run(log_file, resume_from_checkpoint)
        run.start(
            describe_environment(),
            missing,
            resumed_from=resumed_from,
            resumed_from_checkpoint=resume_from_checkpoint,
            restarted_from=self._out_of_memory_run_id,
            previous_run_id=self._last_run_id,
        )
        self._last_run_id, self._out_of_memory_run_id = run.run_id, None
        return run

    def _end_run(self) -> None:
        self._run = None
        self._forget_step()

    def _forget_step(self) -> None:
        self._micro_batches = self._samples = self._tokens = 0
        self._learning_rate: float | None = None
        self._is_evaluating = self._skips_data = False
        self._final_metrics: dict[str, Any] = {}

    # -- told by the wrapped methods -----------------------------------------------------------

    @_guarded
    def loop_begins(self, resume_from_checkpoint: str | None) -> None:
        """Begin a run before its set-up, so that an error in that is recorded too."""
        self._begin_run(resume_from_checkpoint, missing=[])

    @_guarded
    def loop_raised(self, error: BaseException) -> None:
        """End the run by what the training raised."""
        if self._run is None:
            return
        if _is_out_of_memory(error):
            self._out_of_memory_run_id = self._run.run_id
        endings.end_by(self._run, error)
        self._end_run()

    @_guarded
    def micro_batch_begins(self) -> None:
        """Mark the time since the step began or the last micro-batch ended."""
        if self._run is not None:
            self._run.ledger.mark(FORWARD_BACKWARD)

    @_guarded
    def micro_batch_ended(self, inputs: Any, loss: Any) -> None:
        """Count the batch and take its true loss."""
        run = self._run
        if run is None:
            return
        before = run.ledger.totals[FORWARD_BACKWARD]
        run.ledger.mark(FORWARD_BACKWARD)
        seconds = run.ledger.totals[FORWARD_BACKWARD] - before
        described = describe_batch(inputs)
        self._samples += described.get("samples", 0)
        self._tokens += described.get("tokens", 0)
        self._losses.observe(run.step + 1, loss)
        run.micro_batch(self._micro_batches, seconds, described)
        self._micro_batches += 1

    def _deliver_loss(self, step: int, loss: float) -> None:
        if self._run is not None:
            self._run.observe_loss(step, loss)

    # -- hooks ---------------------------------------------------------------------------------

    @_guarded
    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Find the Trainer that is being constructed, and wrap it."""
        trainer = find_trainer(self)
        if trainer is not None:
            self._wrap(trainer)

    def _wrap(self, trainer: Any) -> None:
        if self._wraps_trainer and trainer not in self._wrapped:
            wrap_trainer(trainer, self)
            self._wrapped.add(trainer)

    @_guarded
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write what the run is made of, and its start."""
        trainer = find_trainer(self)
        run = self._run
        if run is None or self._is_set_up:  # nobody announced this loop
            checkpoint = checkpoint_path(args, state) if state.global_step else None
            run = self._begin_run(checkpoint, [_LATE if self._wraps_trainer else _UNWRAPPED])
        self._is_set_up = True
        self._forget_step()
        loader = kwargs.get("train_dataloader")
        datasets = {"train": getattr(loader, "dataset", None)}
        if trainer is not None:
            self._wrap(trainer)
            datasets = {"train": trainer.train_dataset, "eval": trainer.eval_dataset}
        run.record(
            EventType.TRAINING_INITIALIZATION,
            "🧩 Arguments, model and data sets are ready",
            **initialization_of(args, kwargs.get("model"), datasets, self._log_sample_content),
        )
        self._batch = batch_of(args)
        self._skips_data = state.global_step > 0 and not args.ignore_data_skip
        run.training_started(
            schedule_of(args, state, loader),
            state.global_step,
            state.epoch,
            state.num_train_epochs,
            self._batch,
        )

    @_guarded
    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write `epoch_begin`."""
        if self._run is not None:
            self._run.ledger.mark(DATA_WAIT)
            self._run.epoch_begin(state.epoch)

    @_guarded
    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the wait for data; after a resume, the skipping of it."""
        if self._run is not None:
            self._run.ledger.mark(DATA_SKIP if self._skips_data else DATA_WAIT)
            self._skips_data = False
            self._run.step_begin(state.global_step + 1)

    @_guarded
    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark a micro-batch."""
        if self._run is not None:
            self._run.ledger.mark(FORWARD_BACKWARD)

    @_guarded
    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the micro-batches and read the rate that this step learns with."""
        if self._run is not None:
            self._run.ledger.mark(FORWARD_BACKWARD)
            self._learning_rate = _learning_rate(kwargs.get("optimizer"))

    @_guarded
    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the optimizer."""
        if self._run is not None:
            self._run.ledger.mark(OPTIMIZER)

    @_guarded
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Accept the step's entry; its log, if one is announced, completes it."""
        run = self._run
        if run is None:
            return
        run.ledger.mark(OPTIMIZER)
        metrics = {}
        if self._learning_rate is not None:
            metrics["learning_rate"] = self._learning_rate
        ranks = self._batch["world_size"]
        run.step_complete(
            state.global_step,
            state.epoch,
            metrics,
            samples=self._samples * ranks or self._batch["samples_per_step"],
            tokens=self._tokens * ranks,
            awaits_log=control.should_log,
        )
        self._micro_batches = self._samples = self._tokens = 0
        self._losses.collect()

    @_guarded
    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Complete the step's entry, or write metrics that came without one."""
        run = self._run
        if run is None:
            return
        run.ledger.mark(EVALUATION if self._is_evaluating else LOGGING)
        self._losses.collect()  # the Trainer has just waited for the device
        logs = kwargs.get("logs") or {}
        run.log(logs, state.global_step)
        if "train_runtime" in logs:
            self._final_metrics = dict(logs)

    @_guarded
    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write `evaluation_start` at the first batch: no hook says it earlier."""
        run = self._run
        if run is None:
            return
        run.ledger.mark(EVALUATION)
        if not self._is_evaluating:
            self._is_evaluating = True
            run.evaluation_start()
        run.prediction_step()

    @_guarded
    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write `evaluation_complete`."""
        self._evaluated(kwargs.get("metrics") or {})

    @_guarded
    def on_predict(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Write `evaluation_complete` for `predict()`."""
        self._evaluated(metrics or {})

    def _evaluated(self, metrics: dict[str, Any]) -> None:
        run = self._run
        if run is not None:
            run.ledger.mark(EVALUATION)
            self._is_evaluating = False
            run.evaluation_complete(metrics)
            return
        seconds = next((metrics[name] for name in metrics if name.endswith("_runtime")), 0.0)
        record_alone(
            self._output,
            EventType.EVALUATION_COMPLETE,
            "📊 Evaluation outside of a training",
            metrics=metrics,
            timing={"evaluation_seconds": seconds},
            **({"after_run": self._last_run_id} if self._last_run_id else {}),
        )

    @_guarded
    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write `model_checkpoint_save`."""
        if self._run is not None:
            self._run.ledger.mark(CHECKPOINT)
            self._run.checkpoint_saved(checkpoint_path(args, state))

    @_guarded
    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write `epoch_complete`."""
        if self._run is not None:
            self._run.ledger.mark(DATA_WAIT)
            self._run.epoch_complete(state.epoch)

    @_guarded
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write `training_complete`."""
        if self._run is not None:
            self._run.ledger.mark(FINALIZE)
            self._run.complete(self._final_metrics)
            self._end_run()

    # -- the key methods of the guide ----------------------------------------------------------

    def _get_comprehensive_system_info(self) -> dict[str, Any]:
        """Return the environment of `system_initialization`, and `resource_usage`."""
        return {**describe_environment(), "resource_usage": self._get_current_resource_usage()}

    def _get_current_resource_usage(self) -> dict[str, Any]:
        """Return the latest reading, or a fresh one while no run goes on."""
        if self._run is not None and self._run.monitor.latest is not None:
            return dict(self._run.monitor.latest.values)
        sources = default_sources() if self._sources is None else self._sources
        return dict(Monitor(1.0, self._clock, sources, self._report).measure().values)

    def _get_model_info(self, model: Any) -> dict[str, Any]:
        """Return what `training_initialization` says of `model`."""
        return describe_model(model)

    def _write_log(self, log_entry: dict[str, Any]) -> None:
        """Write an entry of the caller's.

        Args:
            log_entry: Its `type`, `level` and `message` are taken; a type that the schema does
                not know becomes `log_record`. Keys that are not the type's own go under `fields`.
        """
        try:
            kind, fields = own_entry(log_entry)
            if self._run is not None:
                self._run.record(kind, **fields)
            else:
                record_alone(self._output, kind, **fields)
        except Exception as error:  # noqa: BLE001 - this is the boundary to the training
            self._report("_write_log failed", error)


def _learning_rate(optimizer: Any) -> float | None:
    """Return the rate of the first group, unless it is a tensor that a device holds."""
    rate = optimizer.param_groups[0].get("lr") if optimizer is not None else None
    return float(rate) if isinstance(rate, (int, float)) else None


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether accelerate's batch-size finder would try again with a smaller batch."""
    return isinstance(error, RuntimeError) and should_reduce_batch_size(error)
