"""What vlog adds to the start of a training, in fresh interpreters.

In each round every import is timed in a process of its own, in random order. In one more, which has
imported the Trainer, everything of vlog's that comes before the first step is timed: constructing
the callback, its part of constructing a Trainer, and opening the run, until the entries of the
start are in the log. That is divided by the time that the same process took to construct a Trainer
without vlog: its first one, and a later one.

Run it alone to print the table, with `--write README.md` to put it between its marks there.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from blocks import Meter, confidence
from tables import publish

STEPS = 40
SETTLED = 10  # steps after which one is as any other
IMPORTS = {
    "structlog": "import structlog",
    "vlog": "import vlog",
    "loop": "from vlog import training_run",
}
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"  # with it, each start compiles the package again
TIMED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


class Steps:
    """Notes what the meter has seen at the beginning of each step; see `slowdown.train`."""

    total_steps = STEPS

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.seen: list[float] = []

    def step_begins(self) -> None:
        """Note it."""
        self.seen.append(self._meter.seconds)


def start_of_training() -> dict[str, float]:
    """Return the seconds of each part of the start, in this process."""
    began = time.perf_counter()
    import transformers  # noqa: PLC0415 - what imports cost is measured

    transformers.Trainer  # noqa: B018 - it is imported when it is first named
    imported = time.perf_counter() - began
    gc.collect()  # a pass over all that torch has made is not vlog's
    began = time.perf_counter()
    from vlog import VerboseLoggingCallback  # noqa: PLC0415

    own = time.perf_counter() - began
    import torch  # noqa: PLC0415
    from slowdown import meter_hooks, small_trainer, train  # noqa: PLC0415

    torch.set_num_threads(1)
    constructed = [seconds_of(lambda: small_trainer(4, 4, [])) for _ in range(3)]
    meter = Meter()
    began = time.perf_counter()
    callback = VerboseLoggingCallback(log_file="log.jsonl")
    seconds = time.perf_counter() - began
    meter_hooks(callback, meter, {"set_verbosity", "report_fault", "leave"})
    steps: Any = Steps(meter)
    train(4, steps, [callback])
    each = [after - before for before, after in zip(steps.seen, steps.seen[1:], strict=False)]
    return {
        "transformers": imported,
        "callback": own,
        "first trainer": constructed[0],
        "trainer": constructed[-1],
        "start": seconds + steps.seen[0],
        "first step": each[0],
        "step": statistics.median(each[SETTLED:]),
    }


def seconds_of(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def answer_of(*arguments: str) -> Any:
    """Return what a fresh interpreter prints."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            capture_output=True,
            env={name: value for name, value in os.environ.items() if name != NO_BYTECODE},
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def one_round() -> dict[str, float]:
    """Measure everything once."""
    found: dict[str, float] = {}
    for name in random.sample([*IMPORTS, "training"], len(IMPORTS) + 1):
        if name == "training":
            found |= answer_of(__file__, "--child")
        else:
            found[name] = answer_of("-c", TIMED.format(IMPORTS[name]))
    return found


# What is divided by what.
RATIOS = {
    "`import vlog` / `import structlog`": ("vlog", "structlog"),
    "`from vlog import training_run` / `import structlog`": ("loop", "structlog"),
    "`from vlog import VerboseLoggingCallback` / importing the Trainer": (
        "callback",
        "transformers",
    ),
    "starting a callback / constructing the first Trainer": ("start", "first trainer"),
    "starting a callback / constructing a later Trainer": ("start", "trainer"),
    "hooks of the first step / of later ones": ("first step", "step"),
}


def table(rounds: int) -> str:
    from pairs import machine_text  # noqa: PLC0415 - it brings torch, whose import is timed

    found = []
    for number in range(rounds):
        print(f"round {number + 1} of {rounds} ...", file=sys.stderr)
        found.append(one_round())
    lines = [
        f"The start of a training on {machine_text()} ({rounds} rounds of fresh processes; median",
        "and its 95 % interval):",
        "",
        "| what / by what | ratio |",
        "|---|---:|",
    ]
    for name, (above, below) in RATIOS.items():
        ratios = [each[above] / each[below] for each in found]
        low, high = confidence(ratios)
        lines.append(f"| {name} | {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f}) |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--write", type=Path, help="the Markdown file whose table to replace")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(start_of_training()))
        return
    text = table(1 if options.quick else options.rounds)
    publish(text, "startup", options.write)


if __name__ == "__main__":
    main()
