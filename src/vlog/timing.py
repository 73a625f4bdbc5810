"""Where the time of a run goes, how long a step takes, and when the run will end.

Pure arithmetic on numbers of a monotonic clock: nothing here reads a clock or a device by itself
but `PhaseLedger`, which is given one.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlog.clock import Clock

DATA_WAIT = "data_wait"
DATA_SKIP = "data_skip"
FORWARD_BACKWARD = "forward_backward"
OPTIMIZER = "optimizer"
EVALUATION = "evaluation"
CHECKPOINT = "checkpoint"
LOGGING = "logging"
FINALIZE = "finalize"
PHASES = (
    DATA_WAIT,
    DATA_SKIP,
    FORWARD_BACKWARD,
    OPTIMIZER,
    EVALUATION,
    CHECKPOINT,
    LOGGING,
    FINALIZE,
)

_PACE_STEPS = 200
WARM_UP_STEPS = 2  # slow for reasons of their own: allocation, compilation, worker start


class PhaseLedger:
    """Give every instant of a run to exactly one phase.

    Between two marks something happened that only the later mark can name: `mark(OPTIMIZER)`
    says that all the time since the mark before was the optimizer's. So the phases of a run add
    up to its duration, with nothing left over. The time between `enter` and `leave` was spent
    inside vlog: it belongs to logging, and a mark in between stands where vlog was entered.

    Attributes:
        now: Returns the time.
        totals: Seconds per phase since the start.
        overhead_seconds: The part of `totals[LOGGING]` that was spent inside vlog.
    """

    def __init__(self, clock: Clock) -> None:
        self.now = clock.monotonic
        self._entered: float | None = None
        self.restart()

    def restart(self) -> None:
        """Forget everything and begin to count now."""
        self.totals = dict.fromkeys(PHASES, 0.0)
        self.overhead_seconds = 0.0
        self._taken = dict.fromkeys(PHASES, 0.0)
        self._last = self.now()
        if self._entered is not None:
            self._entered = self._last

    def enter(self) -> bool:
        """Say that vlog is entered; return False if it was already, so that nobody leaves twice."""
        if self._entered is not None:
            return False
        self._entered = self.now()
        return True

    def mark(self, phase: str) -> float:
        """Say that the time since the last mark was `phase`, and return it in seconds."""
        now = self.now() if self._entered is None else self._entered
        seconds = now - self._last
        self._last = now
        self.totals[phase] += seconds
        return seconds

    def pass_by(self, phase: str, entered: float) -> None:
        """Do what `enter`, `mark` and `leave` do where vlog has next to nothing to do.

        Args:
            phase: What the time since the last mark was.
            entered: When vlog was entered, by `now`.
        """
        if self._entered is not None:
            self.mark(phase)
            return
        self.totals[phase] += entered - self._last
        self._last = left = self.now()
        self.totals[LOGGING] += left - entered
        self.overhead_seconds += left - entered

    def leave(self) -> None:
        """Say that the time since vlog was entered, or since the last mark, was its own."""
        now = self.now()
        seconds = now - (self._last if self._entered is None else self._entered)
        self._entered = None
        self._last += seconds  # what no mark has named yet is still to be named
        self.totals[LOGGING] += seconds
        self.overhead_seconds += seconds

    def overhead_so_far(self) -> float:
        """Return `overhead_seconds`, with those since vlog was entered if it is."""
        if self._entered is None:
            return self.overhead_seconds
        return self.overhead_seconds + self.now() - self._entered

    def take(self, phase: str) -> float:
        """Return the seconds of `phase` since they were last taken."""
        seconds = self.totals[phase] - self._taken[phase]
        self._taken[phase] = self.totals[phase]
        return seconds

    def take_step(self) -> tuple[float, float, float]:
        """Take the three phases of a step: data wait, forward and backward, optimizer."""
        totals, taken = self.totals, self._taken
        wait, compute, optimize = (
            totals[DATA_WAIT],
            totals[FORWARD_BACKWARD],
            totals[OPTIMIZER],
        )
        found = (
            wait - taken[DATA_WAIT],
            compute - taken[FORWARD_BACKWARD],
            optimize - taken[OPTIMIZER],
        )
        taken[DATA_WAIT], taken[FORWARD_BACKWARD], taken[OPTIMIZER] = wait, compute, optimize
        return found

    def as_fields(self) -> dict[str, float]:
        """Return the totals that are not zero, under the keys of an entry."""
        return {
            _KEYS[phase]: (seconds * 1e6 + 0.5) // 1.0 / 1e6
            for phase, seconds in self.totals.items()
            if seconds
        }


_KEYS = {phase: f"{phase}_seconds" for phase in PHASES}


class Window:
    """Statistics of the last values, each in constant time but for one insertion.

    Attributes:
        size: How many values count, at most.
    """

    def __init__(self, size: int = 200) -> None:
        self.size = size
        self._values: deque[float] = deque()
        self._sorted: list[float] = []
        self._sum = 0.0
        self._sum_of_squares = 0.0

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: float) -> None:
        """Take in `value` and let go of the oldest one when the window is full."""
        values = self._values
        if len(values) == self.size:
            oldest = values.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
            self._sum -= oldest
            self._sum_of_squares -= oldest * oldest
        values.append(value)
        insort(self._sorted, value)
        self._sum += value
        self._sum_of_squares += value * value

    @property
    def mean(self) -> float:
        """The mean; 0.0 of an empty window."""
        return self._sum / len(self._values) if self._values else 0.0

    @property
    def median(self) -> float:
        """The median; 0.0 of an empty window."""
        if not self._sorted:
            return 0.0
        half = len(self._sorted) // 2
        if len(self._sorted) % 2:
            return self._sorted[half]
        return (self._sorted[half - 1] + self._sorted[half]) / 2

    def spread(self) -> tuple[float, float, float, float]:
        """Return median, standard deviation, smallest and largest value of a window with some."""
        values = self._sorted
        count = len(values)
        mean = self._sum / count
        variance = self._sum_of_squares / count - mean * mean
        return (
            (values[(count - 1) // 2] + values[count // 2]) / 2,
            math.sqrt(variance) if variance > 0 else 0.0,
            values[0],
            values[-1],
        )

    def quantile(self, share: float) -> float:
        """Return the value that `share` (0 to 1) of the values are below; 0.0 without any."""
        if not self._sorted:
            return 0.0
        return self._sorted[min(int(share * len(self._sorted)), len(self._sorted) - 1)]

    @property
    def std(self) -> float:
        """The population standard deviation; 0.0 of an empty window."""
        return self.spread()[1] if self._values else 0.0

    @property
    def min(self) -> float:
        """The smallest value; 0.0 of an empty window."""
        return self._sorted[0] if self._sorted else 0.0

    @property
    def max(self) -> float:
        """The largest value; 0.0 of an empty window."""
        return self._sorted[-1] if self._sorted else 0.0


class StepTimes:
    """The times of all steps of one run.

    Attributes:
        count: Number of steps.
        recent: The last steps.
        min: The fastest, in seconds; infinite before the first step.
        max: The slowest, in seconds.
        mean: Their mean in seconds; 0.0 before the first step.
    """

    def __init__(self) -> None:
        self.count = 0
        self.recent = Window()
        self.min = math.inf
        self.max = 0.0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, seconds: float) -> None:
        """Take in the time of the next step."""
        self.recent.add(seconds)
        # Welford's update: exact over millions of steps, where sums of squares lose digits.
        self.count += 1
        delta = seconds - self.mean
        self.mean += delta / self.count
        self._squares += delta * (seconds - self.mean)
        self.min = min(self.min, seconds)
        self.max = max(self.max, seconds)

    @property
    def std(self) -> float:
        """Population standard deviation over the run in seconds."""
        return math.sqrt(self._squares / self.count) if self.count else 0.0


class Pace:
    """How fast the last steps were, without those of warm-up once there are others.

    Attributes:
        seconds_per_step: Mean step time; 0.0 before the first step.
        samples_per_second: 0.0 if they are not known; the same for the next one.
        tokens_per_second: See there.
    """

    def __init__(self) -> None:
        self._steps = 0
        self.seconds_per_step = self.samples_per_second = self.tokens_per_second = 0.0
        self._forget()

    def _forget(self) -> None:
        self._last: deque[tuple[float, int, int]] = deque()
        self._seconds, self._samples, self._tokens = 0.0, 0, 0

    def add(self, seconds: float, samples: int, tokens: int) -> None:
        """Take in the next step."""
        self._steps += 1
        if self._steps == WARM_UP_STEPS + 1:
            self._forget()
        last = self._last
        last.append((seconds, samples, tokens))
        if len(last) > _PACE_STEPS:
            old_seconds, old_samples, old_tokens = last.popleft()
            seconds -= old_seconds
            samples -= old_samples
            tokens -= old_tokens
        self._samples += samples
        self._tokens += tokens
        self._seconds = total = self._seconds + seconds
        self.seconds_per_step = total / len(last)
        self.samples_per_second = self._samples / total if total > 0 else 0.0
        self.tokens_per_second = self._tokens / total if total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is planned, in steps, so that the time to come can be told.

    Attributes:
        total_steps: Steps of the whole training; None where nobody knows.
        evaluate_every: Steps between evaluations; None without them.
        save_every: Steps between checkpoints; None without them.
        evaluates_at_end: Whether the last step is evaluated though it is no multiple.
        saves_at_end: Whether the last step is saved though it is no multiple.
    """

    total_steps: int | None = None
    evaluate_every: int | None = None
    save_every: int | None = None
    evaluates_at_end: bool = False
    saves_at_end: bool = False

    def remaining_steps(self, step: int) -> int | None:
        """Return the steps after `step`."""
        return None if self.total_steps is None else max(self.total_steps - step, 0)

    def remaining_evaluations(self, step: int) -> int:
        """Return the evaluations to come when `step` has just ended, its own included."""
        return self._remaining(step, self.evaluate_every, self.evaluates_at_end)

    def remaining_saves(self, step: int) -> int:
        """Return the checkpoints to come when `step` has just ended, its own included."""
        return self._remaining(step, self.save_every, self.saves_at_end)

    def _remaining(self, step: int, every: int | None, at_end: bool) -> int:
        if self.total_steps is None or not every:
            return 0
        planned = self.total_steps // every - (step - 1) // every
        return max(planned + (at_end and self.total_steps % every != 0), 0)


def eta_seconds(
    schedule: Schedule,
    step: int,
    seconds_per_step: float,
    seconds_per_evaluation: float,
    seconds_per_save: float,
) -> float | None:
    """Return the seconds until the end of the training, or None without a known end.

    Args:
        schedule: What is planned.
        step: The step that has just ended.
        seconds_per_step: Everything that each step costs, logging included.
        seconds_per_evaluation: Mean of those seen; 0.0 before the first one.
        seconds_per_save: Mean of those seen; 0.0 before the first one.
    """
    remaining = schedule.remaining_steps(step)
    if remaining is None:
        return None
    seconds = remaining * seconds_per_step
    if seconds_per_evaluation:
        seconds += schedule.remaining_evaluations(step) * seconds_per_evaluation
    if seconds_per_save:
        seconds += schedule.remaining_saves(step) * seconds_per_save
    return seconds


class Tally:
    """How many values there were, and their mean.

    Attributes:
        count: Number of values.
        total: Their sum.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0

    def add(self, value: float) -> None:
        """Take in `value`."""
        self.count += 1
        self.total += value

    @property
    def mean(self) -> float:
        """The mean; 0.0 before the first value."""
        return self.total / self.count if self.count else 0.0
