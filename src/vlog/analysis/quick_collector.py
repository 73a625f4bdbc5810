"""The course of a run, from many plain entries at once: what it makes of them is the same."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from vlog.analysis.collector import STEP_PHASES, CourseCollector, count_name
from vlog.analysis.quick_entries import STEP, decoded, last_given
from vlog.analysis.run_summary import EtaCheck

if TYPE_CHECKING:
    from vlog.analysis.quick_entries import Metrics, QuickEntry, Timing


class QuickCollector(CourseCollector):
    """A course to which the entries of a process can be added many at a time."""

    def add_all(self, entries: list[QuickEntry], types: dict[str, int]) -> None:
        """Take in the run's next entries, which are of one process, and their types."""
        summary, first = self._summary, entries[0]
        summary.entries += len(entries)
        for name, count in types.items():
            count_name(self._types, name, count)
        count_name(self._levels, first.level, len(entries))
        summary.time.started = summary.time.started or first.timestamp
        summary.time.last = entries[-1].timestamp
        summary.started.pid = summary.started.pid or first.pid
        self._check_eta(entries)
        self._add_all_progress(entries)
        steps = [entry for entry in entries if entry.type == STEP]
        if steps:
            self._add_steps(steps)

    def _check_eta(self, entries: list[QuickEntry]) -> None:
        progress, time = self._summary.progress, self._summary.time
        if time.eta_check is not None:
            return
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

    def _add_all_progress(self, entries: list[QuickEntry]) -> None:
        progress = self._summary.progress
        latest = entries[::-1]
        progress.percent = self._percent_after(latest)
        progress.step = latest[0].step
        progress.epoch = last_given((entry.epoch for entry in latest), progress.epoch)
        progress.total_steps = last_given(
            (entry.all_steps or None for entry in latest), progress.total_steps
        )

    def _percent_after(self, latest: list[QuickEntry]) -> float | None:
        """Return the percentage of the last step, if an entry of it says one."""
        for entry in latest:
            percent = entry.progress.progress_percent if entry.progress else None
            if entry.step != latest[0].step:
                return None
            if percent is not None and 0 <= percent <= 100:
                return percent
        progress = self._summary.progress
        return progress.percent if progress.step == latest[0].step else None

    def _add_steps(self, steps: list[QuickEntry]) -> None:
        timings = [step.timing for step in steps if step.timing is not None]
        times = [timing.step_time_seconds for timing in timings]
        self._step_times.extend([seconds for seconds in times if seconds is not None])
        waits = [timing.data_wait_seconds or 0.0 for timing in timings]
        passes = [timing.forward_backward_seconds or 0.0 for timing in timings]
        optimizer = [timing.optimizer_seconds or 0.0 for timing in timings]
        for phase, seconds in zip(STEP_PHASES, (waits, passes, optimizer), strict=True):
            self._phase_sums[phase] = reduce(add, seconds, self._phase_sums[phase])
        self._phases = last_given(map(_phases_of, reversed(steps)), self._phases)
        self._add_all_metrics([(step, step.metrics) for step in steps if step.metrics is not None])
        self._add_all_rates(timings[::-1])
        self._resources.add_all([step.resource_usage for step in steps])
        self._overhead.add_all([step.overhead for step in steps if step.overhead is not None])

    def _add_all_metrics(self, found: list[tuple[QuickEntry, Metrics]]) -> None:
        summary, loss, latest = self._summary, self._summary.loss, found[::-1]
        summary.learning_rate = last_given(
            (metrics.learning_rate for _, metrics in latest), summary.learning_rate
        )
        summary.grad_norm = last_given(
            (metrics.grad_norm for _, metrics in latest), summary.grad_norm
        )
        if self._non_finite_steps:
            known = self._non_finite_steps
            found = [each for each in found if (each[0].step in known) < each[0].loss_window_steps]
        losses = [(step, metrics.loss) for step, metrics in found if metrics.loss is not None]
        if not losses:
            return
        values = [value for _, value in losses]
        loss.logged += len(values)
        loss.first = values[0] if loss.first is None else loss.first
        loss.last = values[-1]
        best = min(values)
        if loss.best is None or best < loss.best:
            loss.best, loss.best_step = best, losses[values.index(best)][0].step

    def _add_all_rates(self, latest: list[Timing]) -> None:
        time = self._summary.time
        time.samples_per_second = last_given(
            (timing.samples_per_second or None for timing in latest), time.samples_per_second
        )
        time.tokens_per_second = last_given(
            (timing.tokens_per_second or None for timing in latest), time.tokens_per_second
        )


def _phases_of(entry: QuickEntry) -> dict[str, Any] | None:
    """Return the `phases` of an entry; None if there is nothing in them."""
    phases = decoded(entry.phases)
    return phases if isinstance(phases, dict) and phases else None
