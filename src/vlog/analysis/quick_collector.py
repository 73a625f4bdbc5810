"""The course of a run, from the facts of many plain entries at once: the same comes of them."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from vlog.analysis.collector import STEP_PHASES, CourseCollector, count_name
from vlog.analysis.quick_entries import STEP
from vlog.analysis.run_summary import EtaCheck

if TYPE_CHECKING:
    from vlog.analysis.facts import Facts
    from vlog.analysis.quick_entries import QuickEntry


class QuickCollector(CourseCollector):
    """A course to which the entries of a process can be added many at a time."""

    def needs_eta_of(self, facts: Facts) -> bool:
        """Return whether the ETA to be checked is perhaps one that these entries say."""
        if self._summary.time.eta_check is not None or not facts.has_eta:
            return False
        progress = self._summary.progress
        totals = [each for each in (facts.least_total_steps, progress.total_steps) if each]
        start = progress.start_step
        return bool(totals) and 2 * (facts.highest_step - start) >= min(totals) - start

    def check_eta(self, entries: list[QuickEntry]) -> None:
        """Keep what the first step entry of the second half predicts; before `add_facts`."""
        progress, time = self._summary.progress, self._summary.time
        total, start = progress.total_steps, progress.start_step
        for entry in entries:
            if entry.progress is not None:
                total = entry.all_steps or total
            if entry.type != STEP or entry.timing is None or not total:
                continue
            eta = entry.timing.eta_minutes
            if eta is not None and 2 * (entry.step - start) >= total - start:
                time.eta_check = EtaCheck(entry.step, eta)
                self._eta_at = entry.timestamp
                return

    def add_facts(self, facts: Facts) -> None:
        """Take in the facts of the run's next entries."""
        summary = self._summary
        summary.entries += facts.count
        for name, count in facts.types.items():
            count_name(self._types, name, count)
        count_name(self._levels, facts.level, facts.count)
        summary.time.started = summary.time.started or facts.first_timestamp
        summary.time.last = facts.last_timestamp
        summary.started.pid = summary.started.pid or facts.pid
        self._add_progress_of(facts)
        if STEP in facts.types:
            self._add_steps_of(facts)

    def _add_progress_of(self, facts: Facts) -> None:
        progress = self._summary.progress
        if facts.percent is not None or not facts.is_of_one_step or progress.step != facts.step:
            progress.percent = facts.percent
        progress.step = facts.step
        progress.epoch = progress.epoch if facts.epoch is None else facts.epoch
        progress.total_steps = facts.total_steps or progress.total_steps

    def _add_steps_of(self, facts: Facts) -> None:
        summary, time = self._summary, self._summary.time
        self._step_times.extend(facts.step_times)
        for phase, seconds in zip(STEP_PHASES, facts.phase_times, strict=True):
            self._phase_sums[phase] = reduce(add, seconds, self._phase_sums[phase])
        self._phases = facts.phases or self._phases
        rate, norm = facts.learning_rate, facts.grad_norm
        summary.learning_rate = summary.learning_rate if rate is None else rate
        summary.grad_norm = summary.grad_norm if norm is None else norm
        time.samples_per_second = facts.samples_per_second or time.samples_per_second
        time.tokens_per_second = facts.tokens_per_second or time.tokens_per_second
        self._add_losses_of(facts)
        self._resources.add_all(facts.usages)
        self._overhead.add_all(
            facts.overhead_seconds, facts.overhead_of_seconds, facts.overhead_bytes
        )

    def _add_losses_of(self, facts: Facts) -> None:
        loss, known = self._summary.loss, self._non_finite_steps
        values, steps = facts.losses, facts.loss_steps
        if known:
            kept = [
                (value, step)
                for value, step, window in zip(values, steps, facts.loss_windows, strict=True)
                if (step in known) < window
            ]
            values, steps = [value for value, _ in kept], [step for _, step in kept]
        if not values:
            return
        loss.logged += len(values)
        loss.first = values[0] if loss.first is None else loss.first
        loss.last = values[-1]
        best = min(values)
        if loss.best is None or best < loss.best:
            loss.best, loss.best_step = best, steps[values.index(best)]
