"""A small training at each verbosity, and what its log must hold.

`python tests/test_verbose_logging.py` leaves the four logs in the current folder; pytest runs the
same functions. It needs no other file.
"""

from __future__ import annotations

import torch
import transformers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

import vlog

STEPS = 6
MILESTONES = {
    "system_initialization",
    "training_initialization",
    "training_start",
    "evaluation_complete",
    "model_checkpoint_save",
    "epoch_complete",
    "training_complete",
}
DETAILS = {"epoch_begin", "evaluation_start"}
EVERYTHING = {"step_begin", "micro_batch", "training_metrics_update", "prediction_step"}


def log_of(verbosity):
    return f"test_verbose_logs_{verbosity}.jsonl"


def train(verbosity):
    """Train two epochs of three steps; return the entries of the log, which must be valid."""
    path = log_of(verbosity)
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ids = torch.randint(0, 64, (12, 8))
    rows = [{"input_ids": row, "labels": row} for row in ids]
    trainer = Trainer(
        model=LlamaForCausalLM(
            LlamaConfig(
                vocab_size=64,
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_key_value_heads=2,
            )
        ),
        args=TrainingArguments(
            output_dir="test_verbose_logging",
            num_train_epochs=2,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            logging_steps=1,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            use_cpu=True,
            disable_tqdm=True,
            report_to=[],
        ),
        train_dataset=rows,
        eval_dataset=rows[:4],
        callbacks=[vlog.VerboseLoggingCallback(verbosity, path, console=False)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    assert [] == vlog.validate(path).problems
    entries = list(vlog.read(path))
    return [entry for entry in entries if entry.get("run_id") == entries[-1]["run_id"]]


def types_of(entries):
    """Return the types, but for alerts and what libraries say: the machine decides on these."""
    return {
        entry["type"] for entry in entries if "alert" not in entry and entry["type"] != "log_record"
    }


def steps_of(entries):
    return [entry for entry in entries if entry["type"] == "training_step_complete"]


def test_low_writes_milestones_alone():
    entries = train("low")

    assert types_of(entries) == MILESTONES
    assert entries[-1]["statistics"]["steps"] == STEPS


def test_medium_writes_every_step_and_resources_now_and_then():
    entries = train("medium")
    steps = steps_of(entries)

    assert types_of(entries) == MILESTONES | {"training_step_complete"}
    assert [step["step"] for step in steps] == list(range(1, STEPS + 1))
    assert all(step["metrics"]["loss"] > 0 for step in steps)
    assert 0 < sum("resource_usage" in step for step in steps) < STEPS


def test_high_writes_resources_trends_and_phases_of_steps():
    entries = train("high")
    steps = steps_of(entries)

    assert types_of(entries) == MILESTONES | {"training_step_complete"} | DETAILS
    assert {"resource_usage", "trends", "phases"} <= steps[-1].keys()


def test_ultra_writes_everything():
    entries = train("ultra")
    micro_batches = [entry for entry in entries if entry["type"] == "micro_batch"]

    assert types_of(entries) == MILESTONES | {"training_step_complete"} | DETAILS | EVERYTHING
    assert len(micro_batches) == 2 * STEPS
    assert all(each["batch"]["input_ids"]["shape"] == [2, 8] for each in micro_batches)


TESTS = {
    "low": test_low_writes_milestones_alone,
    "medium": test_medium_writes_every_step_and_resources_now_and_then,
    "high": test_high_writes_resources_trends_and_phases_of_steps,
    "ultra": test_ultra_writes_everything,
}

if __name__ == "__main__":
    for level, test in TESTS.items():
        test()
        report = vlog.validate(log_of(level))
        print(f"✅ {report.path} is valid: {report.lines} lines")
