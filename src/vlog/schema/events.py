"""Every event type: when it is written, at which verbosity, and with which fields."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vlog.schema.event_types import EventType, Severity
from vlog.schema.fields import (
    HIGH,
    LOW,
    MEDIUM,
    ULTRA,
    Field,
    amount,
    count,
    section,
    text,
)
from vlog.schema.resources import RESOURCE_USAGE
from vlog.schema.sections import (
    ALERT,
    BUDGET_PERCENT,
    ENVELOPE,
    METRICS,
    OVERHEAD,
    PHASES,
    PROGRESS,
    RESOURCE_AGE,
    RESOURCE_MISSING,
    RUN,
    STATISTICS,
    STEP_OVERHEAD,
    TIMING,
    TRENDS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlog.verbosity import Verbosity


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


_DATA = (
    text("source", "file, folder, Hub name, or type of the object"),
    text("form", "form of the rows: messages, prompt_completion, instruction or text"),
    Field("columns", "array", "the columns that were found"),
    count("rows", "rows; absent where that is not known"),
)
_EVENTS = (
    Event(
        EventType.SYSTEM_INITIALIZATION,
        LOW,
        "First entry of a run: where and with what it runs.",
        fields=(
            count("schema_version", "version of this schema", required=True),
            section(
                "environment",
                "versions, git commit, command line, host, container, Slurm",
                Field("versions", "object", "package versions", values="string"),
                Field("command_line", "array", "the process's arguments, redacted"),
                Field("host", "object", "name, system, processor, memory"),
            ),
            section(
                "logging",
                "how the run is recorded",
                text("verbosity_level", "verbosity of the run"),
                Field("log_file", "string", "the file of this log", nullable=True),
                Field("missing", "array", "what cannot be recorded in this set-up, and why"),
                Field("alert_limits", "object", "the thresholds of the alerts"),
            ),
            text("resumed_from", "run that wrote the checkpoint resumed from"),
            text("resumed_from_checkpoint", "checkpoint resumed from"),
            text("restarted_from", "run that ran out of memory and is tried again"),
            text("previous_run_id", "run before this one of the same callback"),
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
            count("total_steps", "steps of the whole training"),
            count("start_step", "steps done by earlier runs", required=True),
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
            count("steps", "steps of the epoch in this run", required=True),
            METRICS,
            section(
                "timing",
                "host times",
                amount("epoch_seconds", "from begin to end", required=True),
                amount("avg_step_time_seconds", "mean over the epoch"),
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
            count("loss_window_steps", "steps that `metrics.loss` is the mean of, if above 1"),
            Field("non_finite_steps", "array", "the first steps of it whose loss was not finite"),
            Field("batch", "object", "of a run's first step: shape and dtype by key of a batch"),
            count("samples", "samples of all ranks in the step"),
            count("tokens", "input tokens of all ranks in the step, padding included"),
            RESOURCE_USAGE,
            RESOURCE_AGE,
            RESOURCE_MISSING,
            TRENDS,
            PHASES,
            STEP_OVERHEAD,
        ),
    ),
    Event(
        EventType.MICRO_BATCH,
        ULTRA,
        "A forward and backward pass is done.",
        fields=(
            count("micro_batch", "number in its step, from 0", required=True),
            Field("batch", "object", "shape and dtype by key"),
            count("samples", "samples of this rank"),
            count("tokens", "input tokens of this rank, padding included"),
            section("timing", "host time", amount("micro_batch_seconds", "duration")),
        ),
    ),
    Event(
        EventType.TRAINING_METRICS_UPDATE,
        MEDIUM,
        "Metrics came after their step's entry; at ultra, any other trainer log too.",
        fields=(
            Field("metrics", "object", METRICS.about, required=True),
            count("loss_window_steps", "steps that `metrics.loss` is the mean of, if above 1"),
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
            section("timing", "host time", amount("evaluation_seconds", "duration", required=True)),
            text("after_run", "run that ended before a stand-alone evaluation"),
        ),
    ),
    Event(
        EventType.PREDICTION_STEP,
        ULTRA,
        "A batch of an evaluation is done.",
        fields=(
            count("prediction_step", "number in its evaluation, from 0", required=True),
            section("timing", "host time", amount("prediction_seconds", "since the one before")),
        ),
    ),
    Event(
        EventType.MODEL_CHECKPOINT_SAVE,
        LOW,
        "A checkpoint is written.",
        fields=(
            section(
                "checkpoint",
                "what was written",
                Field("path", "string", "folder", nullable=True),
                amount("size_mb", "all files"),
                count("files", "number of files"),
                required=True,
            ),
            section("timing", "host time", amount("checkpoint_seconds", "duration", required=True)),
        ),
    ),
    Event(
        EventType.RESOURCE_WARNING,
        LOW,
        "A resource crossed its limit, or cannot be read any more.",
        Severity.WARNING,
        ALERT,
    ),
    Event(
        EventType.PERFORMANCE_ANOMALY,
        LOW,
        "Steps have been slower than usual for a while.",
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
            *(field for field in ALERT if field.name != "evidence"),
            amount("active_seconds", "how long it lasted", required=True),
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
        fields=(text("reason", "what stopped it", required=True), STATISTICS, OVERHEAD),
    ),
    Event(
        EventType.TRAINING_FAILED,
        LOW,
        "The training raised an exception.",
        Severity.ERROR,
        fields=(
            section(
                "exception",
                "what was raised",
                text("type", "class", required=True),
                text("message", "text, redacted", required=True),
                text("stack", "traceback, redacted", required=True),
                required=True,
            ),
            STATISTICS,
            OVERHEAD,
        ),
    ),
    Event(
        EventType.LOGGING_GAP,
        LOW,
        "Entries were dropped: this one stands in their place.",
        Severity.ERROR,
        fields=(
            count("dropped", "how many", required=True),
            text("reason", "why", required=True),
            count("first_seq", "`seq` of the first of them, in its run and rank"),
            count("last_seq", "`seq` of the last of them, which is that of this entry"),
            text("first_dropped", "ISO 8601 time of the first of them"),
            text("last_dropped", "ISO 8601 time of the last of them"),
        ),
    ),
    Event(
        EventType.CONFIGURATION_LOADED,
        LOW,
        "Fine-tuning: the configuration and the data have been checked.",
        fields=(
            Field("configuration", "object", "value by key, redacted", required=True),
            Field("given", "array", "the keys that the caller gave; others have their default"),
            section("timing", "host time", amount("check_seconds", "to check the configuration")),
        ),
    ),
    Event(
        EventType.DATASET_READY,
        LOW,
        "Fine-tuning: the data are loaded and in order.",
        fields=(
            section("dataset", "what is trained on", *_DATA, required=True),
            section("eval_dataset", "what is evaluated on", *_DATA),
            section("timing", "host time", amount("load_seconds", "to read and check all data")),
        ),
    ),
    Event(
        EventType.MODEL_LOADED,
        LOW,
        "Fine-tuning: the model is loaded, with its adapters.",
        fields=(
            Field("model", "object", "parameters, dtypes, size, configuration", required=True),
            section("timing", "host time", amount("load_seconds", "to load it")),
        ),
    ),
    Event(
        EventType.VERBOSITY_CHANGED,
        LOW,
        "Somebody switched the verbosity, or the steps of that are over.",
        fields=(
            text("verbosity_before", "what it was", required=True),
            text("verbosity_now", "what it is from here on", required=True),
            count("steps", "for how many steps; absent for the rest of the run"),
            text("source", "python, command or steps are over"),
        ),
    ),
    Event(
        EventType.OVERHEAD_BUDGET,
        LOW,
        "To keep its budget vlog leaves something out, or writes it again.",
        fields=(
            text("change", "shed, restored, or exceeded if nothing is left to shed", required=True),
            text("extra", "micro_batches, trends or resources; absent if exceeded"),
            Field(
                "shed",
                "array",
                "all that is left out now; of resources, one reading in 10 s is not",
                required=True,
                values="string",
            ),
            amount("overhead_percent", "share of the step time that vlog took", required=True),
            replace(BUDGET_PERCENT, required=True),
        ),
    ),
    Event(
        EventType.LOG_RECORD,
        LOW,
        "A record of any other logger, or an entry of the caller's.",
        fields=(
            text("logger", "name of the logger"),
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
