"""Real Trainers on a real, very small model."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

# On a busy machine the threads of so small a model wait for each other longer than they work.
torch.set_num_threads(1)

VOCABULARY = 64
LENGTH = 8


class Texts(torch.utils.data.Dataset):
    """Random token sequences; `before(index)` runs in front of each access."""

    def __init__(self, size, before=None):
        generator = torch.Generator().manual_seed(1)
        self.ids = torch.randint(0, VOCABULARY, (size, LENGTH), generator=generator)
        self.before = before

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        if self.before is not None:
            self.before(index)
        return {"input_ids": self.ids[index], "labels": self.ids[index]}


class IterableTexts(torch.utils.data.IterableDataset):
    def __init__(self, size):
        self.texts = Texts(size)

    def __iter__(self):
        for index in range(len(self.texts)):
            yield self.texts[index]


def small_model():
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
        )
    )


def make_trainer(
    callbacks, *, model=None, train=None, evaluate=None, trainer_class=Trainer, **options
):
    transformers.logging.disable_progress_bar()
    settings = {
        "output_dir": "out",
        "max_steps": 6,
        "per_device_train_batch_size": 2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": 0,
    }
    trainer = trainer_class(
        model=small_model() if model is None else model,
        args=TrainingArguments(**(settings | options)),
        train_dataset=Texts(24) if train is None else train,
        eval_dataset=evaluate,
        callbacks=callbacks,
    )
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    return trainer


def entries_of(path="log.jsonl"):
    """Return the entries of a log, every line of which must be JSON."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def of_type(entries, *kinds):
    return [entry for entry in entries if entry["type"] in kinds]


class TrainedRun:
    """What a finished run left behind."""

    def __init__(self, trainer, path):
        self.trainer = trainer
        self.entries = entries_of(path)

    def of_type(self, *kinds):
        return of_type(self.entries, *kinds)

    @property
    def steps(self):
        return self.of_type("training_step_complete")

    @property
    def types(self):
        return [entry["type"] for entry in self.entries]
