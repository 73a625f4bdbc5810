"""What a summary takes from many entries of one process at once, small enough to be handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from vlog.analysis.quick_entries import STEP, decoded, last_given

if TYPE_CHECKING:
    from vlog.analysis.quick_entries import QuickEntry

_Number = int | float | None


class StepFacts(msgspec.Struct, gc=False, kw_only=True):
    """Facts of steps' entries that follow each other.

    Attributes:
        times: Seconds of each; the same for all lists: those that are given.
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
        overhead_percents: ... and how much of the time that is ...
        overhead_bytes: ... and what it wrote, in all.
        etas: Minutes left, where that is said ...
        eta_steps: ... and the steps ...
        eta_totals: ... and all steps of the training, as these entries said up to there, if so ...
        eta_timestamps: ... and the timestamps.
    """

    times: list[float]
    phase_times: tuple[list[float], list[float], list[float]]
    phases: dict[str, Any] | None
    losses: list[float]
    loss_steps: list[int]
    loss_windows: list[int]
    learning_rate: _Number
    grad_norm: _Number
    samples_per_second: _Number
    tokens_per_second: _Number
    usages: list[bytes]
    overhead_seconds: list[float]
    overhead_percents: list[float]
    overhead_bytes: int
    etas: list[float]
    eta_steps: list[int]
    eta_totals: list[int | None]
    eta_timestamps: list[str]


class Facts(msgspec.Struct, gc=False, kw_only=True):
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
        is_of_one_step: Whether all have the same step.
        epoch: The last that one of them says; the same for the next one.
        total_steps: See there.
        percent: Progress of the last step, if an entry of it says so.
        steps: Facts of those that are entries of steps, if any is.
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
    is_of_one_step: bool
    epoch: _Number
    total_steps: int | None
    percent: _Number
    steps: StepFacts | None


def facts_of(entries: list[QuickEntry]) -> Facts:
    """Return the facts of entries of one process; there is at least one."""
    first, latest = entries[0], entries[::-1]
    last = latest[0]
    types = [entry.type for entry in entries]
    steps = [entry for entry in entries if entry.type == STEP]
    return Facts(
        run_id=first.run_id,
        rank=first.rank,
        pid=first.pid,
        level=first.level,
        count=len(entries),
        types={name: types.count(name) for name in dict.fromkeys(types)},
        first_timestamp=first.timestamp,
        last_timestamp=last.timestamp,
        step=last.step,
        is_of_one_step=all(entry.step == last.step for entry in entries),
        epoch=last_given((entry.epoch for entry in latest), None),
        total_steps=last_given((entry.all_steps or None for entry in latest), None),
        percent=_percent_of(latest),
        steps=_facts_of_steps(steps, entries) if steps else None,
    )


def _percent_of(latest: list[QuickEntry]) -> _Number:
    """Return the percentage of the last step, if an entry of it says one."""
    for entry in latest:
        if entry.step != latest[0].step:
            return None
        percent = entry.progress.progress_percent if entry.progress else None
        if percent is not None and 0 <= percent <= 100:
            return percent
    return None


def _facts_of_steps(steps: list[QuickEntry], entries: list[QuickEntry]) -> StepFacts:
    timings = [step.timing for step in steps if step.timing is not None]
    metrics = [step.metrics for step in reversed(steps) if step.metrics is not None]
    losses = [
        (loss, step)
        for step in steps
        if step.metrics is not None and (loss := step.metrics.loss) is not None
    ]
    costs = [
        (seconds, percent, each.bytes_written or 0)
        for step in steps
        if (each := step.overhead) is not None
        and (seconds := each.training_thread_seconds) is not None
        and (percent := each.training_thread_percent)
    ]
    etas, totals = _etas_of(entries)
    return StepFacts(
        times=[seconds for timing in timings if (seconds := timing.step_time_seconds) is not None],
        phase_times=(
            [timing.data_wait_seconds or 0.0 for timing in timings],
            [timing.forward_backward_seconds or 0.0 for timing in timings],
            [timing.optimizer_seconds or 0.0 for timing in timings],
        ),
        phases=last_given(map(_phases_of, reversed(steps)), None),
        losses=[loss for loss, _ in losses],
        loss_steps=[step.step for _, step in losses],
        loss_windows=[step.loss_window_steps for _, step in losses],
        learning_rate=last_given((each.learning_rate for each in metrics), None),
        grad_norm=last_given((each.grad_norm for each in metrics), None),
        samples_per_second=last_given(
            (timing.samples_per_second or None for timing in reversed(timings)), None
        ),
        tokens_per_second=last_given(
            (timing.tokens_per_second or None for timing in reversed(timings)), None
        ),
        usages=_usages_of(steps),
        overhead_seconds=[seconds for seconds, _, _ in costs],
        overhead_percents=[percent for _, percent, _ in costs],
        overhead_bytes=sum([count for _, _, count in costs]),
        etas=[minutes for minutes, _ in etas],
        eta_steps=[entry.step for _, entry in etas],
        eta_totals=totals,
        eta_timestamps=[entry.timestamp for _, entry in etas],
    )


def _phases_of(entry: QuickEntry) -> dict[str, Any] | None:
    """Return the `phases` of an entry; None if there is nothing in them."""
    phases = decoded(bytes(entry.phases))
    return phases if isinstance(phases, dict) and phases else None


def _usages_of(steps: list[QuickEntry]) -> list[bytes]:
    usages = [step.resource_usage for step in steps]
    before = [None, *usages]
    return [bytes(usage) for usage, last in zip(usages, before, strict=False) if usage != last]


def _etas_of(
    entries: list[QuickEntry],
) -> tuple[list[tuple[float, QuickEntry]], list[int | None]]:
    """Return the minutes left and the entry where that is said, and how many steps there are."""
    found: list[tuple[float, QuickEntry]] = []
    totals: list[int | None] = []
    total: int | None = None
    for entry in entries:
        if entry.progress is not None:
            total = entry.all_steps or total
        if (
            (timing := entry.timing) is not None
            and (minutes := timing.eta_minutes) is not None
            and entry.type == STEP
        ):
            found.append((minutes, entry))
            totals.append(total)
    return found, totals
