"""The Hugging Face Trainer: `VerboseLoggingCallback`.

The callback outlives its runs. It opens one for each `train()`, hands each hook to it, and is the
boundary that nothing of vlog passes.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from vlog.errors import ConfigurationError, MissingExtraError, check_flag

try:
    from accelerate.utils.memory import should_reduce_batch_size
    from transformers import __version__ as _version
    from transformers.trainer_callback import TrainerCallback
except ImportError as _error:
    raise MissingExtraError(
        "VerboseLoggingCallback needs transformers 5 or newer, torch and accelerate. "
        f"Install them with: pip install 'vlog-training[trainer]' ({_error})"
    ) from _error
if int(_version.partition(".")[0]) < 5:
    raise MissingExtraError(
        f"transformers {_version} is too old: VerboseLoggingCallback needs 5 or newer. "
        "Install it with: pip install -U 'vlog-training[trainer]'"
    )

import vlog.handlers.live_line  # noqa: F401 - it loads rich: here, not while a run begins
from vlog import endings
from vlog.describe import describe_environment, describe_model
from vlog.handlers.error_log import tell_stderr
from vlog.integrations.guard import guarded
from vlog.integrations.trainer_facts import checkpoint_path
from vlog.integrations.trainer_probe import find_trainer, wrap_trainer
from vlog.integrations.trainer_progress import TrainerProgress
from vlog.integrations.trainer_run import TrainerRun
from vlog.options import DEFAULT_VERBOSITY, Options, Recording
from vlog.output import DEFAULT_LOG_FILE
from vlog.own_entry import own_entry
from vlog.resources import default_sources, measure_once
from vlog.run_log import record_alone
from vlog.schema import EventType
from vlog.timing import FORWARD_BACKWARD, OPTIMIZER
from vlog.verbosity import Verbosity
from vlog.verbosity_request import VerbosityRequest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path
    from typing import Unpack

    from vlog.timing import PhaseLedger

__all__ = ["VerboseLoggingCallback"]

_LATE = (
    "exceptions that the caller catches: the callback was added after the Trainer was "
    "constructed; pass it in `callbacks=[...]`"
)
_ARGUMENTS = 3  # of every hook: the training's arguments, its state and its control
_NOT_COPIED = ("clock", "sources")
_UNWRAPPED = "exceptions that the caller catches, batches, hidden losses: wrap_trainer is off"


def _handed_on(name: str) -> Callable[..., None]:
    """Return the hook `on_<name>`, which hands what it is told to the run, if one is open."""

    def hook(self: VerboseLoggingCallback, *given: Any, **_more: Any) -> None:
        if self._run is not None:
            getattr(self._run, name)(*given[:_ARGUMENTS])

    hook.__name__ = f"on_{name}"
    hook.__doc__ = getattr(TrainerRun, name).__doc__
    return guarded(hook)


def _passed_by(phase: str, doc: str) -> Callable[..., None]:
    """Return a hook that says what the time before it was, and nothing else."""

    def hook(self: VerboseLoggingCallback, *_args: Any, **_more: Any) -> None:
        ledger = self.ledger
        if ledger is not None:
            ledger.pass_by(phase, ledger.now())

    hook.__doc__ = doc
    return hook


class VerboseLoggingCallback(TrainerCallback):  # type: ignore[misc]  # untyped base
    """Record a Trainer's runs as JSONL: one callback, and a complete and true log.

    Nothing that goes wrong in it reaches the training; it is written to
    `verbose_logging_errors.log` beside the log instead.

    Args:
        verbosity_level: `"low"`, `"medium"`, `"high"` or `"ultra"`.
        log_file: Path of the log. Left at its default, what the app configured on the logger
            `vlog` is used, or else this file in the current folder. Rank 3 writes
            `<name>.rank3.jsonl`. None, with a `standard_log`, for that alone.
        log_sample_content: Whether to write the first sample's values, not only its structure.
        wrap_trainer: Whether to wrap three methods of the Trainer instance, without which
            exceptions that the caller catches, batches, token counts, the exact wait for data and
            a loss that the Trainer's filter hides cannot be recorded.
        **options: See `vlog.options.Options`.

    Raises:
        ConfigurationError: an option has a value that it cannot take, or is unknown.
        LogFileError: a log cannot be written where it was asked for.

    Attributes:
        ledger: Where the time of the run that is open goes; None while none is.
    """

    def __init__(
        self,
        verbosity_level: str | Verbosity = DEFAULT_VERBOSITY,
        log_file: str | os.PathLike[str] | None = DEFAULT_LOG_FILE,
        *,
        log_sample_content: bool = False,
        wrap_trainer: bool = True,
        **options: Unpack[Options],
    ) -> None:
        check_flag("log_sample_content", log_sample_content)
        check_flag("wrap_trainer", wrap_trainer)
        super().__init__()
        self._recording = Recording(
            verbosity_level, log_file, options, ("log_sample_content", "wrap_trainer")
        )
        self._arguments = {
            "verbosity_level": verbosity_level,
            "log_file": log_file,
            "log_sample_content": log_sample_content,
            "wrap_trainer": wrap_trainer,
            **{name: value for name, value in options.items() if name not in _NOT_COPIED},
        }
        self._output = self._recording.output
        takes_its_place = bool(options.get("console"))
        self._progress = TrainerProgress(self._output, takes_its_place=takes_its_place)
        self._report = self._output.report
        self._log_sample_content = log_sample_content
        self._wraps_trainer = wrap_trainer
        self._run: TrainerRun | None = None
        self.ledger: PhaseLedger | None = None
        self._outer_runs: list[TrainerRun] = []
        self._wrapped: weakref.WeakSet[Any] = weakref.WeakSet()
        self._last_run_id: str | None = None
        self._out_of_memory_run_id: str | None = None

    @property
    def log_file(self) -> Path | None:
        """The file of the log; differs from the wanted one if another process writes that."""
        return self._output.log_file

    def set_verbosity(self, verbosity_level: str | Verbosity, steps: int | None = None) -> None:
        """Write at another verbosity from now on; while no run goes on, in the runs to come.

        Args:
            verbosity_level: `"low"`, `"medium"`, `"high"` or `"ultra"`.
            steps: For how many steps of the run that goes on; None for the rest of it.

        Raises:
            ConfigurationError: one of them cannot be used, or `steps` is given without a run.
        """
        request = VerbosityRequest(Verbosity.parse(verbosity_level), steps)
        if self._run is not None:
            self._run.recorder.set_verbosity(request)
        elif steps is not None:
            raise ConfigurationError(
                f"steps is {steps}, but no run goes on whose steps could be counted. Leave it out: "
                "the verbosity then holds for the runs to come."
            )
        else:
            self._recording.set_verbosity(request.verbosity)

    def report_fault(self, what: str, error: BaseException) -> None:
        """Tell the error log; see `vlog.integrations.guard`."""
        self._report(what, error)

    def __getstate__(self) -> dict[str, Any]:
        """Return the arguments: a copy in another process records for itself."""
        return self._arguments

    def __setstate__(self, arguments: dict[str, Any]) -> None:
        self.__init__(**arguments)  # type: ignore[misc]  # a copy is made as the original was

    def _begin_run(self, resume_from_checkpoint: str | None, missing: list[str]) -> TrainerRun:
        if self._run is not None and self._run.is_announced:
            self._outer_runs.append(self._run)  # a training inside a training
        elif self._run is not None:
            self._run.recorder.interrupt("the training loop ended without on_train_end")
            self._progress.end()
        recorder = self._recording.new_run(endings.unwatch)
        endings.watch(recorder)
        self._run = TrainerRun(recorder, is_announced=not missing)
        self.ledger = recorder.ledger
        recorder.start(
            missing,
            resume_from_checkpoint,
            restarted_from=self._out_of_memory_run_id,
            previous_run_id=self._last_run_id,
        )
        self._last_run_id, self._out_of_memory_run_id = recorder.run_id, None
        return self._run

    @guarded
    def loop_begins(self, resume_from_checkpoint: str | None) -> None:
        """Begin a run before its set-up, so that an error in that is recorded too."""
        self._progress.begin(find_trainer(self))
        try:
            self._begin_run(resume_from_checkpoint, missing=[])
        except Exception as error:
            tell_stderr(f"vlog: this run may not be recorded: {type(error).__name__}: {error}")
            raise

    def _pop_run(self) -> TrainerRun | None:
        """Return the run that is over; the one around it, if any, goes on."""
        run, self._run = self._run, self._outer_runs.pop() if self._outer_runs else None
        self.ledger = self._run.recorder.ledger if self._run is not None else None
        self._progress.end()
        return run

    @guarded
    def loop_returned(self) -> None:
        """Close the run; `on_train_end` has ended it already, unless somebody kept that away."""
        run = self._pop_run()
        if run is not None:
            run.recorder.interrupt("the training loop ended without on_train_end")

    @guarded
    def loop_raised(self, error: BaseException) -> None:
        """End the run by what the training raised."""
        run = self._pop_run()
        if run is None:
            return
        # The same question that accelerate's batch-size finder asks before it tries again.
        if isinstance(error, RuntimeError) and should_reduce_batch_size(error):
            self._out_of_memory_run_id = run.recorder.run_id
        endings.end_by(run.recorder, error)

    def batches_wanted(self) -> None:
        """Mark what came before the wait for data: other callbacks, or the start of workers."""
        run, ledger = self._run, self.ledger
        if run is not None and ledger is not None:
            entered = ledger.now()
            ledger.pass_by(run.takes_wait(), entered)

    micro_batch_begins = _passed_by(
        FORWARD_BACKWARD, "Mark the time since the step began or the last micro-batch ended."
    )

    @guarded
    def micro_batch_ended(self, inputs: Any, loss: Any) -> None:
        """Hand it to the run."""
        if self._run is not None:
            self._run.micro_batch_ended(inputs, loss)

    on_epoch_begin = _handed_on("epoch_begin")
    _step_begins = _handed_on("step_begin")

    def on_step_begin(self, *given: Any, **_more: Any) -> None:
        """Mark the wait for data, and write what waits, and `step_begin`."""
        run, ledger = self._run, self.ledger
        if run is None or ledger is None:
            return
        entered = ledger.now()
        if run.recorder.has_to_write:
            self._step_begins(*given)
        else:
            ledger.pass_by(run.ends_wait(), entered)

    on_substep_end = _passed_by(FORWARD_BACKWARD, "Mark a micro-batch.")

    def on_pre_optimizer_step(self, *_given: Any, optimizer: Any = None, **_more: Any) -> None:
        """Mark the micro-batches and read the rate that this step learns with."""
        run, ledger = self._run, self.ledger
        if run is None or ledger is None:
            return
        entered = ledger.now()
        try:
            run.optimizer_begins(optimizer)
        except Exception as error:  # noqa: BLE001 - the boundary to the training
            self.report_fault("on_pre_optimizer_step failed", error)
        ledger.pass_by(FORWARD_BACKWARD, entered)

    on_optimizer_step = _passed_by(OPTIMIZER, "Mark the optimizer.")

    @guarded
    def on_step_end(self, args: Any, state: Any, control: Any, *_given: Any, **_more: Any) -> None:
        """Accept the step's entry."""
        if self._run is not None:
            self._run.step_end(state, control)

    @guarded
    def on_log(
        self, args: Any, state: Any, control: Any, logs: Any = None, *_given: Any, **_more: Any
    ) -> None:
        """Complete the step's entry, or write metrics that came without one."""
        if self._run is not None:
            self._run.log(state, logs or {})

    on_prediction_step = _handed_on("prediction_step")
    on_save = _handed_on("save")
    on_epoch_end = _handed_on("epoch_end")

    @guarded
    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Find the Trainer that is being constructed, and wrap it."""
        trainer = find_trainer(self)
        if trainer is not None:
            self._wrap(trainer)

    def _wrap(self, trainer: Any) -> None:
        if self._wraps_trainer and trainer not in self._wrapped:
            wrap_trainer(trainer, self)
            self._wrapped.add(trainer)

    @guarded
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write what the run is made of, and its start."""
        run = self._run
        if run is None or run.is_set_up:  # nobody announced this loop
            checkpoint = checkpoint_path(args, state) if state.global_step else None
            run = self._begin_run(checkpoint, [_LATE if self._wraps_trainer else _UNWRAPPED])
            self._progress.begin(find_trainer(self), is_late=True)
        loader = kwargs.get("train_dataloader")
        datasets = {"train": getattr(loader, "dataset", None)}
        trainer = find_trainer(self)
        if trainer is not None:
            self._wrap(trainer)
            datasets = {"train": trainer.train_dataset, "eval": trainer.eval_dataset}
        run.set_up(
            args,
            state,
            datasets,
            loader,
            kwargs.get("model"),
            with_content=self._log_sample_content,
        )

    @guarded
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write `training_complete`."""
        run = self._run
        if run is not None:
            run.train_end()
            if not run.is_announced:
                self._pop_run()

    @guarded
    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Write `evaluation_complete`, outside of a run too."""
        if self._run is not None:
            self._run.evaluate(metrics or {})
            return
        metrics = metrics or {}
        link: dict[str, Any] = {"after_run": self._last_run_id} if self._last_run_id else {}
        seconds = next((metrics[name] for name in metrics if name.endswith("_runtime")), 0.0)
        record_alone(
            self._output,
            EventType.EVALUATION_COMPLETE,
            "📊 Evaluation outside of a training",
            metrics=metrics,
            timing={"evaluation_seconds": seconds},
            **link,
        )

    on_predict = on_evaluate

    def _get_comprehensive_system_info(self) -> dict[str, Any]:
        """Return the environment of `system_initialization`, and `resource_usage`."""
        return {**describe_environment(), "resource_usage": self._get_current_resource_usage()}

    def _get_current_resource_usage(self) -> dict[str, Any]:
        """Return the latest reading, or a fresh one while no run goes on."""
        latest = self._run.recorder.monitor.latest if self._run is not None else None
        if latest is not None:
            return dict(latest.values)
        sources = self._recording.sources
        if sources is None:
            sources = default_sources()
        return dict(measure_once(sources, self._report).values)

    def _get_model_info(self, model: Any) -> dict[str, Any]:
        """Return what `training_initialization` says of `model`."""
        return describe_model(model)

    @guarded
    def _write_log(self, log_entry: dict[str, Any]) -> None:
        """Write an entry of the caller's.

        Args:
            log_entry: Its `type`, `level` and `message` are taken; a type that the schema does
                not know becomes `log_record`. Keys that are not the type's own go under `fields`.
        """
        kind, fields = own_entry(log_entry)
        if self._run is not None:
            self._run.recorder.record(kind, **fields)
        else:
            record_alone(self._output, kind, **fields)
