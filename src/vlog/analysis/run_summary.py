"""What a summary says, as data: every part is absent (`None`, empty) where the log is silent."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How a run ended, or that it has not."""

    COMPLETE = "complete"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    ENDED_ABNORMALLY = "ended abnormally"
    UNKNOWN = "unknown"  # no end entry, and its process cannot be asked from here


@dataclass(slots=True)
class Started:
    """Where and with what a run was started.

    Attributes:
        host: Name of the host.
        command: The process's arguments.
        versions: Versions of the packages by name.
        git: Branch and commit.
        links: `resumed_from` and the like: how the run is linked to others.
        world_size: How many ranks the launcher started.
    """

    host: str | None = None
    pid: int | None = None
    command: list[str] = field(default_factory=list)
    versions: dict[str, Any] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    verbosity: str | None = None
    links: dict[str, str] = field(default_factory=dict)
    world_size: int | None = None


@dataclass(slots=True)
class Progress:
    """How far a run came.

    Attributes:
        start_step: Steps that earlier runs had done.
        step: Steps done, theirs included.
        total_steps: Steps of the whole training.
        percent: Steps done of all steps, 0 to 100.
        epoch: Epochs done, as a fraction.
        samples: Samples seen by all ranks.
        tokens: Input tokens seen by all ranks.
    """

    start_step: int = 0
    step: int | None = None
    total_steps: int | None = None
    percent: float | None = None
    epoch: float | None = None
    num_epochs: float | None = None
    samples: int | None = None
    tokens: int | None = None


@dataclass(slots=True)
class Loss:
    """The loss over a run.

    Attributes:
        logged: How many entries had a loss.
        non_finite: How many steps had a loss that was nan or infinite.
    """

    first: float | None = None
    last: float | None = None
    best: float | None = None
    best_step: int | None = None
    logged: int = 0
    non_finite: int = 0


@dataclass(slots=True)
class Evaluations:
    """The evaluations of a run.

    Attributes:
        last: Metrics of the last one.
        best_loss: Smallest `eval_loss`.
    """

    count: int = 0
    last: dict[str, Any] = field(default_factory=dict)
    last_step: int | None = None
    best_loss: float | None = None
    best_step: int | None = None


@dataclass(slots=True)
class StepTime:
    """Step times in seconds; the quantiles over an even sample of very long runs."""

    count: int = 0
    mean: float | None = None
    median: float | None = None
    p95: float | None = None
    min: float | None = None
    max: float | None = None


@dataclass(slots=True)
class EtaCheck:
    """What was predicted at half way, beside what happened.

    Attributes:
        step: The step of the prediction.
        predicted_minutes: The `eta_minutes` of its entry.
        actual_minutes: From then to the end entry.
    """

    step: int
    predicted_minutes: float
    actual_minutes: float | None = None


@dataclass(slots=True)
class Time:
    """Where the time of a run went.

    Attributes:
        started: Timestamp of the first entry.
        last: Timestamp of the last entry.
        duration_seconds: From `training_start` to the end (the last entry, without an end).
        phases: Seconds by phase, largest first.
    """

    started: str | None = None
    last: str | None = None
    duration_seconds: float | None = None
    step_time: StepTime = field(default_factory=StepTime)
    samples_per_second: float | None = None
    tokens_per_second: float | None = None
    phases: dict[str, float] = field(default_factory=dict)
    eta_check: EtaCheck | None = None


@dataclass(slots=True)
class Checkpoints:
    """The checkpoints of a run."""

    count: int = 0
    last_path: str | None = None
    last_step: int | None = None
    total_size_mb: float = 0.0


@dataclass(slots=True)
class Range:
    """Mean and peak of a reading."""

    mean: float | None = None
    peak: float | None = None


@dataclass(slots=True)
class Gpu:
    """One accelerator over a run.

    Attributes:
        energy_joules: What it used, as far as the readings tell.
    """

    product: str | None = None
    memory_percent: Range = field(default_factory=Range)
    utilization_percent: Range = field(default_factory=Range)
    temperature_celsius: Range = field(default_factory=Range)
    power_watts: Range = field(default_factory=Range)
    energy_joules: float | None = None


@dataclass(slots=True)
class Resources:
    """The resources of a run, as the step entries have them.

    Attributes:
        memory_scope: Whose memory it is a share of: host or cgroup.
        memory_total_gb: How much that is.
        disks: Each file system by its mount: the share of it that was used.
        gpus: Each accelerator by its number, and its part where it has some.
        missing: What could not be read at the end, and why.
    """

    readings: int = 0
    cpu_percent: Range = field(default_factory=Range)
    memory_percent: Range = field(default_factory=Range)
    memory_used_gb: Range = field(default_factory=Range)
    process_memory_gb: Range = field(default_factory=Range)
    children_memory_gb: Range = field(default_factory=Range)
    memory_scope: str | None = None
    memory_total_gb: float | None = None
    disks: dict[str, Range] = field(default_factory=dict)
    gpus: dict[str, Gpu] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Alert:
    """All alerts of one name and subject.

    Attributes:
        subject: What it is about, where there are several.
        count: How many times it was raised.
        first_step: When it was raised first.
        message: What it said first.
        is_active: Whether it was not over at the end.
        active_seconds: How long it lasted, as far as it was over.
        ranks: Which ranks raised it; the rest is what the lowest of them said.
    """

    name: str
    subject: str | None = None
    count: int = 0
    level: str | None = None
    first_step: int | None = None
    message: str | None = None
    is_active: bool = True
    active_seconds: float | None = None
    ranks: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Missing:
    """Entries that are missing, as `logging_gap` entries say.

    Attributes:
        entries: How many.
        gaps: How many of these entries there are.
        reason: Why, by the last of them.
        first: Timestamp of the first entry that is missing, as far as it is known.
        last: Timestamp of the last.
    """

    entries: int = 0
    gaps: int = 0
    reason: str | None = None
    first: str | None = None
    last: str | None = None


@dataclass(slots=True)
class Overhead:
    """What vlog cost, and what it left out to keep its budget.

    Attributes:
        training_thread_seconds: In its hooks; without an end entry, in steps written at ultra.
        training_thread_percent: Share of the time.
        per_step_seconds: Mean of that in a step.
        monitor_cpu_seconds: Processor time of the threads that measure.
        thread_cpu_seconds: Processor time of all threads of vlog's own.
        bytes_per_step: Mean of what was written in a step.
        budget_percent: Share of the step time that it may take; 0 for any.
        shed: What was left out at some time: `micro_batches`, `trends`, `resources`.
        shed_steps: Steps in which something was left out.
        is_exceeded: Whether the budget was exceeded with nothing left to be shed.
        failed: Reports to the error log.
    """

    training_thread_seconds: float | None = None
    training_thread_percent: float | None = None
    per_step_seconds: float | None = None
    monitor_cpu_seconds: float | None = None
    thread_cpu_seconds: float | None = None
    bytes_per_step: float | None = None
    budget_percent: float | None = None
    shed: list[str] = field(default_factory=list)
    shed_steps: int = 0
    is_exceeded: bool = False
    failed: int | None = None


@dataclass(slots=True)
class RankSummary:
    """One rank of a run: how far it came, and how it ended.

    Attributes:
        rank: Its number; None in a log that names no rank (the standard log).
        state: How it ended.
        ending: In one clause, why it is in that state.
        step: Steps done, those of earlier runs included.
        started: Timestamp of its first entry.
        last: Timestamp of its last entry.
        entries: Number of its entries.
        alerts: How many times it raised one.
        host: Name of its host.
        pid: Its process.
    """

    rank: int | None = None
    state: State = State.UNKNOWN
    ending: str = ""
    step: int | None = None
    started: str | None = None
    last: str | None = None
    entries: int = 0
    alerts: int = 0
    host: str | None = None
    pid: int | None = None


@dataclass(slots=True)
class RunSummary:
    """One run, as its lowest rank tells it, and in `ranks` and `alerts` all of them.

    Attributes:
        run_id: Its name; None for entries that name no run (the standard log).
        rank: The lowest rank that is in the log.
        state: How that ended.
        ending: In one clause, why it is in that state.
        ranks: Each rank, lowest first.
        entries: Number of entries.
        types: Number of entries by `type`.
        levels: Number of entries by `level`.
        records: Number of those among them that are records of other loggers.
        model: `model` of `training_initialization`.
        dataset: `dataset` of `training_initialization`.
        missing: Entries of all ranks that are missing, as the log says.
    """

    run_id: str | None = None
    rank: int | None = None
    state: State = State.UNKNOWN
    ending: str = ""
    ranks: list[RankSummary] = field(default_factory=list)
    entries: int = 0
    types: dict[str, int] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    started: Started = field(default_factory=Started)
    model: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    loss: Loss = field(default_factory=Loss)
    learning_rate: float | None = None
    grad_norm: float | None = None
    evaluations: Evaluations = field(default_factory=Evaluations)
    time: Time = field(default_factory=Time)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    resources: Resources = field(default_factory=Resources)
    alerts: list[Alert] = field(default_factory=list)
    missing: Missing = field(default_factory=Missing)
    overhead: Overhead = field(default_factory=Overhead)
