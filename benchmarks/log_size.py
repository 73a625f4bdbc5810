"""What each verbosity writes on the same run: entries and bytes per step, by event type.

Run it alone to print the table, with `--write README.md` to put it between its marks there.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter
from pathlib import Path

import torch
import transformers
from tables import publish
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

import vlog
from vlog.schema import EventType

STEPS = 100


def train(verbosity: str) -> list[dict]:
    torch.manual_seed(0)
    ids = torch.randint(0, 256, (400, 32))
    data = [{"input_ids": row, "labels": row} for row in ids]
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    arguments = TrainingArguments(
        "out",
        max_steps=STEPS,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=25,
        save_steps=50,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    log = f"{verbosity}.jsonl"
    trainer = Trainer(
        model=LlamaForCausalLM(config),
        args=arguments,
        train_dataset=data,
        eval_dataset=data[:32],
        callbacks=[vlog.VerboseLoggingCallback(verbosity, log, overhead_budget_percent=0)],
    )
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    trainer.train()
    return list(vlog.read(log))


def table() -> str:
    transformers.logging.disable_progress_bar()
    counts = {}
    lines = []
    for verbosity in ("low", "medium", "high", "ultra"):
        entries = train(verbosity)
        counts[verbosity] = Counter(entry["type"] for entry in entries)
        size = Path(f"{verbosity}.jsonl").stat().st_size
        lines.append(
            f"| {verbosity} | {len(entries)} | {len(entries) / STEPS:.2f} | {size / STEPS:,.0f} |"
        )
    head = [
        f"A run of {STEPS} steps with 2 micro-batches each, 4 evaluations and 2 checkpoints,",
        "its budget off:",
        "",
        "| verbosity | entries | entries per step | bytes per step |",
        "|---|---:|---:|---:|",
    ]
    kinds = sorted(counts["ultra"], key=lambda kind: list(EventType).index(kind))
    detail = [
        "",
        "| event type | low | medium | high | ultra |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| `{kind}` | " + " | ".join(str(counts[v][kind] or "") for v in counts) + " |"
            for kind in kinds
        ),
    ]
    return "\n".join([*head, *lines, *detail])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="the Markdown file whose table to replace")
    target = parser.parse_args().write
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        text = table()
        os.chdir(home)
    publish(text, "log_size", target)


if __name__ == "__main__":
    main()
