"""What an entry is: every event type, its fields, their units, and the verbosity that writes them.

This is the one place that defines them. `vlog validate`, the JSON Schema, `vlog levels` and the
reference table in the README are all derived from `EVENTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA_VERSION = 1
GB = 2**30  # bytes in every `_gb`
MB = 2**20  # bytes in every `_mb`

LOW, MEDIUM, HIGH, ULTRA = Verbosity


class Severity(StrEnum):
    """The `level` of an entry: how bad it is, never how detailed."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class EventType(StrEnum):
    """What happened: the `type` of an entry."""

    SYSTEM_INITIALIZATION = "system_initialization"
    TRAINING_INITIALIZATION = "training_initialization"
    TRAINING_START = "training_start"
    EPOCH_BEGIN = "epoch_begin"
    EPOCH_COMPLETE = "epoch_complete"
    STEP_BEGIN = "step_begin"
    TRAINING_STEP_COMPLETE = "training_step_complete"
    MICRO_BATCH = "micro_batch"
    TRAINING_METRICS_UPDATE = "training_metrics_update"
    EVALUATION_START = "evaluation_start"
    EVALUATION_COMPLETE = "evaluation_complete"
    PREDICTION_STEP = "prediction_step"
    MODEL_CHECKPOINT_SAVE = "model_checkpoint_save"
    RESOURCE_WARNING = "resource_warning"
    TRAINING_ANOMALY = "training_anomaly"
    ALERT_RESOLVED = "alert_resolved"
    TRAINING_COMPLETE = "training_complete"
    TRAINING_INTERRUPTED = "training_interrupted"
    TRAINING_FAILED = "training_failed"
    LOG_RECORD = "log_record"


END_EVENTS = frozenset(
    {
        EventType.TRAINING_COMPLETE,
        EventType.TRAINING_INTERRUPTED,
        EventType.TRAINING_FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class Field:
    """One key of an entry.

    Attributes:
        name: The key. Its unit is part of it.
        kind: Its JSON type: `string`, `integer`, `number`, `boolean`, `object`, `array` or `any`.
        about: What it says, in one clause.
        required: Whether every entry of the type has it.
        nullable: Whether it may be `null` (a number that was not finite, say).
        tier: The first verbosity at which it is written.
        minimum: The smallest value, where there is one.
        maximum: The largest value, where there is one.
        fields: The known keys, of an `object`. Others may stand beside them.
        values: The JSON type of every value, of an `object` whose keys are free.
    """

    name: str
    kind: str
    about: str
    required: bool = False
    nullable: bool = False
    tier: Verbosity = LOW
    minimum: float | None = None
    maximum: float | None = None
    fields: tuple[Field, ...] = ()
    values: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One event type.

    Attributes:
        type: Its name.
        tier: The first verbosity that writes it.
        about: When it is written, in one sentence.
        severity: Its `level`, where the entry does not say another one.
        fields: Its own fields, beside those of `ENVELOPE` and `RUN`.
    """

    type: EventType
    tier: Verbosity
    about: str
    severity: Severity = Severity.INFO
    fields: tuple[Field, ...] = ()


def _text(name: str, about: str, **options: Any) -> Field:
    return Field(name, "string", about, **options)


def _count(name: str, about: str, **options: Any) -> Field:
    return Field(name, "integer", about, minimum=0, **options)


def _amount(name: str, about: str, **options: Any) -> Field:
    """Return a number that is never negative: a duration, a size, a rate."""
    return Field(name, "number", about, minimum=0, **options)


def _percent(name: str, about: str, **options: Any) -> Field:
    return Field(name, "number", about, minimum=0, maximum=100, **options)


def _section(name: str, about: str, *fields: Field, **options: Any) -> Field:
    return Field(name, "object", about, fields=fields, **options)


ENVELOPE = (
    _text("timestamp", "ISO 8601 local time with microseconds and UTC offset", required=True),
    _text("type", "what happened", required=True),
    _text("level", "severity: DEBUG, INFO, WARNING or ERROR", required=True),
    _text("message", "the event in one line for people", required=True),
    Field("non_finite", "object", "which numbers were nan, inf or -inf", values="string"),
)
RUN = (
    _text("run_id", "one `train()` call"),
    _count("rank", "the process's rank in the run"),
    _count("pid", "the process"),
    _count("seq", "number of the entry in its run and rank, from 0 without gaps"),
    _text("verbosity", "tier of the entry: low, medium, high or ultra"),
    _count("step", "optimizer steps done, this one included"),
    Field("epoch", "number", "epochs done, as a fraction", minimum=0, nullable=True),
)

METRICS = Field("metrics", "object", "the trainer's and the user's numbers, by their own names")
RESOURCE_USAGE = _section(
    "resource_usage",
    "the latest reading of the monitor (every 5th step at medium, every step from high on)",
    _section("cpu", "host processor", _percent("usage_percent", "busy share of all cores")),
    _section(
        "memory",
        "host memory",
        _percent("usage_percent", "share that cannot be reclaimed"),
        _amount("used_gb", "memory in use"),
        _amount("available_gb", "memory that can still be had"),
        _amount("total_gb", "memory of the host"),
    ),
    _section(
        "process",
        "this process",
        _amount("memory_gb", "resident memory"),
        _percent("memory_percent", "resident share of the host's memory"),
        _amount("cpu_percent", "CPU use, 100 for each busy core"),
        _count("threads", "threads"),
    ),
    tier=MEDIUM,
)
RESOURCE_AGE = _amount("resource_age_seconds", "age of `resource_usage`", tier=MEDIUM)


def _trend(name: str, about: str) -> Field:
    return _section(
        name,
        about,
        Field("current", "number", "latest value", nullable=True),
        Field("avg_last_5", "number", "mean of the last 5", nullable=True),
        _text("trend_direction", "increasing, decreasing or stable: a slope beyond its noise"),
        _text("window", "what the trend is taken over", tier=HIGH),
        Field("min_last_10", "number", "smallest of the last 10", tier=HIGH),
        Field("max_last_10", "number", "largest of the last 10", tier=HIGH),
        Field("slope_per_sample", "number", "least-squares slope over the window", tier=HIGH),
    )


TRENDS = _section(
    "trends",
    "where the last values are heading",
    _trend("memory_usage_trend", "host memory in percent, over the last distinct readings"),
    _trend("step_time_trend", "step time in seconds, over the last steps"),
    _trend("loss_trend", "loss, over the last logged losses"),
    tier=MEDIUM,
)
PHASES = _section(
    "phases",
    "where the time of the run went so far",
    _amount("data_wait_seconds", "waiting for batches"),
    _amount("data_skip_seconds", "passing over batches after a resume"),
    _amount("forward_backward_seconds", "micro-batches and gradient clipping"),
    _amount("optimizer_seconds", "optimizer and scheduler"),
    _amount("evaluation_seconds", "evaluations"),
    _amount("checkpoint_seconds", "checkpoints"),
    _amount("logging_seconds", "logging: the trainer's, its other callbacks' and vlog's own"),
    _amount("finalize_seconds", "after the last step: best model, clean-up"),
    tier=HIGH,
)
TIMING = _section(
    "timing",
    "host times",
    _amount("step_time_seconds", "data wait + forward and backward + optimizer of this step"),
    _amount("avg_step_time_seconds", "mean over this run"),
    _amount("elapsed_seconds", "since `training_start`"),
    _amount("eta_minutes", "until the end, with evaluations and checkpoints to come"),
    _text("estimated_completion", "ISO 8601 time of the end"),
    _amount("samples_per_second", "samples of all ranks over the time of the last steps"),
    _amount("tokens_per_second", "input tokens of all ranks, padding included"),
    _amount("median_step_time_seconds", "over the last steps", tier=HIGH),
    _amount("std_step_time_seconds", "standard deviation over the last steps", tier=HIGH),
    _amount("min_step_time_seconds", "over the last steps", tier=HIGH),
    _amount("max_step_time_seconds", "over the last steps", tier=HIGH),
    _amount("data_wait_seconds", "of this step", tier=HIGH),
    _amount("forward_backward_seconds", "of this step", tier=HIGH),
    _amount("optimizer_seconds", "of this step", tier=HIGH),
)
PROGRESS = _section(
    "progress",
    "how far the run is",
    _percent("progress_percent", "steps done of all steps"),
    _count("total_steps", "steps of the whole training"),
    _count("remaining_steps", "steps to come"),
)
STATISTICS = _section(
    "statistics",
    "the run in numbers",
    _count("steps", "steps of this run"),
    _count("total_steps", "steps of the whole training"),
    _amount("duration_seconds", "from `training_start` to the end"),
    _count("samples", "samples seen by all ranks"),
    _count("tokens", "input tokens seen by all ranks, padding included"),
    _amount("samples_per_second", "samples over the duration of the steps"),
    _amount("tokens_per_second", "tokens over the duration of the steps"),
    Field("final_loss", "number", "last logged loss", nullable=True),
    Field("best_loss", "number", "smallest logged loss"),
    _count("non_finite_losses", "steps whose loss was nan or infinite, if there were any"),
    _count("evaluations", "evaluations"),
    _count("checkpoints", "checkpoints"),
    _count("alerts", "alerts"),
    _section(
        "step_time",
        "step time over this run",
        _amount("mean_seconds", "mean"),
        _amount("median_seconds", "median of the last steps"),
        _amount("std_seconds", "standard deviation"),
        _amount("min_seconds", "fastest"),
        _amount("max_seconds", "slowest"),
    ),
    PHASES,
)
OVERHEAD = _section(
    "overhead",
    "what vlog cost",
    _amount("training_thread_seconds", "time in vlog's hooks"),
    Field("training_thread_percent", "number", "its share of the duration", minimum=0),
    _count("entries", "entries written before this one"),
    _count("bytes_written", "to files of the run's own, all of its logs, before this entry"),
    _count("failed", "calls into vlog that raised and were caught"),
)
ALERT = (
    _text("alert", "name of the alert", required=True),
    Field("value", "number", "the measured value", nullable=True),
    Field("threshold", "number", "the limit that it crossed"),
    Field("evidence", "object", "the numbers behind it"),
)
TIMED = {"required": True}

_EVENTS = (
    Event(
        EventType.SYSTEM_INITIALIZATION,
        LOW,
        "First entry of a run: where and with what it runs.",
        fields=(
            _count("schema_version", "version of this schema", required=True),
            _section(
                "environment",
                "versions, git commit, command line, host, container, Slurm",
                Field("versions", "object", "package versions", values="string"),
                Field("command_line", "array", "the process's arguments, redacted"),
                Field("host", "object", "name, system, processor, memory"),
            ),
            _section(
                "logging",
                "how the run is recorded",
                _text("verbosity_level", "verbosity of the run"),
                Field("log_file", "string", "the file of this log", nullable=True),
                Field("missing", "array", "what cannot be recorded in this set-up, and why"),
            ),
            _text("resumed_from", "run that wrote the checkpoint resumed from"),
            _text("resumed_from_checkpoint", "checkpoint resumed from"),
            _text("restarted_from", "run that ran out of memory and is tried again"),
            _text("previous_run_id", "run before this one of the same callback"),
        ),
    ),
    Event(
        EventType.TRAINING_INITIALIZATION,
        LOW,
        "The arguments, the model and the data sets are known.",
        fields=(
            Field("arguments", "object", "training arguments, redacted"),
            Field("model", "object", "parameters, dtypes, size, configuration"),
            Field("dataset", "object", "train and eval: type, size, columns, sample structure"),
        ),
    ),
    Event(
        EventType.TRAINING_START,
        LOW,
        "The first batch is about to be fetched.",
        fields=(
            _count("total_steps", "steps of the whole training"),
            _count("start_step", "steps done by earlier runs", required=True),
            Field("num_epochs", "number", "epochs of the whole training", minimum=0),
            Field("batch", "object", "batch size per device, accumulation, ranks"),
        ),
    ),
    Event(EventType.EPOCH_BEGIN, HIGH, "An epoch begins."),
    Event(
        EventType.EPOCH_COMPLETE,
        LOW,
        "An epoch ends.",
        fields=(
            _count("steps", "steps of the epoch in this run", required=True),
            METRICS,
            _section(
                "timing",
                "host times",
                _amount("epoch_seconds", "from begin to end", required=True),
                _amount("avg_step_time_seconds", "mean over the epoch"),
                required=True,
            ),
            PROGRESS,
        ),
    ),
    Event(EventType.STEP_BEGIN, ULTRA, "The batches of a step have been fetched."),
    Event(
        EventType.TRAINING_STEP_COMPLETE,
        MEDIUM,
        "An optimizer step is done.",
        fields=(
            Field("metrics", "object", METRICS.about, required=True),
            Field("timing", "object", TIMING.about, required=True, fields=TIMING.fields),
            PROGRESS,
            _count("loss_window_steps", "steps that `metrics.loss` is the mean of, if above 1"),
            Field("non_finite_steps", "array", "the first steps of it whose loss was not finite"),
            Field("batch", "object", "of a run's first step: shape and dtype by key of a batch"),
            RESOURCE_USAGE,
            RESOURCE_AGE,
            TRENDS,
            PHASES,
        ),
    ),
    Event(
        EventType.MICRO_BATCH,
        ULTRA,
        "A forward and backward pass is done.",
        fields=(
            _count("micro_batch", "number in its step, from 0", required=True),
            Field("batch", "object", "shape and dtype by key"),
            _count("samples", "samples of this rank"),
            _count("tokens", "input tokens of this rank, padding included"),
            _section("timing", "host time", _amount("micro_batch_seconds", "duration")),
        ),
    ),
    Event(
        EventType.TRAINING_METRICS_UPDATE,
        MEDIUM,
        "Metrics came after their step's entry; at ultra, any other trainer log too.",
        fields=(
            Field("metrics", "object", METRICS.about, required=True),
            _count("loss_window_steps", "steps that `metrics.loss` is the mean of, if above 1"),
            Field("non_finite_steps", "array", "the first steps of it whose loss was not finite"),
        ),
    ),
    Event(EventType.EVALUATION_START, HIGH, "The first batch of an evaluation has been seen."),
    Event(
        EventType.EVALUATION_COMPLETE,
        LOW,
        "An evaluation or prediction is done.",
        fields=(
            Field("metrics", "object", METRICS.about, required=True),
            _section("timing", "host time", _amount("evaluation_seconds", "duration", **TIMED)),
            _text("after_run", "run that ended before a stand-alone evaluation"),
        ),
    ),
    Event(
        EventType.PREDICTION_STEP,
        ULTRA,
        "A batch of an evaluation is done.",
        fields=(
            _count("prediction_step", "number in its evaluation, from 0", required=True),
            _section("timing", "host time", _amount("prediction_seconds", "since the one before")),
        ),
    ),
    Event(
        EventType.MODEL_CHECKPOINT_SAVE,
        LOW,
        "A checkpoint is written.",
        fields=(
            _section(
                "checkpoint",
                "what was written",
                Field("path", "string", "folder", nullable=True),
                _amount("size_mb", "all files"),
                _count("files", "number of files"),
                required=True,
            ),
            _section("timing", "host time", _amount("checkpoint_seconds", "duration", **TIMED)),
        ),
    ),
    Event(
        EventType.RESOURCE_WARNING,
        LOW,
        "A resource crossed its limit.",
        Severity.WARNING,
        ALERT,
    ),
    Event(
        EventType.TRAINING_ANOMALY,
        LOW,
        "The loss or the gradient norm is not finite.",
        Severity.WARNING,
        ALERT,
    ),
    Event(
        EventType.ALERT_RESOLVED,
        LOW,
        "What an alert named is over.",
        fields=(
            _text("alert", "name of the alert", required=True),
            _amount("active_seconds", "how long it lasted", required=True),
            Field("value", "number", "the measured value", nullable=True),
        ),
    ),
    Event(
        EventType.TRAINING_COMPLETE,
        LOW,
        "The training ended by itself.",
        fields=(
            Field(
                "statistics", "object", STATISTICS.about, required=True, fields=STATISTICS.fields
            ),
            METRICS,
            OVERHEAD,
        ),
    ),
    Event(
        EventType.TRAINING_INTERRUPTED,
        LOW,
        "The training was stopped: Ctrl-C, a signal, the interpreter's exit.",
        Severity.WARNING,
        fields=(_text("reason", "what stopped it", required=True), STATISTICS, OVERHEAD),
    ),
    Event(
        EventType.TRAINING_FAILED,
        LOW,
        "The training raised an exception.",
        Severity.ERROR,
        fields=(
            _section(
                "exception",
                "what was raised",
                _text("type", "class", required=True),
                _text("message", "text, redacted", required=True),
                _text("stack", "traceback, redacted", required=True),
                required=True,
            ),
            STATISTICS,
            OVERHEAD,
        ),
    ),
    Event(
        EventType.LOG_RECORD,
        LOW,
        "A record of any other logger, or an entry of the caller's.",
        fields=(
            _text("logger", "name of the logger"),
            Field("fields", "object", "the record's own keys"),
        ),
    ),
)

EVENTS: dict[EventType, Event] = {event.type: event for event in _EVENTS}


def fields_of(event: Event) -> Iterator[Field]:
    """Yield every top-level field that an entry of `event` can have, the common ones first."""
    yield from ENVELOPE
    yield from RUN
    yield from event.fields


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one line of a log."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"vlog entry, schema version {SCHEMA_VERSION}",
        "type": "object",
        "oneOf": [_event_schema(event) for event in EVENTS.values()],
    }


def _event_schema(event: Event) -> dict[str, Any]:
    schema = _object_schema(tuple(fields_of(event)))
    schema["description"] = f"{event.about} (verbosity {event.tier.label} and up)"
    schema["properties"]["type"] = {"const": str(event.type)}
    schema["properties"]["level"] = {"enum": [str(severity) for severity in Severity]}
    return schema


def _object_schema(fields: tuple[Field, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    if fields:
        schema["properties"] = {field.name: _field_schema(field) for field in fields}
        schema["required"] = [field.name for field in fields if field.required]
    return schema


def _field_schema(field: Field) -> dict[str, Any]:
    schema = _object_schema(field.fields) if field.kind == "object" else {}
    schema["description"] = field.about
    if field.kind != "any":
        schema["type"] = [field.kind, "null"] if field.nullable else field.kind
    if field.values is not None:
        schema["additionalProperties"] = {"type": field.values}
    if field.minimum is not None:
        schema["minimum"] = field.minimum
    if field.maximum is not None:
        schema["maximum"] = field.maximum
    return schema
