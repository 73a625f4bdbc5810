"""A real Trainer whose steps are driven from outside: hooks in their order, around a given work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers import Trainer, TrainerCallback, TrainingArguments

if TYPE_CHECKING:
    from pathlib import Path

    from pairs import Work

_STEPS = 10**7  # never reached
_ROWS, _LENGTH = 4, 512


class DrivenTrainer(Trainer):
    """Call what a Trainer's loop calls, with the work of a step in place of the model's.

    Its `training_step` and `get_batch_samples` do nothing of their own, so that what is timed
    around the work is the callback's hooks and what it wraps of this instance.
    """

    callback: TrainerCallback
    metrics: dict[str, float]
    work: Work

    def begin(self) -> None:
        """Open the run, as `train` does."""
        self.create_optimizer_and_scheduler(_STEPS)
        self._loss = torch.tensor(0.5)
        self._batch = {
            name: torch.ones(_ROWS, _LENGTH, dtype=torch.long)
            for name in ("input_ids", "attention_mask", "labels")
        }
        self.state.max_steps, self.state.num_train_epochs, self.state.epoch = _STEPS, 1, 0.0
        self._given = {
            "model": self.model,
            "processing_class": None,
            "optimizer": self.optimizer,
            "lr_scheduler": self.lr_scheduler,
            "train_dataloader": None,
            "eval_dataloader": None,
        }
        self.callback.on_train_begin(self.args, self.state, self.control, **self._given)
        self.callback.on_epoch_begin(self.args, self.state, self.control, **self._given)

    def step(self, work: Work) -> None:
        """Do one step of one micro-batch that is logged."""
        self.work = work
        told = self.args, self.state, self.control
        self.get_batch_samples(iter(()), 1, None)
        self.callback.on_step_begin(*told, **self._given)
        self.training_step(self.model, self._batch)
        self.callback.on_pre_optimizer_step(*told, **self._given)
        self.callback.on_optimizer_step(*told, **self._given)
        self.state.global_step += 1
        self.state.epoch = self.state.global_step / _STEPS
        self.control.should_log = True
        self.callback.on_step_end(*told, **self._given)
        self.callback.on_log(*told, logs={**self.metrics, "epoch": self.state.epoch}, **self._given)

    def training_step(self, *_args: Any, **_kwargs: Any) -> torch.Tensor:
        """Do the work."""
        self.work()
        return self._loss

    def get_batch_samples(self, *_args: Any, **_kwargs: Any) -> tuple[list[Any], None]:
        """Return no batches."""
        return [], None

    def end(self) -> None:
        """Close the run."""
        self.callback.on_epoch_end(self.args, self.state, self.control, **self._given)
        self.callback.on_train_end(self.args, self.state, self.control, **self._given)


def driven_trainer(
    callback: TrainerCallback, folder: Path, metrics: dict[str, float]
) -> DrivenTrainer:
    """Return a Trainer with `callback`; `metrics` are what each step logs."""
    transformers.logging.disable_progress_bar()
    arguments = TrainingArguments(
        str(folder / "out"),
        max_steps=_STEPS,
        per_device_train_batch_size=_ROWS,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    data = [{"input_ids": torch.ones(_LENGTH, dtype=torch.long)}] * _ROWS
    trainer = DrivenTrainer(
        model=torch.nn.Linear(8, 8), args=arguments, train_dataset=data, callbacks=[callback]
    )
    trainer.callback, trainer.metrics = callback, metrics
    return trainer
