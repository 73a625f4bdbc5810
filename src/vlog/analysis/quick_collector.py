"""The course of a run, from the facts of many plain entries at once: the same comes of them."""

from __future__ import annotations

from functools import reduce
from itertools import compress
from operator import add
from typing import TYPE_CHECKING

from vlog.analysis.collector import STEP_PHASES, CourseCollector, count_name
from vlog.analysis.run_summary import EtaCheck

if TYPE_CHECKING:
    from vlog.analysis.facts import Facts, StepFacts


class QuickCollector(CourseCollector):
    """A course to which the entries of a process can be added many at a time."""

    def add_facts(self, facts: Facts) -> None:
        """Take in the facts of the run's next entries."""
        summary, steps = self._summary, facts.steps
        summary.entries += facts.count
        for name, count in facts.types.items():
            count_name(self._types, name, count)
        count_name(self._levels, facts.level, facts.count)
        summary.time.started = summary.time.started or facts.first_timestamp
        summary.time.last = facts.last_timestamp
        summary.started.pid = summary.started.pid or facts.pid
        if steps is not None:
            self._check_eta(steps)
            self._add_steps(steps)
        self._add_progress_of(facts)

    def _check_eta(self, steps: StepFacts) -> None:
        progress, time = self._summary.progress, self._summary.time
        if time.eta_check is not None:
            return
        start = progress.start_step
        for place, (step, known) in enumerate(zip(steps.eta_steps, steps.eta_totals, strict=True)):
            total = known or progress.total_steps
            if total and 2 * (step - start) >= total - start:
                time.eta_check = EtaCheck(step, steps.etas[place])
                self._eta_at = steps.eta_timestamps[place]
                return

    def _add_progress_of(self, facts: Facts) -> None:
        progress = self._summary.progress
        if facts.percent is not None or not facts.is_of_one_step or progress.step != facts.step:
            progress.percent = facts.percent
        progress.step = facts.step
        progress.epoch = progress.epoch if facts.epoch is None else facts.epoch
        progress.total_steps = facts.total_steps or progress.total_steps

    def _add_steps(self, steps: StepFacts) -> None:
        summary, time = self._summary, self._summary.time
        self._step_times.extend(steps.times)
        for phase, seconds in zip(STEP_PHASES, steps.phase_times, strict=True):
            self._phase_sums[phase] = reduce(add, seconds, self._phase_sums[phase])
        self._phases = steps.phases or self._phases
        rate, norm = steps.learning_rate, steps.grad_norm
        summary.learning_rate = summary.learning_rate if rate is None else rate
        summary.grad_norm = summary.grad_norm if norm is None else norm
        time.samples_per_second = steps.samples_per_second or time.samples_per_second
        time.tokens_per_second = steps.tokens_per_second or time.tokens_per_second
        self._add_losses(steps)
        self._resources.add_all(steps.usages)
        self._overhead.add_all(
            steps.overhead_seconds, steps.overhead_percents, steps.overhead_bytes
        )

    def _add_losses(self, found: StepFacts) -> None:
        loss, known = self._summary.loss, self._non_finite_steps
        values, steps = found.losses, found.loss_steps
        if known:
            windows = zip(steps, found.loss_windows, strict=True)
            is_kept = [(step in known) < window for step, window in windows]
            values, steps = list(compress(values, is_kept)), list(compress(steps, is_kept))
        if not values:
            return
        loss.logged += len(values)
        loss.first = values[0] if loss.first is None else loss.first
        loss.last = values[-1]
        best = min(values)
        if loss.best is None or best < loss.best:
            loss.best, loss.best_step = best, steps[values.index(best)]
