"""What vlog may cost of the step time, and which of its extras wait while it costs more.

Pure arithmetic: it is told, at the end of each step, how long the step and vlog in it took, and
says what to leave out. Steps, metrics, milestones and alerts are no extras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlog.timing import WARM_UP_STEPS
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from vlog.verbosity import CurrentVerbosity

SHED = "shed"
RESTORED = "restored"
EXCEEDED = "exceeded"

# Extras in the order in which they are left out, and the first verbosity that writes them.
_EXTRAS = {
    "micro_batches": Verbosity.ULTRA,
    "trends": Verbosity.MEDIUM,
    "resources": Verbosity.MEDIUM,
}
_NAMES = {"micro_batches": "micro-batches", "trends": "trends", "resources": "resource readings"}
SPARE_READING_SECONDS = 10.0  # between two of those that are written while most are left out
_BUT = {"resources": f", but for one in {SPARE_READING_SECONDS:g} s"}
REMEDY = "a lower verbosity costs less; overhead_budget_percent is the budget"

# A window is as short as it can be and still tell: 0.05 s of steps of 2 ms, 1 s of 100 ms.
_WINDOW_STEPS = 10
_WINDOW_SECONDS = 0.05
_MEAN_WINDOWS = 8  # how many are behind a mean, about
_ENOUGH = 2.0  # sum of what was above the budget, in budgets; a window adds 1 at most
_ROOM = 0.8  # of the budget: what must hold an extra that is taken up again
_FIRST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 600.0
_EARLY = 1 / 3  # of the pause: after it, an extra that should fit is taken up again


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """One decision, as the entry about it says it.

    Attributes:
        change: `shed`, `restored`, or `exceeded` if nothing is left to be shed.
        extra: Which one: `micro_batches`, `trends` or `resources`; None if exceeded.
        shed: What is left out from now on.
        overhead_percent: What vlog took of the step time, over the last window.
        budget_percent: What it may take.
    """

    change: str
    extra: str | None
    shed: tuple[str, ...]
    overhead_percent: float
    budget_percent: float

    @property
    def is_exceeded(self) -> bool:
        """Whether the budget cannot be kept: nothing is left to be shed."""
        return self.change == EXCEEDED

    @property
    def message(self) -> str:
        """The change in one line for people."""
        takes = f"⚖️ vlog takes {self.overhead_percent:.2f} % of the step time"
        budget = f"its budget of {self.budget_percent:g} %"
        if self.extra is None:
            return f"{takes}, above {budget}, with nothing left to leave out: {REMEDY}"
        name = _NAMES[self.extra]
        if self.change == SHED:
            return f"{takes}, above {budget}: {name} are left out{_BUT.get(self.extra, '')}"
        return f"{takes}, within {budget}: {name} are written again"

    def fields(self) -> dict[str, Any]:
        """Return the fields of the entry."""
        extra = {} if self.extra is None else {"extra": self.extra}
        return {
            "change": self.change,
            **extra,
            "shed": list(self.shed),
            "overhead_percent": round(self.overhead_percent, 4),
            "budget_percent": self.budget_percent,
        }


@dataclass(slots=True)
class _Extra:
    """What is known of one extra.

    Attributes:
        cost_seconds: What it costs in each step, as the overhead before and after a change says.
        pause_seconds: How long it is left out before it is tried again; 0 before the first time.
        shed_at: When it was shed, in seconds of the run.
    """

    cost_seconds: float = 0.0
    pause_seconds: float = 0.0
    shed_at: float = 0.0


class OverheadBudget:
    """Keep what vlog takes of the training thread's time within a share of it.

    It looks at one window of steps after the other, of at least 10 steps and 0.05 s. The longest
    step of each is left aside, so that neither a stall nor an evaluation decides anything. An
    extra is shed after two windows that are far above the budget, or more that are a little above
    it, and one more after each further window of this kind. The one that was shed last comes back
    first, if 80 % of the budget have room: early if it fits by what it was seen to cost, or else
    as a trial, after a pause that is twice as long each time (30 s to 10 min).

    Args:
        percent: The budget, 0 to 100; at 0 nothing is ever shed.
        verbosity: The run's: what it does not write is not shed.

    Attributes:
        percent: The budget.
        sheds_micro_batches: Whether these are to be left out now; the same for the next two.
        sheds_trends: See there.
        sheds_resources: See there; one in 10 s is written all the same.
    """

    def __init__(self, percent: float, verbosity: CurrentVerbosity) -> None:
        self.percent = percent
        self.sheds_micro_batches = self.sheds_trends = self.sheds_resources = False
        self._verbosity = verbosity
        self._seen: Verbosity | None = None
        self._extras = {name: _Extra() for name in _EXTRAS}
        self._changed: tuple[str, float] | None = None  # the last extra, the overhead before
        self._excess = 0.0  # cumulative sum: chance takes itself back, a little too much adds up
        self._is_exceeded = False
        self._windows = 0  # since the last change
        self._mean_overhead = self._mean_step = 0.0  # over the last of them
        self._run_seconds = 0.0
        self._shed_steps = 0
        self._longest = self._overhead_of_longest = 0.0
        self._open_window(WARM_UP_STEPS if percent else math.inf, 0.0)

    def step_done(self, seconds: float, overhead_seconds: float) -> BudgetChange | None:
        """Take in a step, and return what has to change if something has.

        Args:
            seconds: Time since the step before ended, all of it.
            overhead_seconds: The part of it that vlog took of the training thread's time.
        """
        self._steps += 1
        if seconds <= self._longest:
            self._seconds += seconds
            self._overhead += overhead_seconds
        else:
            self._seconds += self._longest
            self._overhead += self._overhead_of_longest
            self._longest = seconds
            self._overhead_of_longest = overhead_seconds
        if self._steps < self._least_steps or self._seconds < self._least_seconds:
            return None
        return self._end_window()

    @property
    def shed(self) -> tuple[str, ...]:
        """What is left out now of what the verbosity writes."""
        return tuple(name for name in self._written() if self._is_shed(name))

    @property
    def shed_steps(self) -> int:
        """Steps so far in which something was left out."""
        return self._shed_steps + (self._steps if self.shed else 0)

    def _open_window(self, steps: float = _WINDOW_STEPS, seconds: float = _WINDOW_SECONDS) -> None:
        self._least_steps = steps
        self._least_seconds = seconds
        self._steps = 0
        self._seconds = self._overhead = 0.0  # without those of the longest step
        self._longest = self._overhead_of_longest = 0.0

    def _end_window(self) -> BudgetChange | None:
        self._run_seconds += self._seconds + self._longest
        self._shed_steps = self.shed_steps
        steps, seconds, overhead = self._steps - 1, self._seconds, self._overhead
        self._open_window()
        if self._verbosity.value is not self._seen:  # warm-up, or partly of another verbosity
            self._seen = self._verbosity.value
            self._changed, self._windows, self._excess = None, 0, 0.0
            self._is_exceeded = False
            return None
        self._learn(overhead / steps, seconds / steps)
        return self._decide(overhead / steps, seconds / steps)

    def _learn(self, overhead: float, step: float) -> None:
        """Take the window into the means, and note what the extra that changed last costs."""
        self._windows += 1
        weight = 1 / min(self._windows, _MEAN_WINDOWS)
        self._mean_overhead += weight * (overhead - self._mean_overhead)
        self._mean_step += weight * (step - self._mean_step)
        if self._changed is not None and self._windows <= _MEAN_WINDOWS:
            name, before = self._changed
            saved = before - self._mean_overhead
            cost = saved if self._is_shed(name) else -saved
            self._extras[name].cost_seconds = max(cost, 0.0)

    def _decide(self, overhead: float, step: float) -> BudgetChange | None:
        """Return the change to make, with overhead and time in seconds a step."""
        budget = self.percent / 100 * step
        excess = self._excess + min(overhead / budget - 1, 1)
        self._excess = min(max(excess, 0.0), _ENOUGH)
        if self._excess >= _ENOUGH:
            return self._shed_one(100 * overhead / step)
        shed = self.shed
        if shed and self._can_return(self._extras[shed[-1]]):
            self._excess = 0.0
            return self._change(RESTORED, shed[-1], 100 * self._mean_overhead / self._mean_step)
        return None

    def _shed_one(self, percent: float) -> BudgetChange | None:
        name = next((name for name in self._written() if not self._is_shed(name)), None)
        if name is None:
            if self._is_exceeded:  # it has been said
                return None
            self._is_exceeded = True
            return BudgetChange(EXCEEDED, None, self.shed, percent, self.percent)
        extra = self._extras[name]
        pause = 2 * extra.pause_seconds or _FIRST_PAUSE_SECONDS
        extra.pause_seconds = min(pause, _LONGEST_PAUSE_SECONDS)
        extra.shed_at = self._run_seconds
        self._excess = _ENOUGH - 1  # the next window can be enough
        return self._change(SHED, name, percent)

    def _can_return(self, extra: _Extra) -> bool:
        room = _ROOM * self.percent / 100 * self._mean_step - self._mean_overhead
        pause = extra.pause_seconds * (_EARLY if extra.cost_seconds <= room else 1)
        return room >= 0 and self._run_seconds - extra.shed_at >= pause

    def _change(self, change: str, name: str, percent: float) -> BudgetChange:
        setattr(self, f"sheds_{name}", change == SHED)
        self._changed, self._windows = (name, self._mean_overhead), 0
        return BudgetChange(change, name, self.shed, percent, self.percent)

    def _written(self) -> list[str]:
        """Return the extras that the verbosity writes, in the order in which they are shed."""
        return [name for name, tier in _EXTRAS.items() if tier >= self._verbosity.value]

    def _is_shed(self, name: str) -> bool:
        return bool(getattr(self, f"sheds_{name}"))
