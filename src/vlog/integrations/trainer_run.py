"""One run of a Trainer: what its hooks say, told to the recorder.

What hooks do and do not say: `on_step_end` comes before the `on_log` of the same step, batches
are fetched before `on_step_begin`, and evaluation, checkpoint and log lie between two hooks whose
second one names them. Read in transformers 5.23.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.describe import BatchStructures, count_batch
from vlog.device_values import DeviceValues
from vlog.integrations.trainer_facts import (
    batch_of,
    checkpoint_path,
    first_checkpoint_gb,
    initialization_of,
    schedule_of,
    skips_batches,
)
from vlog.redaction import redact_text
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

if TYPE_CHECKING:
    from vlog.recorder import Recorder


class TrainerRun:
    """Follow one `train()` call. Most methods are hooks `on_<name>` of the callback.

    Args:
        recorder: Of this run.
        is_announced: Whether the end of its loop will be told, even by an exception.

    Attributes:
        recorder: The same.
        is_announced: The same.
        is_set_up: Whether `train_begin` has come.
    """

    def __init__(self, recorder: Recorder, *, is_announced: bool) -> None:
        self.recorder = recorder
        self.is_announced = is_announced
        self.is_set_up = False
        self._mark = recorder.ledger.mark
        self._losses = DeviceValues(recorder.observe_loss)
        self._structures = BatchStructures()
        self._batch: dict[str, int] = {}
        self._learning_rate: float | None = None
        self._final_metrics: dict[str, Any] = {}
        self._is_evaluating = self._skips_data = self._opens_data = False
        self._has_batch = False
        self._facts: dict[str, Any] = {}  # of the step that is going on
        self._micro_batches = self._samples = self._tokens = 0

    def set_up(
        self,
        args: Any,
        state: Any,
        datasets: dict[str, Any],
        loader: Any,
        model: Any,
        *,
        with_content: bool,
    ) -> None:
        """Write what the run is made of, and its start.

        Args:
            args: Training arguments.
            state: The Trainer's state.
            datasets: By role, `train` and `eval`.
            loader: The training data loader.
            model: The model.
            with_content: Whether the first sample's values may be written.
        """
        self.is_set_up = True
        if args.run_name:
            self.recorder.name = redact_text(str(args.run_name))
        made_of = initialization_of(args, model, datasets, with_content)
        self.recorder.record(
            EventType.TRAINING_INITIALIZATION,
            "🧩 Arguments, model and data sets are ready",
            **made_of,
        )
        self.recorder.expect_checkpoints(
            args.output_dir, first_checkpoint_gb(args, made_of["model"])
        )
        self._batch = batch_of(args, state)
        self._skips_data = skips_batches(args, state, loader)
        self.recorder.training_started(
            schedule_of(args, state, loader),
            state.global_step,
            state.epoch,
            state.num_train_epochs,
            self._batch,
        )

    def micro_batch_ended(self, inputs: Any, loss: Any) -> None:
        """Count the batch and take its true loss."""
        seconds = self._mark(FORWARD_BACKWARD)
        counts = count_batch(inputs)
        if not self._has_batch:
            self._has_batch, self._facts = True, {"batch": self._structures.of(inputs)}
        self._samples += counts.get("samples", 0)
        self._tokens += counts.get("tokens", 0)
        recorder = self.recorder
        self._losses.observe(recorder.step + 1, loss)
        if recorder.writes(EventType.MICRO_BATCH):
            description = {"batch": self._structures.of(inputs), **counts}
            self.recorder.micro_batch(self._micro_batches, seconds, description)
        self._micro_batches += 1

    def epoch_begin(self, _args: Any, state: Any, _control: Any) -> None:
        """Write `epoch_begin`."""
        self._mark(LOGGING)
        self._opens_data = True
        self.recorder.epoch_begin(state.epoch)

    def takes_wait(self) -> str:
        """Return what the time before the wait for data was: other callbacks', or of workers."""
        opens, self._opens_data = self._opens_data, False
        return DATA_WAIT if opens else LOGGING

    def ends_wait(self) -> str:
        """Return what the time before a step was: the wait for data, or the skipping of it."""
        skips, self._skips_data, self._is_evaluating = self._skips_data, False, False
        return DATA_SKIP if skips else DATA_WAIT

    def step_begin(self, _args: Any, state: Any, _control: Any) -> None:
        """Write what waits, and `step_begin`."""
        self._mark(self.ends_wait())
        self.recorder.step_begin(state.global_step + 1)

    def optimizer_begins(self, optimizer: Any) -> None:
        """Read the rate that this step learns with."""
        rate = optimizer.param_groups[0].get("lr") if optimizer is not None else None
        # A tensor may lie on a device; the log has its value.
        self._learning_rate = float(rate) if isinstance(rate, (int, float)) else None

    def step_end(self, state: Any, control: Any) -> None:
        """Accept the step's entry; its log, if one is announced, completes it."""
        self._mark(OPTIMIZER)
        rate, ranks = self._learning_rate, self._batch["world_size"]
        self.recorder.step_complete(
            state.global_step,
            state.epoch,
            {} if rate is None else {"learning_rate": rate},
            self._samples * ranks or self._batch["samples_per_step"],
            self._tokens * ranks,
            facts=self._facts,
            awaits_log=control.should_log,
        )
        self._facts = {}
        self._micro_batches = self._samples = self._tokens = 0
        if self._losses.pending:
            self._losses.collect()

    def log(self, state: Any, logs: dict[str, Any]) -> None:
        """Complete the step's entry, or write metrics that came without one."""
        self._mark(EVALUATION if self._is_evaluating else LOGGING)
        if self._losses.pending:
            self._losses.collect()  # the Trainer has just waited for the device
        self.recorder.log(logs, state.global_step)
        if "train_runtime" in logs:
            self._final_metrics = dict(logs)

    def prediction_step(self, _args: Any, _state: Any, _control: Any) -> None:
        """Write `evaluation_start` at the first batch: no hook says it earlier."""
        seconds = self._mark(EVALUATION)
        if not self._is_evaluating:
            self._is_evaluating = True
            self.recorder.evaluation_start()
        self.recorder.prediction_step(seconds)

    def evaluate(self, metrics: dict[str, Any]) -> None:
        """Write `evaluation_complete`."""
        self._mark(EVALUATION)
        self._is_evaluating = False
        self.recorder.evaluation_complete(metrics)

    def save(self, args: Any, state: Any, _control: Any) -> None:
        """Write `model_checkpoint_save`."""
        self._mark(CHECKPOINT)
        self.recorder.checkpoint_saved(checkpoint_path(args, state))

    def epoch_end(self, _args: Any, state: Any, _control: Any) -> None:
        """Write `epoch_complete`."""
        self._mark(DATA_WAIT)
        self.recorder.epoch_complete(state.epoch)

    def train_end(self) -> None:
        """Write `training_complete`."""
        self._mark(FINALIZE)
        self.recorder.complete(self._final_metrics)
