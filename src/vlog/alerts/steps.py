"""Alerts on the training itself: numbers that are not finite, steps that are slow."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from vlog.alerts.limits import Finding, Limits
from vlog.timing import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

NON_FINITE_LOSS = "non_finite_loss"
NON_FINITE_GRAD_NORM = "non_finite_grad_norm"
SLOW_STEPS = "slow_steps"

_RECENT_STEPS = 10
_USUAL_STEPS = 200
_FEWEST_STEPS = 20  # fewer say nothing of what is usual
_WARM_UP_STEPS = 5
_DEVIATIONS = 6.0
_SIGMA = 1.4826  # standard deviations of a normal distribution in one median absolute deviation
_STALL_FACTOR = 10.0
_NEW_USUAL_STEPS = 500  # as slow for as many steps, and ...
_NEW_USUAL_FACTOR = 60  # ... as many times as long as an alert takes: it is the pace now


def is_non_finite(value: object) -> bool:
    """Return whether `value` is a number that is nan, inf or -inf."""
    return isinstance(value, float) and not math.isfinite(value)


def is_slow(recent: Sequence[float], usual: Window, factor: float) -> bool:
    """Return whether the recent steps took longer than usual, beyond their noise.

    Medians and their absolute deviation, so that single outliers move neither.

    Args:
        recent: Seconds of the last steps.
        usual: Seconds of those before them.
        factor: How many times as long they must take.
    """
    if len(usual) < _FEWEST_STEPS or not recent:
        return False
    middle, now = usual.median, median(recent)
    if now <= factor * middle:
        return False
    deviation = median([abs(value - middle) for value in usual])
    return now - middle > _DEVIATIONS * _SIGMA * deviation


def is_stall(seconds: float, usual: Window, after_seconds: float) -> bool:
    """Return whether one step alone stood still: ten times as long, and by `after_seconds`."""
    if len(usual) < _FEWEST_STEPS:
        return False
    return seconds > _STALL_FACTOR * usual.median and seconds - usual.median > after_seconds


@dataclass(frozen=True, slots=True)
class StepCost:
    """What one step took.

    Attributes:
        seconds: Its duration.
        work: Its tokens, or its samples where it has none, or 0.
        parts: Seconds of data wait, forward and backward, optimizer.
    """

    seconds: float
    work: int
    parts: dict[str, float]


class StepPace:
    """Tell whether steps have been slower than usual for a while.

    Steps with more work may take longer: what is compared is the time for the same work. The
    usual pace is that of up to 200 steps; slow ones do not enter it, until it has become the pace.

    Args:
        limits: `slow_step_factor` and `after_seconds`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left_out = _WARM_UP_STEPS
        self._forget()

    def _forget(self) -> None:
        self._recent: deque[tuple[float, StepCost]] = deque()
        self._usual = Window(_USUAL_STEPS)
        self._usual_costs: deque[StepCost] = deque(maxlen=_USUAL_STEPS)
        self._slow_since: float | None = None
        self._slow_steps = 0

    def add(self, cost: StepCost, now: float) -> Finding:
        """Take in the next step, which ended at `now` (monotonic seconds)."""
        if self._left_out:
            self._left_out -= 1
            return Finding(SLOW_STEPS, is_on=False, message="")
        self._recent.append((cost.seconds / max(cost.work, 1), cost))
        times = [seconds for seconds, _ in self._recent]
        stalls = is_stall(cost.seconds, self._usual, self._limits.after_seconds)
        is_on = self._slow_since is not None or stalls
        factor = 1 + (self._limits.slow_step_factor - 1) / (2 if is_on else 1)
        if is_slow(times, self._usual, factor):
            is_on = self._note_slow(now - cost.seconds, now) or stalls
        else:
            self._slow_since, self._slow_steps, is_on = None, 0, stalls
        finding = self._finding(is_on=is_on)
        if len(self._recent) > _RECENT_STEPS:
            self._retire(now)
        return finding

    def _note_slow(self, began: float, now: float) -> bool:
        """Return whether it has been slow for long enough, by now."""
        if self._slow_since is None:
            self._slow_since = began
        self._slow_steps += 1
        return now - self._slow_since >= self._limits.after_seconds

    def _retire(self, now: float) -> None:
        """Let the oldest of the recent steps become a usual one, if steps are as usual."""
        seconds, cost = self._recent.popleft()
        if self._slow_since is None:
            self._usual.add(seconds)
            self._usual_costs.append(cost)
        elif (
            self._slow_steps >= _NEW_USUAL_STEPS
            and now - self._slow_since >= _NEW_USUAL_FACTOR * self._limits.after_seconds
        ):
            self._forget()

    def _finding(self, *, is_on: bool) -> Finding:
        if not self._usual_costs or not is_on:
            return Finding(SLOW_STEPS, is_on, "")
        recent = _middle([cost for _, cost in self._recent])
        usual = _middle(list(self._usual_costs))
        grown = {
            name: recent["parts"][name] - usual["parts"].get(name, 0.0) for name in recent["parts"]
        }
        cause = max(grown, key=lambda name: grown[name]) if grown else None
        now, before = recent["step_time_seconds"], usual["step_time_seconds"]
        because = f"; {cause.removesuffix('_seconds')} grew most" if cause else ""
        return Finding(
            SLOW_STEPS,
            is_on,
            f"Steps take {now:.3g} s, usual were {before:.3g} s{because}",
            value=round(now, 6),
            threshold=round(self._limits.slow_step_factor * before, 6),
            evidence={"recent": recent, "usual": usual, "grew_most": cause},
        )


def _middle(costs: Sequence[StepCost]) -> dict[str, Any]:
    """Return the medians of some steps."""
    seconds = median(cost.seconds for cost in costs)
    parts = {
        name: round(median(cost.parts.get(name, 0.0) for cost in costs), 6)
        for name in costs[-1].parts
    }
    found: dict[str, Any] = {"steps": len(costs), "step_time_seconds": round(seconds, 6)}
    work = median(cost.work for cost in costs)
    if work:
        found["work_per_second"] = round(work / seconds, 3) if seconds else 0.0
    return {**found, "parts": parts}
