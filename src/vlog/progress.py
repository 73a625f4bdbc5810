"""How far a run is, how fast it goes and when it will end: the arithmetic behind its entries."""

from __future__ import annotations

import math
from typing import Any

from vlog.alerts import StepCost
from vlog.clock import Clock, iso_timestamp
from vlog.decimals import rounded
from vlog.timing import (
    LOGGING,
    Pace,
    PhaseLedger,
    Schedule,
    StepTimes,
    Tally,
    eta_seconds,
)
from vlog.verbosity import Verbosity

_LONGEST_ETA_SECONDS = 3e10  # a thousand years: no calendar has a day for the longest ones


class Progress:
    """Count the steps, losses, evaluations and checkpoints of one run.

    Args:
        clock: Tells when the run will end.
        ledger: Tells how long the step, the evaluation and the checkpoint took.

    Attributes:
        steps: Steps of this run.
        evaluations: Number and seconds of the evaluations.
        checkpoints: Number and seconds of the checkpoints.
        last_step: What the last step took; None before the first one.
    """

    def __init__(self, clock: Clock, ledger: PhaseLedger) -> None:
        self._clock = clock
        self._ledger = ledger
        self._schedule = Schedule()
        self._started: float | None = None
        self._last_logged_step = 0
        self.steps = 0
        self.last_step: StepCost | None = None
        self.evaluations = Tally()
        self.checkpoints = Tally()
        self._evaluated_steps = 0
        self._last_evaluated_step: int | None = None
        self._times = StepTimes()
        self._samples = self._tokens = 0
        self._pace = Pace()
        self._step_seconds = 0.0
        self._final_loss: float | None = None
        self._best_loss = math.inf
        self.epoch_begin()

    def start(self, schedule: Schedule, start_step: int) -> None:
        """Begin to count, at `start_step` of the whole training."""
        self._schedule = schedule
        self._started = self._clock.monotonic()
        self._last_logged_step = start_step

    def plan(self, schedule: Schedule) -> None:
        """Take a plan that is better known by now."""
        self._schedule = schedule

    def epoch_begin(self) -> None:
        """Begin to count an epoch."""
        self._epoch_started = self._clock.monotonic()
        self._epoch_steps = 0
        self._epoch_step_seconds = 0.0
        self._epoch_loss = self._epoch_loss_steps = 0.0

    def epoch_fields(self) -> dict[str, Any]:
        """Return `steps`, `timing` and `metrics` (mean of the logged losses) of the epoch."""
        timing = {"epoch_seconds": round(self._clock.monotonic() - self._epoch_started, 6)}
        if self._epoch_steps:
            mean = self._epoch_step_seconds / self._epoch_steps
            timing["avg_step_time_seconds"] = round(mean, 6)
        fields: dict[str, Any] = {"steps": self._epoch_steps, "timing": timing}
        if self._epoch_loss_steps:
            fields["metrics"] = {"loss": self._epoch_loss / self._epoch_loss_steps}
        return fields

    def step_complete(self, samples: int, tokens: int) -> float:
        """Count a step, and return its seconds."""
        wait, compute, optimize = self._ledger.take_step()
        seconds = wait + compute + optimize
        self.steps += 1
        self._epoch_steps += 1
        self._epoch_step_seconds += seconds
        self._step_seconds += seconds
        self._samples += samples
        self._tokens += tokens
        self._times.add(seconds)
        self._pace.add(seconds, samples, tokens)
        self.last_step = StepCost(seconds, tokens or samples, wait, compute, optimize)
        return seconds

    def timing(self, step: int, verbosity: Verbosity) -> dict[str, Any]:
        """Return the `timing` of `step`, which was counted last."""
        seconds, _, wait, compute, optimize = self.last_step or StepCost(0.0, 0)
        numbers = {
            "step_time_seconds": seconds,
            "avg_step_time_seconds": self._times.mean,
            "elapsed_seconds": self.duration_seconds,
        }
        pace = self._pace
        if pace.samples_per_second:
            numbers["samples_per_second"] = pace.samples_per_second
        if pace.tokens_per_second:
            numbers["tokens_per_second"] = pace.tokens_per_second
        eta = self._eta_seconds(step)
        if eta is not None:
            numbers["eta_minutes"] = eta / 60
        if verbosity <= Verbosity.HIGH:
            median, std, least, most = self._times.recent.spread()
            numbers["median_step_time_seconds"] = median
            numbers["std_step_time_seconds"] = std
            numbers["min_step_time_seconds"] = least
            numbers["max_step_time_seconds"] = most
            numbers["data_wait_seconds"] = wait
            numbers["forward_backward_seconds"] = compute
            numbers["optimizer_seconds"] = optimize
        timing: dict[str, Any] = rounded(numbers)
        if eta is not None and eta < _LONGEST_ETA_SECONDS:
            timing["estimated_completion"] = iso_timestamp(self._clock.wall() + eta)
        return timing

    def _eta_seconds(self, step: int) -> float | None:
        logging = self._ledger.totals[LOGGING] / self.steps
        return eta_seconds(
            self._schedule,
            step,
            self._pace.seconds_per_step + logging,
            self.evaluations.total / (self._evaluated_steps or 1),
            self.checkpoints.mean,
        )

    def log_window(self, step: int) -> int:
        """Return how many steps a log at `step` covers, and begin to count anew."""
        window = max(step - self._last_logged_step, 1)
        self._last_logged_step = step
        return window

    def log_loss(self, loss: Any, window: int, *, is_whole: bool) -> None:
        """Note a logged loss.

        Args:
            loss: The mean over `window` steps.
            window: Its number of steps.
            is_whole: Whether each of them had a finite loss. A mean that leaves some out is
                neither a best loss nor a part of the epoch's; nor is one of two epochs' steps.
        """
        if type(loss) is bool or not issubclass(type(loss), (int, float)):
            return
        try:
            self._final_loss = loss = float(loss)
        except OverflowError:  # an integer of hundreds of digits
            return
        if not (is_whole and math.isfinite(loss)):
            return
        self._best_loss = min(self._best_loss, loss)
        if self._epoch_loss_steps + window <= self._epoch_steps:
            self._epoch_loss += loss * window
            self._epoch_loss_steps += window

    def evaluated(self, step: int, seconds: float) -> None:
        """Count an evaluation; several data sets at one step are several evaluations."""
        self.evaluations.add(seconds)
        if step != self._last_evaluated_step:
            self._last_evaluated_step = step
            self._evaluated_steps += 1

    def fields(self, step: int) -> dict[str, Any]:
        """Return `progress` after `step`; empty where no total is known."""
        total = self._schedule.total_steps
        if not total:
            return {}
        return {
            "progress_percent": round(min(step / total, 1.0) * 1e6) / 1e4,
            "total_steps": total,
            "remaining_steps": self._schedule.remaining_steps(step),
        }

    @property
    def duration_seconds(self) -> float:
        """Seconds since `start`; 0.0 before it."""
        return 0.0 if self._started is None else self._clock.monotonic() - self._started

    def statistics(self, alerts: int) -> dict[str, Any]:
        """Return the run in numbers, as it ends."""
        found: dict[str, Any] = {
            "steps": self.steps,
            "duration_seconds": self.duration_seconds,
            "evaluations": self.evaluations.count,
            "checkpoints": self.checkpoints.count,
            "alerts": alerts,
            "phases": self._ledger.as_fields(),
        }
        if self._schedule.total_steps:
            found["total_steps"] = self._schedule.total_steps
        for name, count in (("samples", self._samples), ("tokens", self._tokens)):
            if count and self._step_seconds:
                found[name] = count
                found[f"{name}_per_second"] = count / self._step_seconds
        if self._final_loss is not None:
            found["final_loss"] = self._final_loss
        if math.isfinite(self._best_loss):
            found["best_loss"] = self._best_loss
        if self.steps:
            found["step_time"] = self._step_time()
        return {name: _rounded(value) for name, value in found.items()}

    def _step_time(self) -> dict[str, float]:
        times = self._times
        return {
            "mean_seconds": round(times.mean, 6),
            "median_seconds": round(times.recent.median, 6),
            "std_seconds": round(times.std, 6),
            "min_seconds": round(times.min, 6),
            "max_seconds": round(times.max, 6),
        }


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value
