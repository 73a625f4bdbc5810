"""What vlog costs a training, shown two ways that must agree, beside what the log says of it.

1. Every hook is timed from outside; their sum is a share of the time of the steps.
2. In one process the hooks are passed on or not, in blocks of steps in random order, with an A/A
   control; see `blocks`. The share by which steps are slower is the trimmed mean of the rounds.
3. `training_complete.overhead.training_thread_seconds`, as a share of the same time.

The blocks are as short as they can be. Most of a machine's noise is slower than a step, so that
neighbours share it: in the same total time, blocks of 10 steps gave an interval four times as wide
as single steps. With 10 ms, a block has two steps, because what vlog pushes out of the caches is
missed by the step after it: with single ones, on against off came out below the hooks, with two it
agreed, as with five. Of 100 ms that is nothing, and single steps are blocks.

Of median, mean and trimmed means, that without a tenth at either end was narrow with every kind of
work: the median is as narrow, but passes over what comes in less than half of the steps. What is
rare (a garbage collection) may fall to the trim too, but not out of the hooks' sum. The monitor
reads through all blocks: its share is in none of the figures, see monitor_cost.py.

Run it alone to print the table, with `--write README.md` to put it between its marks there.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import inspect
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import transformers
from blocks import KINDS, Blocks, Meter, estimate
from loops import LOOPS, MeteredOptimizer, loop_steps
from pairs import machine_text
from tables import publish
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

import vlog

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_STEPS = 2
LONG_STEP_MILLISECONDS = 50
WARM_UP_STEPS = 20
LENGTH, VOCABULARY = 32, 256
# Called once in a run, or for the run itself: they are never switched off.
KEPT = {
    "leave", "loop_begins", "loop_raised", "loop_returned", "on_epoch_begin", "on_epoch_end",
    "on_init_end", "on_train_begin", "on_train_end", "report_fault", "set_verbosity",
}  # fmt: skip
COLUMNS = (
    "main thread", "step", "verbosity", "hooks, a step", "hooks", "on against off",
    "off against off", "the log", "log / hooks",
)  # fmt: skip
BUDGET_SECONDS = 5.0
# Blocks without vlog would be taken for slow steps, so the alert about those is off.
OPTIONS = {"overhead_budget_percent": 0, "slow_step_alert_factor": 1e6}


class Row(NamedTuple):
    """What the main thread does, how long a step takes, and how much is recorded.

    Attributes:
        work: A key of `LOOPS`, or `"Trainer"`.
        milliseconds: Of a step.
        verbosity: Of the run.
        share: Of the time that is given, relative to other rows.
    """

    work: str
    milliseconds: int
    verbosity: str
    share: float


ROWS = [
    *(Row("Trainer", 10, each, 1.0) for each in ("low", "medium", "high", "ultra")),
    *(Row("Trainer", 100, each, 2.0) for each in ("low", "medium", "high", "ultra")),
    *(Row(each, 10, "high", 0.7) for each in ("pure Python", "NumPy", "torch")),
    *(Row(each, 10, "ultra", 0.7) for each in ("pure Python", "NumPy", "torch")),
]


def meter_hooks(callback: Any, meter: Meter, but: set[str]) -> None:
    """Time everything that a Trainer calls of `callback`, `but` some."""
    for name, _ in inspect.getmembers(type(callback), inspect.isfunction):
        if not name.startswith("_") and name not in but:
            setattr(callback, name, meter.wrap(getattr(callback, name)))


class Switchable(vlog.VerboseLoggingCallback):
    """A callback whose hooks are timed, and return at once while the meter is off."""

    def __init__(self, meter: Meter, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._meter = meter
        meter_hooks(self, meter, KEPT)

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Begin to count: so does the log's own figure."""
        super().on_train_begin(*args, **kwargs)
        self._meter.reset()


class Texts(torch.utils.data.Dataset):
    """Random tokens, as many rows as are wanted in the memory of a few."""

    def __init__(self, size: int) -> None:
        self._ids = torch.randint(0, VOCABULARY, (512, LENGTH))
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = self._ids[index % len(self._ids)]
        return {"input_ids": ids, "labels": ids}


def small_trainer(batch: int, steps: int, callbacks: list[Any]) -> Trainer:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    arguments = TrainingArguments(
        "out",
        max_steps=steps,
        per_device_train_batch_size=batch,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    data = Texts(batch * steps)
    trainer = Trainer(LlamaForCausalLM(config), arguments, train_dataset=data, callbacks=callbacks)
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    return trainer


def train(batch: int, blocks: Blocks, callbacks: list[Any]) -> None:
    """Run a Trainer through all blocks."""
    trainer = small_trainer(batch, blocks.total_steps + 1, callbacks)
    fetch = trainer.get_batch_samples

    def get_batch_samples(*args: Any, **kwargs: Any) -> Any:
        blocks.step_begins()  # fetching its batches is the first thing in a step
        return fetch(*args, **kwargs)

    trainer.get_batch_samples = get_batch_samples
    trainer.train()


@functools.cache  # all verbosities are shown on the same work
def batch_for(seconds: float) -> int:
    """Return the batch with which a step of the Trainer takes about `seconds`."""
    batch = 8
    for _ in range(3):
        blocks = Blocks(Meter(), 2, 2, 3)
        train(batch, blocks, [])
        batch = max(1, round(batch * seconds / blocks.step_seconds))
    return batch


def measure_trainer(row: Row, meter: Meter, seconds: float) -> Blocks:
    blocks = blocks_for(row, meter, seconds)
    batch = batch_for(row.milliseconds / 1000)
    train(batch, blocks, [Switchable(meter, row.verbosity, "log.jsonl", **OPTIONS)])
    return blocks


def blocks_for(row: Row, meter: Meter, seconds: float) -> Blocks:
    steps = BLOCK_STEPS if row.milliseconds < LONG_STEP_MILLISECONDS else 1
    rounds = seconds * 1000 / row.milliseconds / (len(KINDS) * steps)
    return Blocks(meter, steps, max(3, round(rounds)), WARM_UP_STEPS)


def measure_loop(row: Row, meter: Meter, seconds: float) -> Blocks:
    blocks = blocks_for(row, meter, seconds)
    work = LOOPS[row.work]()
    step = work.step_of(row.milliseconds / 1000)
    watched = MeteredOptimizer(work.optimizer, meter) if work.optimizer is not None else None
    with vlog.training_run(None, row.verbosity, "log.jsonl", optimizer=watched, **OPTIONS) as run:
        steps = loop_steps(run, meter, step)
        next(steps)  # begins the training
        meter.reset()
        for _ in range(blocks.total_steps):
            blocks.step_begins()
            next(steps)
        blocks.step_begins()
    return blocks


def budget_share(verbosity: str, settle: float, seconds: float) -> float:
    """Return the percent of a loop with 2 ms steps that vlog takes after `settle` seconds."""
    meter = Meter()
    step = LOOPS["torch"]().step_of(0.002)
    with vlog.training_run(None, verbosity, "log.jsonl") as run:
        steps = loop_steps(run, meter, step)
        began = time.perf_counter()
        while time.perf_counter() - began < settle:
            next(steps)
        meter.reset()
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            next(steps)
        return 100 * meter.seconds / passed


@contextlib.contextmanager
def own_folder() -> Iterator[None]:
    """Work in an empty folder; what vlog shows goes to a file there, as it does on a cluster."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        Path("shown").open("w", encoding="utf-8") as shown,
        contextlib.redirect_stderr(shown),
    ):
        yield


def measured(row: Row, seconds: float) -> str:
    """Measure one row for about `seconds`, and return its line of the table."""
    meter = Meter()
    measure = measure_trainer if row.work == "Trainer" else measure_loop
    with own_folder():
        blocks = measure(row, meter, seconds)
        (end,) = (each for each in vlog.read("log.jsonl") if each["type"] == "training_complete")
    if meter.calls < blocks.total_steps / 3:
        raise RuntimeError(f"only {meter.calls} calls of vlog were seen. Which hooks are new?")
    hooks = blocks.hooks_percent
    ratio = end["overhead"]["training_thread_seconds"] / meter.seconds
    cells = [
        row.work,
        f"{1000 * blocks.step_seconds:.0f} ms",
        row.verbosity,
        f"{1000 * hooks / 100 * blocks.step_seconds:.2f} ms",
        f"{hooks:.2f} %",
        estimate(blocks.costs),
        estimate(blocks.controls),
        f"{hooks * ratio:.2f} %",
        f"{ratio:.2f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def table(rows: list[Row], minutes: float) -> list[str]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    transformers.logging.disable_progress_bar()
    seconds = 60 * minutes / sum(row.share for row in rows)
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    lines = [
        f"What vlog costs each step, its budget off, on {machine_text()}; {versions}, one thread.",
        "Hooks: their time in a step, and as a share of the rest of it. On against off: how much",
        "slower steps are in random blocks of one or two, trimmed mean and its 95 % interval.",
        "Off against off: the control. The log: `overhead` in `training_complete`.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|---|---:|---|{'---:|' * 6}",
    ]
    for row in rows:
        print(f"{row.work}, {row.milliseconds} ms, {row.verbosity} ...", file=sys.stderr)
        lines.append(measured(row, seconds * row.share))
    return lines


def budget_table(seconds: float) -> list[str]:
    lines = [
        "",
        "The hooks' share of all time with the budget on, in a loop of torch with 2 ms steps,",
        f"after the first {seconds:g} s:",
        "",
        "| verbosity | hooks |",
        "|---|---:|",
    ]
    for verbosity in ("high", "ultra"):
        print(f"budget, {verbosity} ...", file=sys.stderr)
        with own_folder():
            share = budget_share(verbosity, seconds, seconds)
        lines.append(f"| {verbosity} | {share:.2f} % |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="for all rows together")
    parser.add_argument("--rows", default="", help="only rows with these words, as 'Trainer 100'")
    parser.add_argument("--quick", action="store_true", help="seconds, for a look at the table")
    parser.add_argument("--write", type=Path, help="the Markdown file whose table to replace")
    options = parser.parse_args()
    wanted = set(options.rows.split())
    named = [(row, f"{row.work} {row.milliseconds} {row.verbosity}".split()) for row in ROWS]
    rows = [row for row, words in named if wanted <= set(words)]
    if options.quick:
        rows = [row for row in rows if row.verbosity == "ultra" and row.milliseconds == 10][::3]
    lines = table(rows, 0.03 if options.quick else options.minutes)
    if not wanted:
        lines += budget_table(0.5 if options.quick else BUDGET_SECONDS)
    text = "\n".join(lines)
    publish(text, "slowdown", options.write)


if __name__ == "__main__":
    main()
