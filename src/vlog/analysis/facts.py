"""What a summary takes from many entries of one process at once, small enough to be handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from vlog.analysis.quick_entries import STEP, decoded, last_given

if TYPE_CHECKING:
    from vlog.analysis.quick_entries import QuickEntry, Timing

_Number = int | float | None


class Facts(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """Facts of entries that follow each other.

    Attributes:
        run_id: Of all of them; the same for the next three.
        rank: See there.
        pid: See there.
        level: See there.
        count: Their number.
        types: How many there are of each type, in the order of appearance.
        first_timestamp: Of the first one.
        last_timestamp: Of the last one.
        step: Of the last one.
        highest_step: Of any of them.
        is_of_one_step: Whether all have the same step.
        epoch: The last that one of them says; the same for the next one.
        total_steps: See there.
        least_total_steps: The least that one of them says.
        percent: Progress of the last step, if an entry of it says so.
        has_eta: Whether one of them says when the run will end.
        step_times: Seconds, of those that are entries of steps; the same for all lists.
        phase_times: Seconds of the phases of a step, as many lists as there are phases.
        phases: The totals of the run that the last of them says.
        losses: Those that are given ...
        loss_steps: ... and their steps ...
        loss_windows: ... and of how many steps each is the mean.
        learning_rate: The last one; the same for the next three.
        grad_norm: See there.
        samples_per_second: See there.
        tokens_per_second: See there.
        usages: The readings, encoded, but for those that are like the one before; empty for none.
        overhead_seconds: What vlog took of the training thread, where that is said ...
        overhead_of_seconds: ... of how many seconds ...
        overhead_bytes: ... and what it wrote, in all.
    """

    run_id: str
    rank: int
    pid: int
    level: str
    count: int
    types: dict[str, int]
    first_timestamp: str
    last_timestamp: str
    step: int
    highest_step: int
    is_of_one_step: bool
    epoch: _Number = None
    total_steps: int | None = None
    least_total_steps: int | None = None
    percent: _Number = None
    has_eta: bool = False
    step_times: list[int | float] = []
    phase_times: tuple[list[int | float], ...] = ()
    phases: dict[str, Any] | None = None
    losses: list[int | float] = []
    loss_steps: list[int] = []
    loss_windows: list[int] = []
    learning_rate: _Number = None
    grad_norm: _Number = None
    samples_per_second: _Number = None
    tokens_per_second: _Number = None
    usages: list[bytes] = []
    overhead_seconds: list[int | float] = []
    overhead_of_seconds: list[float] = []
    overhead_bytes: int = 0


def facts_of(entries: list[QuickEntry]) -> Facts:
    """Return the facts of entries of one process; there is at least one."""
    first, latest = entries[0], entries[::-1]
    last = latest[0]
    types = [entry.type for entry in entries]
    numbers = [entry.step for entry in entries]
    totals = [total for entry in entries if (total := entry.all_steps)]
    facts = Facts(
        run_id=first.run_id,
        rank=first.rank,
        pid=first.pid,
        level=first.level,
        count=len(entries),
        types={name: types.count(name) for name in dict.fromkeys(types)},
        first_timestamp=first.timestamp,
        last_timestamp=last.timestamp,
        step=last.step,
        highest_step=max(numbers),
        is_of_one_step=numbers.count(last.step) == len(numbers),
        epoch=last_given((entry.epoch for entry in latest), None),
        total_steps=totals[-1] if totals else None,
        least_total_steps=min(totals, default=None),
        percent=_percent_of(latest),
    )
    steps = [entry for entry in entries if entry.type == STEP]
    if steps:
        _add_steps(facts, steps)
    return facts


def _percent_of(latest: list[QuickEntry]) -> _Number:
    """Return the percentage of the last step, if an entry of it says one."""
    for entry in latest:
        if entry.step != latest[0].step:
            return None
        percent = entry.progress.progress_percent if entry.progress else None
        if percent is not None and 0 <= percent <= 100:
            return percent
    return None


def _add_steps(facts: Facts, steps: list[QuickEntry]) -> None:
    timings = [step.timing for step in steps if step.timing is not None]
    times = [timing.step_time_seconds for timing in timings]
    facts.step_times = [seconds for seconds in times if seconds is not None]
    facts.phase_times = (
        [timing.data_wait_seconds or 0.0 for timing in timings],
        [timing.forward_backward_seconds or 0.0 for timing in timings],
        [timing.optimizer_seconds or 0.0 for timing in timings],
    )
    facts.phases = last_given(map(_phases_of, reversed(steps)), None)
    facts.has_eta = any(timing.eta_minutes is not None for timing in timings)
    _add_rates(facts, timings[::-1])
    _add_metrics(facts, steps)
    usages = [bytes(step.resource_usage) for step in steps]
    facts.usages = [
        usage for usage, before in zip(usages, [None, *usages], strict=False) if usage != before
    ]
    _add_overheads(facts, steps)


def _add_overheads(facts: Facts, steps: list[QuickEntry]) -> None:
    for step in steps:
        each = step.overhead
        if each is None or each.training_thread_seconds is None or not each.training_thread_percent:
            continue
        seconds = each.training_thread_seconds
        facts.overhead_seconds.append(seconds)
        facts.overhead_of_seconds.append(100 * seconds / each.training_thread_percent)
        facts.overhead_bytes += each.bytes_written or 0


def _add_rates(facts: Facts, latest: list[Timing]) -> None:
    facts.samples_per_second = last_given(
        (timing.samples_per_second or None for timing in latest), None
    )
    facts.tokens_per_second = last_given(
        (timing.tokens_per_second or None for timing in latest), None
    )


def _add_metrics(facts: Facts, steps: list[QuickEntry]) -> None:
    found = [(step, step.metrics) for step in steps if step.metrics is not None]
    latest = found[::-1]
    facts.learning_rate = last_given((metrics.learning_rate for _, metrics in latest), None)
    facts.grad_norm = last_given((metrics.grad_norm for _, metrics in latest), None)
    losses = [(step, metrics.loss) for step, metrics in found if metrics.loss is not None]
    facts.losses = [loss for _, loss in losses]
    facts.loss_steps = [step.step for step, _ in losses]
    facts.loss_windows = [step.loss_window_steps for step, _ in losses]


def _phases_of(entry: QuickEntry) -> dict[str, Any] | None:
    """Return the `phases` of an entry; None if there is nothing in them."""
    phases = decoded(bytes(entry.phases))
    return phases if isinstance(phases, dict) and phases else None
