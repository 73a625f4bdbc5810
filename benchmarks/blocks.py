"""Blocks of steps with vlog off, off again and on, in random order, and what they say.

Machines drift and stutter, so nothing is compared but neighbours: each round has one block of every
kind. `costs` compare on with the mean of the two off blocks, `controls` the off blocks with each
other: an interval of these without 0 says that the machine was too restless for the figures.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OFF, OFF_AGAIN, ON = "off", "off again", "on"
KINDS = (OFF, OFF_AGAIN, ON)
RESAMPLES = 2_000


def confidence(
    values: Sequence[float], statistic: Callable[[Sequence[float]], float] = statistics.median
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic (the median), by resampling."""
    found = sorted(statistic(random.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return found[int(0.025 * RESAMPLES)], found[int(0.975 * RESAMPLES)]


def trimmed_mean(values: Sequence[float], share: float = 0.1) -> float:
    """Return the mean without `share` (0 to 0.5) of the values at either end."""
    cut = int(share * len(values))
    return statistics.fmean(sorted(values)[cut : len(values) - cut])


class Estimate(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} % ({self.low:.2f} to {self.high:.2f})"


def estimate(values: Sequence[float]) -> Estimate:
    """Return the trimmed mean of `values` and its interval."""
    return Estimate(trimmed_mean(values), *confidence(values, trimmed_mean))


class Meter:
    """Add up the time of the calls that are made through it; it can be switched off.

    Attributes:
        is_on: Whether calls are passed on.
        seconds: Time in them so far.
        calls: How many there were.
    """

    def __init__(self) -> None:
        self.is_on = True
        self.seconds = 0.0
        self.calls = 0
        self._is_inside = False

    def reset(self) -> None:
        """Forget what was added up."""
        self.seconds, self.calls = 0.0, 0

    def wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return `method`, timed; a call inside of another is part of that."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            if not self.is_on:
                return None
            if self._is_inside:
                return method(*args, **kwargs)
            self._is_inside = True
            began = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - began
                self.calls += 1
                self._is_inside = False

        return timed


class Blocks:
    """Count steps, and switch vlog on and off between blocks of them.

    Args:
        meter: Of vlog's calls; it is switched with the blocks.
        steps: In a block.
        rounds: Of three blocks.
        warm_up: Steps before the first round, with vlog on.

    Attributes:
        total_steps: Steps of all blocks.
        rounds: Seconds per step, by kind of block, of each round that is over.
        on_seconds: Time of all blocks with vlog on.
        hook_seconds: The part of it that the meter saw.
    """

    def __init__(self, meter: Meter, steps: int, rounds: int, warm_up: int) -> None:
        self.total_steps = warm_up + steps * rounds * len(KINDS)
        self.rounds: list[dict[str, float]] = []
        self.on_seconds = self.hook_seconds = 0.0
        self._meter, self._steps = meter, steps
        self._order = [kind for _ in range(rounds) for kind in random.sample(KINDS, len(KINDS))]
        self._done = 0
        self._kind: str | None = None
        self._left = warm_up + 1
        self._began = self._metered = 0.0

    def step_begins(self) -> None:
        """Say that a step begins, or that the last one has ended."""
        self._left -= 1
        if self._left == 0:
            self._end_block()
            self._left = self._steps
            self._kind = self._order[self._done] if self._done < len(self._order) else None
            self._done += 1
            self._meter.is_on = self._kind in {ON, None}
            self._began, self._metered = time.perf_counter(), self._meter.seconds

    def _end_block(self) -> None:
        seconds = time.perf_counter() - self._began
        if self._kind is None:
            return
        if not self.rounds or len(self.rounds[-1]) == len(KINDS):
            self.rounds.append({})
        self.rounds[-1][self._kind] = seconds / self._steps
        if self._kind == ON:
            self.on_seconds += seconds
            self.hook_seconds += self._meter.seconds - self._metered

    @property
    def costs(self) -> list[float]:
        """By how many percent each round is slower with vlog on."""
        return [
            100 * (each[ON] / math.sqrt(each[OFF] * each[OFF_AGAIN]) - 1) for each in self.rounds
        ]

    @property
    def controls(self) -> list[float]:
        """By how many percent the second of the two blocks without it is slower than the first."""
        return [100 * (each[OFF_AGAIN] / each[OFF] - 1) for each in self.rounds]

    @property
    def hooks_percent(self) -> float:
        """The time that the meter saw, in percent of the rest of the blocks with vlog on."""
        return 100 * self.hook_seconds / (self.on_seconds - self.hook_seconds)

    @property
    def step_seconds(self) -> float:
        """The median step with vlog off."""
        return statistics.median(each[kind] for each in self.rounds for kind in (OFF, OFF_AGAIN))
