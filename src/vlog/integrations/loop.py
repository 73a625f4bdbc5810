"""Any training loop: `training_run`, told by the loop itself where it is.

What the loop's own code raises passes through here untouched, and ends the run.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from contextlib import ContextDecorator
from itertools import count
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from vlog.errors import ConfigurationError, check_count
from vlog.integrations.loop_facts import Plan, initialization_of, watchable
from vlog.integrations.loop_run import LoopRun
from vlog.options import DEFAULT_VERBOSITY, Options, Recording
from vlog.output import DEFAULT_LOG_FILE
from vlog.verbosity import Verbosity
from vlog.verbosity_request import VerbosityRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Unpack

    from vlog.output import Output

__all__ = ["TrainingRun", "training_run"]

_Batch = TypeVar("_Batch")
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def training_run(
    total_steps: int | None = None,
    verbosity_level: str | Verbosity = DEFAULT_VERBOSITY,
    log_file: str | os.PathLike[str] | None = DEFAULT_LOG_FILE,
    *,
    model: Any = None,
    optimizer: Any = None,
    dataset: Any = None,
    config: Any = None,
    name: str = "",
    start_step: int = 0,
    resume_from_checkpoint: str | os.PathLike[str] | None = None,
    evaluate_every: int | None = None,
    save_every: int | None = None,
    **options: Unpack[Options],
) -> TrainingRun:
    """Return a recorder for any training loop, to be used in a `with` statement.

    Args:
        total_steps: Optimizer steps of the whole training; None if nobody knows. Told by
            `epochs(n)` and a loader that has a length, too.
        verbosity_level: `"low"`, `"medium"`, `"high"` or `"ultra"`.
        log_file: Path of the log; as for `VerboseLoggingCallback`.
        model: Described in `training_initialization`.
        optimizer: A torch optimizer. Its steps are timed, and its learning rate is logged.
        dataset: Described in `training_initialization`.
        config: The run's arguments: a mapping, a namespace, a dataclass. Redacted.
        name: What the console calls the run.
        start_step: Steps done by earlier runs.
        resume_from_checkpoint: The checkpoint that this run goes on from.
        evaluate_every: Steps between evaluations, so that the ETA can count them.
        save_every: Steps between checkpoints, for the same.
        **options: See `vlog.options.Options`.

    Raises:
        ConfigurationError: an option has a value that it cannot take, or is unknown.
        LogFileError: a log cannot be written where it was asked for.
    """
    watched = watchable(optimizer)
    plan = Plan(total_steps, start_step, evaluate_every, save_every)
    checkpoint = _checked(
        str | os.PathLike | None, "resume_from_checkpoint", resume_from_checkpoint
    )
    recording = Recording(verbosity_level, log_file, options, _OWN_OPTIONS)
    run = LoopRun(
        recording,
        plan,
        watched,
        made_of=initialization_of(model, dataset, config),
        checkpoint=None if checkpoint is None else os.fsdecode(checkpoint),
        name=_checked(str, "name", name),
    )
    return TrainingRun(run, recording.output)


def _checked(kind: Any, name: str, value: Any) -> Any:
    if not isinstance(value, kind):
        what = "a text" if kind is str else "a path, or None"
        raise ConfigurationError(f"{name} is {value!r}. Expected {what}.")
    return value


_OWN_OPTIONS = (
    "total_steps",
    "model",
    "optimizer",
    "dataset",
    "config",
    "name",
    "start_step",
    "resume_from_checkpoint",
    "evaluate_every",
    "save_every",
)


class TrainingRun:
    """One run of a loop, made by `training_run`; its methods are called by the loop's thread.

    Used in a `with` statement, it ends as the block does: complete, failed by what is raised, or
    interrupted. Without one, call `start`, and `finish` at the end; a process that exits without
    `finish` has completed the run if all planned steps are done, and interrupted it otherwise.
    What is told to a run that is over is not recorded; the error log says so.
    """

    def __init__(self, run: LoopRun, output: Output) -> None:
        self._run = run
        self._output = output

    @property
    def run_id(self) -> str:
        """The name of the run in the log."""
        return self._run.recorder.run_id

    @property
    def log_file(self) -> Path | None:
        """The file of the log; differs from the wanted one if another process writes that."""
        return self._output.log_file

    @property
    def step_number(self) -> int:
        """The step that goes on, of the whole training; between steps, the last one done."""
        return self._run.course.step

    def __enter__(self) -> Self:
        """Begin the run."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        stack: TracebackType | None,
    ) -> None:
        """End the run, by what was raised if anything was."""
        if error is None:
            self._run.finish()
        else:
            self._run.raised(error)

    def start(self) -> Self:
        """Begin the run, where a `with` statement does not fit."""
        self._run.start()
        return self

    def finish(self) -> None:
        """End the run as complete."""
        self._run.finish()

    def epochs(self, number: int | None = None, *, start: int = 0) -> Iterator[int]:
        """Yield the number of each epoch, from `start`; without `number`, for ever.

        Args:
            number: Epochs of the whole training.
            start: Epochs done by earlier runs.

        Raises:
            ConfigurationError: one of them is no whole number, or negative.
        """
        check_count("start", start, 0)
        if number is not None:
            check_count("number", number, 0)
        return self._iterate_epochs(count(start) if number is None else range(start, number))

    def _iterate_epochs(self, epochs: Iterable[int]) -> Iterator[int]:
        run = self._run
        if isinstance(epochs, range):
            run.course.plan.epochs = epochs.stop
        for epoch in epochs:
            run.epoch_begins(epoch)
            try:
                yield epoch
            except GeneratorExit:  # left by a `break`, or by what was raised
                if run.is_open:
                    run.epoch_ended(False)
                raise
            run.epoch_ended(True)

    @overload
    def steps(self, loader: None = None) -> Iterator[int]: ...
    @overload
    def steps(self, loader: Iterable[_Batch], *, accumulate: int = 1) -> Iterator[_Batch]: ...
    def steps(self, loader: Iterable[Any] | None = None, *, accumulate: int = 1) -> Iterator[Any]:
        """Yield the batches of `loader`, each as one micro-batch; the wait for it is measured.

        An evaluation or checkpoint in the body stands behind the step, if its optimizer was called
        before (or, without an `optimizer`, if something was logged). In an evaluation, the batches
        are those of the evaluation.

        Args:
            loader: Anything that can be iterated. None: the numbers of the steps to come, until
                all are done, or for ever if nobody knows how many they are.
            accumulate: Micro-batches of one optimizer step. The last step of a loader may have
                fewer.

        Raises:
            ConfigurationError: `accumulate` is no whole number above 0.
        """
        check_count("accumulate", accumulate)
        if loader is None and accumulate != 1:
            raise ConfigurationError(
                f"accumulate is {accumulate} without a loader. Give the loader of the "
                "micro-batches, or leave accumulate away: each number stands for one step."
            )
        return self._iterate(loader, accumulate)

    def _iterate(self, loader: Iterable[Any] | None, accumulate: int) -> Iterator[Any]:
        run = self._run
        wanted = run.course.plan.numbers() if loader is None else loader
        if run.course.is_evaluating:
            for batch in wanted:
                yield batch
                run.prediction_done()
            return
        run.loader_begins(loader, accumulate)
        for batch in wanted:
            run.batch_came(None if loader is None else batch)
            try:
                yield batch
            except GeneratorExit:  # left by a `break`, or by what was raised
                if run.is_open:
                    run.loop_left()
                raise
            del batch  # or it lives as long as the next one is waited for
            run.batch_done()
        run.loader_ended()

    def step(self, *, samples: int = 0, tokens: int = 0) -> _Step:
        """Return a context manager around one optimizer step, where there is no loader.

        Args:
            samples: Samples of this rank in it.
            tokens: Tokens of this rank in it.
        """
        return _Step(self._run, samples, tokens)

    def evaluation(self) -> _Evaluation:
        """Return a context manager around an evaluation; what is logged inside is its result.

        A `loss` is written as `eval_loss`.

        As a decorator (`evaluate = run.evaluation()(evaluate)`) it also takes the values of a dict
        that the function returns.
        """
        return _Evaluation(self._run)

    def checkpoint(self, path: str | os.PathLike[str] | None = None) -> _Checkpoint:
        """Return a context manager or decorator around the writing of a file or folder `path`."""
        return _Checkpoint(self._run, path)

    def log(self, metrics: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Take numbers: of the open evaluation, of the step that goes on, or of the last one.

        A tensor on a device is not waited for: its number comes in an entry of its own. Give the
        result of an evaluation as numbers (`.item()`) to have them in its entry.

        Args:
            metrics: By name.
            **more: The same.
        """
        self._run.log(metrics, more)

    def set_verbosity(self, verbosity_level: str | Verbosity, steps: int | None = None) -> None:
        """Write at another verbosity from now on.

        Args:
            verbosity_level: `"low"`, `"medium"`, `"high"` or `"ultra"`.
            steps: For how many steps; None for the rest of the run.

        Raises:
            ConfigurationError: one of them cannot be used.
        """
        self._run.set_verbosity(VerbosityRequest(Verbosity.parse(verbosity_level), steps))


class _Step:
    """One step; inside another one, or in an evaluation, a part of that."""

    def __init__(self, run: LoopRun, samples: int, tokens: int) -> None:
        self._run = run
        self._counts = samples, tokens
        self._is_part = False

    def __enter__(self) -> None:
        self._is_part = self._run.course.is_in_step or self._run.course.is_evaluating
        if not self._is_part:
            self._run.step_begins(*self._counts)

    def __exit__(self, _kind: object, error: BaseException | None, _stack: object) -> None:
        if self._is_part:
            return
        if error is None:
            self._run.step_ended()
        else:
            self._run.loop_left()


class _Evaluation:
    def __init__(self, run: LoopRun) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._run.evaluation_begins()

    def __exit__(self, _kind: object, error: BaseException | None, _stack: object) -> None:
        self._run.evaluation_ended(error)

    def __call__(self, function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        @functools.wraps(function)
        def evaluate(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
            with self:
                result = function(*args, **kwargs)
                if isinstance(result, Mapping):
                    self._run.log(result, {})
            return result

        return evaluate


class _Checkpoint(ContextDecorator):
    def __init__(self, run: LoopRun, path: object) -> None:
        self._run = run
        self._path = path

    def __enter__(self) -> None:
        self._run.checkpoint_begins()

    def __exit__(self, _kind: object, error: BaseException | None, _stack: object) -> None:
        self._run.checkpoint_ended(self._path, error)
