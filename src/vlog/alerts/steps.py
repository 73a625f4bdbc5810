"""Alerts on the training itself: numbers that are not finite, steps that are slow."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from vlog.alerts.limits import Finding, Limits
from vlog.timing import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NON_FINITE_LOSS = "non_finite_loss"
NON_FINITE_GRAD_NORM = "non_finite_grad_norm"
SLOW_STEPS = "slow_steps"

_RECENT_STEPS = 40
_USUAL_STEPS = 200
_FEWEST_STEPS = 50  # fewer say nothing of what is usual
_WARM_UP_STEPS = 5
_SLOW_SHARE = 0.2  # of the recent steps must be slow
_STALL_FACTOR = 10.0
_NEW_USUAL_STEPS = 500  # as slow for as many steps, and ...
_NEW_USUAL_FACTOR = 60  # ... as many times as long as an alert takes: it is the pace now


def is_non_finite(value: object) -> bool:
    """Return whether `value` is a number that is nan, inf or -inf."""
    return issubclass(type(value), float) and not math.isfinite(value)  # type: ignore[arg-type]


class StepCost(NamedTuple):
    """What one step took.

    Attributes:
        seconds: Its duration.
        work: Its tokens, or its samples where it has none, or 0.
        data_wait_seconds: The wait for data in it.
        forward_backward_seconds: Its time in the model.
        optimizer_seconds: Its time in the optimizer.
    """

    seconds: float
    work: int
    data_wait_seconds: float = 0.0
    forward_backward_seconds: float = 0.0
    optimizer_seconds: float = 0.0


_PARTS = StepCost._fields[2:]


class Pace:
    """The last values beside those of before them, of a number that should stay as it is.

    Means tell how much it matters; the upper fifth tells that it is not a few outliers.

    Attributes:
        usual: Those of before.
    """

    def __init__(self) -> None:
        self.usual = Window(_USUAL_STEPS)
        self.has_usual = False  # enough of them to say what is usual
        self._recent: deque[float] = deque()
        self._sum = 0.0  # of the last `_RECENT_STEPS`
        self._best = math.inf  # upper fifth of the fastest 200: what a slow drift is held against

    def add(self, value: float) -> None:
        """Take in the next value."""
        self._recent.append(value)
        self._sum += value
        if len(self._recent) > _RECENT_STEPS:
            self._sum -= self._recent[0]

    def retire(self, *, is_usual: bool) -> float | None:
        """Take the oldest value out of the recent ones if there are too many, and return it."""
        if len(self._recent) <= _RECENT_STEPS:
            return None
        value = self._recent.popleft()
        if is_usual:
            usual = self.usual
            usual.add(value)
            count = len(usual)
            if count >= _FEWEST_STEPS:
                self.has_usual = True
                if count == _USUAL_STEPS:
                    self._best = min(self._best, usual.quantile(1 - _SLOW_SHARE))
        return value

    def merge(self, values: Iterable[float]) -> None:
        """Take in values that were not usual and are from now on."""
        for value in values:
            self.usual.add(value)
        self.has_usual = len(self.usual) >= _FEWEST_STEPS
        self._best = math.inf

    def is_above(self, factor: float) -> bool:
        """Return whether the last values are above those of before, beyond their noise.

        Noise is told by how far the upper fifth of the usual values lies above their median.
        """
        mean = self._sum / min(len(self._recent), _RECENT_STEPS)
        if self.has_usual and mean > factor * self.usual.mean:
            return self._is_raised(factor, self.usual.quantile(1 - _SLOW_SHARE))
        # Against the fastest pace of all, the square of the factor counts.
        if mean <= factor * factor * self._best:
            return False
        return self._is_raised(factor**2, min(self._best, self.usual.median))

    def _is_raised(self, factor: float, level: float) -> bool:
        recent = sorted(self._recent)[int((1 - _SLOW_SHARE) * len(self._recent))]
        noise = self.usual.quantile(1 - _SLOW_SHARE) / max(self.usual.median, 1e-9)
        return recent > max(factor, noise) * level


class SlowSteps:
    """Tell whether steps have been slower than usual for a while.

    A step with more work may take longer, and one with less may do less in a second: a step is
    slow if it took longer both in all and for the same work. The usual pace is that of up to 200
    steps. Slow steps enter it when they are over, so that a pace that comes again is none any
    more; or when they have lasted so long that they are the pace now.

    Args:
        limits: `slow_step_factor` and `after_seconds`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left_out = _WARM_UP_STEPS
        self._is_on = False
        self._forget()

    def _forget(self) -> None:
        self._seconds, self._per_work = Pace(), Pace()
        self._recent: deque[StepCost] = deque(maxlen=_RECENT_STEPS)
        self._usual: deque[StepCost] = deque(maxlen=_USUAL_STEPS)
        self._slow: deque[tuple[float, float]] = deque(maxlen=_USUAL_STEPS)
        self._slow_since: float | None = None
        self._slow_steps = 0

    def add(self, cost: StepCost, now: float) -> Finding | None:
        """Take in the next step, which ended at `now` (monotonic seconds).

        Returns:
            Whether steps are slow, the message and the evidence with the first that says so;
            None while they are not and were not.
        """
        if self._left_out:
            self._left_out -= 1
            return None
        is_stall = self._is_stall(cost.seconds)
        oldest = self._recent[0] if len(self._recent) == _RECENT_STEPS else None
        self._recent.append(cost)
        self._seconds.add(cost.seconds)
        self._per_work.add(cost.seconds / max(cost.work, 1))
        is_on = self._is_slow_for_long(cost, now) or is_stall
        finding = None
        if is_on or self._is_on:
            finding = Finding(SLOW_STEPS, is_on, "") if self._is_on else self._finding()
        self._is_on = is_on
        self._retire(oldest)
        if self._is_the_pace_now(now):
            self._forget()
        return finding

    def _is_stall(self, seconds: float) -> bool:
        """Return whether one step alone stood still: ten times as long, and by `after_seconds`."""
        usual = self._seconds.usual
        if not self._seconds.has_usual:
            return False
        excess = seconds - usual.median
        return seconds > _STALL_FACTOR * usual.median and excess > self._limits.after_seconds

    def _is_slow_for_long(self, cost: StepCost, now: float) -> bool:
        was_slow = self._slow_since is not None
        factor = 1 + (self._limits.slow_step_factor - 1) / (2 if was_slow else 1)
        if not (self._seconds.is_above(factor) and self._per_work.is_above(factor)):
            if was_slow:
                self._end_slow()
            return False
        if self._slow_since is None:
            self._slow_since = now - cost.seconds
        self._slow_steps += 1
        return now - self._slow_since >= self._limits.after_seconds

    def _end_slow(self) -> None:
        """Let the slow steps be usual ones: the same pace is no news when it comes again."""
        self._seconds.merge([seconds for seconds, _ in self._slow])
        self._per_work.merge([per_work for _, per_work in self._slow])
        self._slow.clear()
        self._slow_since, self._slow_steps = None, 0

    def _retire(self, oldest: StepCost | None) -> None:
        is_usual = self._slow_since is None
        seconds = self._seconds.retire(is_usual=is_usual)
        per_work = self._per_work.retire(is_usual=is_usual)
        if seconds is None or per_work is None or oldest is None:
            return
        if is_usual:
            self._usual.append(oldest)
        else:
            self._slow.append((seconds, per_work))

    def _is_the_pace_now(self, now: float) -> bool:
        if self._slow_since is None or self._slow_steps < _NEW_USUAL_STEPS:
            return False
        return now - self._slow_since >= _NEW_USUAL_FACTOR * self._limits.after_seconds

    def _finding(self) -> Finding:
        recent, usual = _means(self._recent), _means(self._usual)
        grown = {name: value - usual["parts"][name] for name, value in recent["parts"].items()}
        cause = max(grown, key=lambda name: grown[name])
        now, before = recent["step_time_seconds"], usual["step_time_seconds"]
        because = f"; {cause.removesuffix('_seconds')} grew most"
        return Finding(
            SLOW_STEPS,
            is_on=True,
            message=f"Steps take {now:.3g} s, {now / max(before, 1e-9):.3g} times as long as usual "
            f"({before:.3g} s){because}",
            value=now,
            threshold=round(self._limits.slow_step_factor * before, 6),
            evidence={"recent": recent, "usual": usual, "grew_most": cause},
        )


def _means(costs: Sequence[StepCost]) -> dict[str, Any]:
    """Return the means of some steps, and the median of their work."""
    count = len(costs)
    parts = {name: round(sum(getattr(cost, name) for cost in costs) / count, 6) for name in _PARTS}
    seconds = sum(cost.seconds for cost in costs)
    found: dict[str, Any] = {"steps": count, "step_time_seconds": round(seconds / count, 6)}
    work = sum(cost.work for cost in costs)
    if work and seconds:
        works = sorted(cost.work for cost in costs)
        found["work_per_step"] = (works[(count - 1) // 2] + works[count // 2]) / 2
        found["work_per_second"] = round(work / seconds, 3)
    return {**found, "parts": parts}
