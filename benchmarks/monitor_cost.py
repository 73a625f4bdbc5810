"""What the monitor costs a busy main thread, by what that is busy with.

In blocks of a second (or of three readings, if that is longer), in random order, the same work runs
with the monitor off (A), off again (A', the control) and on (B), which reads so often that its cost
stands out of the noise; the cost at one reading a second is that share. `--rate 1` measures at one
reading a second directly.

Run it alone to print the table, with `--write README.md` to put it between its marks there.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from blocks import confidence
from tables import publish

from vlog.clock import SystemClock
from vlog.resources import Monitor, Places, default_sources

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_SECONDS = 1.0


def pure_python() -> Callable[[], None]:
    def work() -> None:
        total = 0
        for number in range(2_000):
            total += number * number % 7

    return work


def numpy_arrays() -> Callable[[], None]:
    left, right = (np.random.default_rng(seed).normal(size=(160, 160)) for seed in (1, 2))

    def work() -> None:
        np.tanh(left @ right).sum()

    return work


def torch_training() -> Callable[[], None]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(128, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)
    )
    optimizer = torch.optim.AdamW(model.parameters())
    inputs, labels = torch.randn(64, 128), torch.randint(0, 10, (64,))

    def work() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return work


WORKS = {"pure Python": pure_python, "NumPy": numpy_arrays, "torch": torch_training}


def speed(work: Callable[[], None], seconds: float) -> float:
    """Return how often `work` runs in a second."""
    count, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        work()
        count += 1
    return count / passed


def block_seconds(rate: float) -> float:
    return max(BLOCK_SECONDS, 3 / rate)


def monitored(work: Callable[[], None], rate: float, folder: Path) -> tuple[float, float, float]:
    """Return the speed with the monitor on, its readings and its processor time a second."""
    places = Places()
    places.set("log", folder)
    clock = SystemClock()
    monitor = Monitor(
        1 / rate, clock, default_sources(clock, 1 / rate, places), lambda _what, _error: None
    )
    monitor.start()
    monitor.settle(3.0)
    before, cpu_before = monitor.latest.number, monitor.cpu_seconds
    began = time.perf_counter()
    result = speed(work, block_seconds(rate))
    passed = time.perf_counter() - began
    readings, cpu = monitor.latest.number - before, monitor.cpu_seconds - cpu_before
    monitor.stop(5.0)
    return result, readings / passed, cpu / max(readings, 1)


def measure(work: Callable[[], None], rounds: int, rate: float, folder: Path) -> list[str]:
    costs, controls, cpu = [], [], []
    speed(work, 0.5)
    for _ in range(rounds):
        found: dict[str, float] = {}
        for block in random.sample(["A", "A'", "B"], 3):
            if block == "B":
                found["B"], readings, seconds = monitored(work, rate, folder)
                cpu.append(seconds)
            else:
                found[block] = speed(work, block_seconds(rate))
        base = (found["A"] + found["A'"]) / 2
        costs.append(100 * (1 - found["B"] / base) / readings)
        controls.append(100 * (1 - found["A'"] / found["A"]) / rate)
    return [
        *(
            f"{statistics.median(values):.3f} % ({low:.3f} to {high:.3f})"
            for values in (costs, controls)
            for low, high in (confidence(values),)
        ),
        f"{1000 * statistics.median(cpu):.2f} ms",
    ]


def table(rounds: int, rate: float) -> str:
    torch.set_num_threads(1)
    lines = [
        f"Cost of one reading a second to the main thread ({rounds} rounds of three blocks,",
        f"measured at {rate:g} readings a second; median and its 95 % interval):",
        "",
        "| the main thread is busy with | cost | the same with the monitor off | CPU a reading |",
        "|---|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name, make in WORKS.items():
            print(f"{name} ...", file=sys.stderr)
            cells = " | ".join(measure(make(), rounds, rate, Path(folder)))
            lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40, help="rounds of three blocks for each")
    parser.add_argument("--rate", type=float, default=20.0, help="readings a second")
    parser.add_argument("--write", type=Path, help="the Markdown file whose table to replace")
    options = parser.parse_args()
    text = table(options.rounds, options.rate)
    publish(text, "monitor_cost", options.write)


if __name__ == "__main__":
    main()
