"""Calls measured against each other: in random order, in short blocks, in one process.

What a machine does beside a benchmark hits all calls of a round alike, so each round gives a ratio
that holds on a busy machine too. A call is measured hot, many times in a row, and cold, each time
after work that leaves none of its code and data in the caches, as a training step does.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_ROUNDS = 3  # the least that a median is taken of
BLOCK_SECONDS = 0.02  # a slow call is not repeated for longer, so that rounds stay short
RESAMPLES = 1_000
CACHE_BYTES = 32 * 2**20

Work: TypeAlias = Callable[[], object]
# Runs the work that it is given, and returns the nanoseconds that its own calls took beside that.
Timed: TypeAlias = Callable[[Work], float]


@dataclass(frozen=True)
class Figures:
    """What one call costs.

    Attributes:
        calls: How often it was measured.
        median_us: Median of all calls, in microseconds.
        p99_us: What 99 % of the calls stay below; None if too few were measured to tell.
        p999_us: The same of 99.9 %.
        ratio: Median over the rounds of the round's median divided by the base's.
        low: Lower end of the 95 % interval of `ratio`, by resampling of the rounds.
        high: Upper end of it.
    """

    calls: int
    median_us: float
    p99_us: float | None
    p999_us: float | None
    ratio: float
    low: float
    high: float

    @property
    def ratio_text(self) -> str:
        """The ratio with its interval, for a cell of a table."""
        return f"{number(self.ratio)} ({number(self.low)} to {number(self.high)})"


def number(value: float | None) -> str:
    """Return `value` with three digits that count, or a dash for None."""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def nothing() -> None:
    """Be the work between two hot calls."""


class TrainingStep:
    """Be the work between two cold calls: one small training step, and a walk over a buffer."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self._model = torch.nn.Sequential(
            torch.nn.Linear(128, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)
        )
        self._optimizer = torch.optim.AdamW(self._model.parameters())
        self._inputs, self._labels = torch.randn(64, 128), torch.randint(0, 10, (64,))
        self._buffer = np.zeros(CACHE_BYTES // 8)

    def __call__(self) -> None:
        """Train, then write to every line of the buffer."""
        self._optimizer.zero_grad()
        torch.nn.functional.cross_entropy(self._model(self._inputs), self._labels).backward()
        self._optimizer.step()
        self._buffer += 1.0


def around(step: Callable[[Work], object]) -> Timed:
    """Return `step`, which does the work that it is given in its midst, timed without that."""

    def timed(work: Work) -> float:
        worked = 0

        def timed_work() -> None:
            nonlocal worked
            began = time.perf_counter_ns()
            work()
            worked += time.perf_counter_ns() - began

        began = time.perf_counter_ns()
        step(timed_work)
        return time.perf_counter_ns() - began - worked

    return timed


def repeated(call: Work, times: int) -> Timed:
    """Return `call`, timed over `times` calls in a row: for what a clock is too coarse for."""

    def timed(work: Work) -> float:
        work()
        began = time.perf_counter_ns()
        for _ in repeat(None, times):
            call()
        return (time.perf_counter_ns() - began) / times

    return timed


def measure(
    calls: Mapping[str, Timed],
    seconds: float,
    work: Work,
    block: int = 1,
    settle: Work = nothing,
) -> dict[str, list[np.ndarray]]:
    """Return the nanoseconds of every call, one array per round.

    Args:
        calls: By name.
        seconds: Rounds begin for so long; there are at least three.
        work: Done in front of each call.
        block: Calls in a row in one round; fewer, at least one, of a call that is slow.
        settle: Done behind each block: waits for what the calls left others to do.
    """
    for timed in calls.values():  # the first calls of a process find nothing ready
        timed(work)
    found: dict[str, list[np.ndarray]] = {name: [] for name in calls}
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(next(iter(found.values()))) < LEAST_ROUNDS:
        for name in random.sample(list(calls), len(calls)):
            found[name].append(_block(calls[name], work, block))
            settle()
    return found


def _block(timed: Timed, work: Work, block: int) -> np.ndarray:
    times = []
    ends = time.perf_counter() + BLOCK_SECONDS
    while len(times) < block:
        times.append(timed(work))
        if time.perf_counter() > ends:
            break
    return np.array(times, dtype=float)


def figures(
    found: Mapping[str, list[np.ndarray]], base: str, clock_ns: float | None = None
) -> dict[str, Figures]:
    """Return what each call costs, and how many times as much as `base` in the same rounds.

    Args:
        found: What `measure` returned.
        base: The call that the others are compared with.
        clock_ns: What reading the clock added to each time; None to measure it now.
    """
    clock_ns = _clock_ns() if clock_ns is None else clock_ns
    medians = {
        name: np.array([np.median(each) for each in rounds]) - clock_ns
        for name, rounds in found.items()
    }
    return {
        name: _figures(np.concatenate(rounds) - clock_ns, medians[name] / medians[base])
        for name, rounds in found.items()
    }


def _figures(times_ns: np.ndarray, ratios: np.ndarray) -> Figures:
    low, high = confidence(ratios)
    return Figures(
        calls=len(times_ns),
        median_us=float(np.median(times_ns)) / 1000,
        p99_us=_percentile(times_ns, 99),
        p999_us=_percentile(times_ns, 99.9),
        ratio=float(np.median(ratios)),
        low=low,
        high=high,
    )


def _percentile(times_ns: np.ndarray, percent: float) -> float | None:
    is_enough = len(times_ns) * (100 - percent) >= 100
    return float(np.percentile(times_ns, percent)) / 1000 if is_enough else None


def confidence(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the median of `values`, by resampling."""
    chosen = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(np.median(values[chosen], axis=1), [2.5, 97.5])
    return float(low), float(high)


def _clock_ns() -> float:
    """Return what two looks at the clock, with nothing between them, say has passed."""
    times = []
    for _ in range(1_000):
        began = time.perf_counter_ns()
        times.append(time.perf_counter_ns() - began)
    return statistics.median(times)


def version_text(package: str) -> str:
    """Return a package with its version, in words."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def machine_text() -> str:
    """Return the processor, its cores and Python's version, in words."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"
