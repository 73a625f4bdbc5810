"""The course of a run, added up in bounded memory from the entries of one rank."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, ClassVar

from vlog.analysis.fields import (
    integer_at,
    number_at,
    object_at,
    seconds_between,
    text_at,
    value_at,
)
from vlog.analysis.overhead_collector import OverheadCollector
from vlog.analysis.resource_collector import ResourceCollector
from vlog.analysis.run_summary import EtaCheck, RunSummary
from vlog.analysis.samples import Samples
from vlog.schema import END_EVENTS, EventType

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_NAMES = 200  # of types and levels; rubbish can have any number of them
_MAX_DIGITS = 9  # of a number of ranks
_MAX_STEPS = 100_000  # without a finite loss; those before them are counted and forgotten
_NON_FINITE_LOSS = frozenset({"metrics.loss", "loss"})  # at the top level in the standard log
_LINKS = ("resumed_from", "resumed_from_checkpoint", "restarted_from", "previous_run_id")
STEP_PHASES = ("data_wait_seconds", "forward_backward_seconds", "optimizer_seconds")


class CourseCollector:
    """The course of one run, while the entries of its lowest rank come in."""

    def __init__(self, run_id: str | None, rank: int | None) -> None:
        self._summary = RunSummary(run_id=run_id, rank=rank)
        self._types: Counter[str] = Counter()
        self._levels: Counter[str] = Counter()
        self._records: Counter[str] = Counter()
        self._was_switched = False
        self._step_times = Samples()
        self._resources = ResourceCollector()
        self._overhead = OverheadCollector()
        self._non_finite_steps: set[int] = set()
        self._training_started: str | None = None
        self._phases: dict[str, Any] = {}  # the run's own totals, the latest
        self._phase_sums: defaultdict[str, float] = defaultdict(float)  # ... or of the entries
        self._eta_at: str | None = None

    def add(self, entry: dict[str, Any]) -> None:
        """Take in the run's next entry."""
        summary = self._summary
        summary.entries += 1
        count_name(self._types, str(entry.get("type")))
        count_name(self._levels, str(entry.get("level")))
        timestamp = text_at(entry, "timestamp")
        summary.time.started = summary.time.started or timestamp
        summary.time.last = timestamp or summary.time.last
        summary.started.pid = summary.started.pid or integer_at(entry, "pid")
        self._add_progress(entry)
        if entry.get("type") == EventType.LOG_RECORD:
            count_name(self._records, str(entry.get("level")))
        add = self._BY_TYPE.get(str(entry.get("type")))
        if add is not None:
            add(self, entry)

    def finish(self) -> RunSummary:
        """Return the summary, but for how the run ended and its alerts."""
        summary = self._summary
        summary.types, summary.levels = dict(self._types), dict(self._levels)
        summary.records = dict(self._records)
        self._finish_step_time()
        summary.resources = self._resources.finish()
        summary.overhead = self._overhead.finish(summary.progress.step)
        self._finish_time()
        progress = summary.progress
        if progress.percent is None and progress.step is not None and progress.total_steps:
            progress.percent = max(0.0, min(100.0, 100 * progress.step / progress.total_steps))
        return summary

    def _add_progress(self, entry: dict[str, Any]) -> None:
        progress = self._summary.progress
        step, epoch = integer_at(entry, "step"), number_at(entry, "epoch")
        if step is not None and step != progress.step:
            progress.step, progress.percent = step, None  # until an entry of this step says it
        progress.epoch = epoch if epoch is not None else progress.epoch
        section = object_at(entry, "progress") or entry  # at the top level in the standard log
        total, percent = _positive(section, "total_steps"), number_at(section, "progress_percent")
        remaining = integer_at(section, "remaining_steps")
        if total is None and remaining is not None and step is not None:
            total = max(step + remaining, 0)
        progress.total_steps = total or progress.total_steps
        progress.percent = (
            percent if percent is not None and 0 <= percent <= 100 else progress.percent
        )

    def _add_system(self, entry: dict[str, Any]) -> None:
        started = self._summary.started
        environment = object_at(entry, "environment")
        started.host = text_at(environment, "host", "hostname")
        command = value_at(environment, "command_line")
        started.command = [str(word) for word in command] if isinstance(command, list) else []
        started.versions = object_at(environment, "versions")
        started.git = object_at(environment, "git")
        size = text_at(environment, "launcher", "world_size") or ""
        started.world_size = int(size) if size.isdecimal() and len(size) < _MAX_DIGITS else None
        started.verbosity = text_at(entry, "logging", "verbosity_level") or started.verbosity
        started.links = {name: str(entry[name]) for name in _LINKS if entry.get(name)}

    def _add_training(self, entry: dict[str, Any]) -> None:
        self._summary.model = object_at(entry, "model")
        self._summary.dataset = object_at(entry, "dataset")

    def _add_start(self, entry: dict[str, Any]) -> None:
        self._training_started = text_at(entry, "timestamp")
        progress = self._summary.progress
        progress.total_steps = _positive(entry, "total_steps") or progress.total_steps
        progress.start_step = _positive(entry, "start_step") or 0
        progress.num_epochs = number_at(entry, "num_epochs")

    def _add_step(self, entry: dict[str, Any]) -> None:
        self._add_metrics(entry)
        timing = object_at(entry, "timing")
        seconds = number_at(timing, "step_time_seconds")
        seconds = number_at(entry, "step_time") if seconds is None else seconds
        if seconds is not None:
            self._step_times.add(seconds)
        for phase in STEP_PHASES:
            self._phase_sums[phase] += number_at(timing, phase) or 0.0
        self._phases = object_at(entry, "phases") or self._phases
        self._add_rates(timing)
        self._resources.add(entry)
        self._overhead.add_step(entry)
        self._add_eta(entry, timing)

    def _add_metrics(self, entry: dict[str, Any]) -> None:
        summary, loss = self._summary, self._summary.loss
        metrics = object_at(entry, "metrics") or entry  # at the top level in the standard log
        rate, norm = number_at(metrics, "learning_rate"), number_at(metrics, "grad_norm")
        summary.learning_rate = rate if rate is not None else summary.learning_rate
        summary.grad_norm = norm if norm is not None else summary.grad_norm
        bad_steps = self._add_non_finite(entry)
        value = number_at(metrics, "loss")
        if value is None or bad_steps >= (integer_at(entry, "loss_window_steps") or 1):
            return  # a mean over no finite loss: the trainer's filter made it up
        loss.logged += 1
        loss.first = value if loss.first is None else loss.first
        loss.last = value
        if loss.best is None or value < loss.best:
            loss.best, loss.best_step = value, integer_at(entry, "step")

    def _add_non_finite(self, entry: dict[str, Any]) -> int:
        """Count the steps without a finite loss that were not known yet.

        A step's own entry names it, and the entry whose loss is the mean over it does so again.

        Returns:
            How many such steps the entry's loss is the mean of.
        """
        step, loss = integer_at(entry, "step"), self._summary.loss
        named = entry.get("non_finite_steps")
        if isinstance(named, list) and named:
            steps = {each for each in named if type(each) is int}
        elif not _NON_FINITE_LOSS.isdisjoint(object_at(entry, "non_finite")):
            if step is None:
                loss.non_finite += 1
                return 1
            steps = {step}
        else:
            return int(step in self._non_finite_steps)
        loss.non_finite += len(steps - self._non_finite_steps)
        self._non_finite_steps |= steps
        if len(self._non_finite_steps) > _MAX_STEPS:  # entries come in order: only late ones count
            self._non_finite_steps = set(sorted(self._non_finite_steps)[_MAX_STEPS // 2 :])
        return len(steps)

    def _add_rates(self, source: dict[str, Any]) -> None:
        time = self._summary.time
        time.samples_per_second = number_at(source, "samples_per_second") or time.samples_per_second
        time.tokens_per_second = number_at(source, "tokens_per_second") or time.tokens_per_second

    def _add_eta(self, entry: dict[str, Any], timing: dict[str, Any]) -> None:
        """Keep what the first step entry of the second half predicts."""
        progress, time = self._summary.progress, self._summary.time
        if time.eta_check is not None or not progress.total_steps:
            return
        eta = number_at(timing, "eta_minutes")
        eta = number_at(entry, "eta_minutes") if eta is None else eta
        if eta is None:
            return
        step = progress.step or 0
        if 2 * (step - progress.start_step) >= progress.total_steps - progress.start_step:
            time.eta_check = EtaCheck(step, eta)
            self._eta_at = text_at(entry, "timestamp")

    def _add_evaluation(self, entry: dict[str, Any]) -> None:
        evaluations, step = self._summary.evaluations, integer_at(entry, "step")
        seconds = number_at(entry, "timing", "evaluation_seconds")
        self._phase_sums["evaluation_seconds"] += seconds or 0.0
        evaluations.count += 1
        evaluations.last, evaluations.last_step = object_at(entry, "metrics"), step
        loss = number_at(entry, "metrics", "eval_loss")
        if loss is not None and (evaluations.best_loss is None or loss < evaluations.best_loss):
            evaluations.best_loss, evaluations.best_step = loss, step

    def _add_checkpoint(self, entry: dict[str, Any]) -> None:
        checkpoints = self._summary.checkpoints
        seconds = number_at(entry, "timing", "checkpoint_seconds")
        self._phase_sums["checkpoint_seconds"] += seconds or 0.0
        checkpoints.count += 1
        checkpoints.last_path = text_at(entry, "checkpoint", "path") or checkpoints.last_path
        checkpoints.last_step = integer_at(entry, "step")
        checkpoints.total_size_mb += number_at(entry, "checkpoint", "size_mb") or 0.0

    def _add_end(self, entry: dict[str, Any]) -> None:
        summary, statistics = self._summary, object_at(entry, "statistics")
        summary.time.duration_seconds = number_at(statistics, "duration_seconds")
        summary.progress.samples = integer_at(statistics, "samples")
        summary.progress.tokens = integer_at(statistics, "tokens")
        self._add_rates(statistics)
        self._phases = object_at(statistics, "phases") or self._phases
        self._fill_from_statistics(statistics)
        self._overhead.add_end(entry)
        check = summary.time.eta_check
        if check is not None and entry["type"] == EventType.TRAINING_COMPLETE:
            seconds = seconds_between(self._eta_at, text_at(entry, "timestamp"))
            check.actual_minutes = None if seconds is None else seconds / 60

    def _add_switch(self, entry: dict[str, Any]) -> None:
        started, now = self._summary.started, text_at(entry, "verbosity_now")
        began = (started.verbosity or "-").partition(";")[0]
        started.verbosity = f"{began}; {now} from step {integer_at(entry, 'step')} on"
        self._was_switched = True

    def _add_budget_change(self, entry: dict[str, Any]) -> None:
        self._overhead.add_change(entry)

    def _fill_from_statistics(self, statistics: dict[str, Any]) -> None:
        """Take the run's own numbers where no step entries gave any: at low verbosity."""
        loss, step_time = self._summary.loss, self._summary.time.step_time
        has_entries = loss.last is not None or loss.non_finite > 0
        count = integer_at(statistics, "non_finite_losses")
        loss.non_finite = loss.non_finite if count is None else max(count, 0)
        if not has_entries:
            # Beside losses that are not finite, a zero is the trainer's own filter.
            is_filtered = loss.non_finite > 0
            for name, key in (("last", "final_loss"), ("best", "best_loss")):
                value = number_at(statistics, key)
                setattr(loss, name, None if is_filtered and value == 0 else value)
        elif self._was_switched:  # some steps have no entry
            final, best = number_at(statistics, "final_loss"), number_at(statistics, "best_loss")
            loss.last = loss.last if final is None else final
            if best is not None and loss.best is not None and best < loss.best:
                loss.best, loss.best_step = best, None
        if not self._step_times.count:
            step_time.count = integer_at(statistics, "steps") or 0
            for name in ("mean", "median", "min", "max"):
                setattr(step_time, name, number_at(statistics, "step_time", f"{name}_seconds"))

    def _finish_step_time(self) -> None:
        times, step_time = self._step_times, self._summary.time.step_time
        if times.count:
            step_time.count, step_time.mean = times.count, times.mean
            step_time.min, step_time.max = times.min, times.max
            step_time.median, step_time.p95 = times.quantile(0.5), times.quantile(0.95)

    def _finish_time(self) -> None:
        time = self._summary.time
        if time.duration_seconds is None:
            began = self._training_started or time.started
            time.duration_seconds = seconds_between(began, time.last)
        phases = self._phases or self._phase_sums
        found = {name.removesuffix("_seconds"): number_at(phases, name) or 0.0 for name in phases}
        ordered = sorted(found.items(), key=lambda phase: -phase[1])
        time.phases = {name: seconds for name, seconds in ordered if seconds > 0}

    _BY_TYPE: ClassVar[dict[str, Callable[[CourseCollector, dict[str, Any]], None]]] = {
        EventType.SYSTEM_INITIALIZATION: _add_system,
        EventType.TRAINING_INITIALIZATION: _add_training,
        EventType.VERBOSITY_CHANGED: _add_switch,
        EventType.OVERHEAD_BUDGET: _add_budget_change,
        EventType.TRAINING_START: _add_start,
        EventType.TRAINING_STEP_COMPLETE: _add_step,
        EventType.TRAINING_METRICS_UPDATE: _add_metrics,
        EventType.EVALUATION_COMPLETE: _add_evaluation,
        EventType.MODEL_CHECKPOINT_SAVE: _add_checkpoint,
        **dict.fromkeys(END_EVENTS, _add_end),
    }


def count_name(counter: Counter[str], name: str, count: int = 1) -> None:
    """Count `name`; under `...` where there are too many names to be the log's own."""
    counter[name[:100] if name in counter or len(counter) < _MAX_NAMES else "..."] += count


def _positive(entry: dict[str, Any], name: str) -> int | None:
    """Return a count of steps; None for anything that is none."""
    value = integer_at(entry, name)
    return value if value is not None and value > 0 else None
