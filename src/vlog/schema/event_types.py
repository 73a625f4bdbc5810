"""The names of what an entry says: what happened, and how bad it is."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """The `level` of an entry: how bad it is, never how detailed."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class EventType(StrEnum):
    """What happened: the `type` of an entry."""

    __hash__ = str.__hash__  # that of an enum is written in Python, and asked for in each entry

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
    PERFORMANCE_ANOMALY = "performance_anomaly"
    TRAINING_ANOMALY = "training_anomaly"
    ALERT_RESOLVED = "alert_resolved"
    TRAINING_COMPLETE = "training_complete"
    TRAINING_INTERRUPTED = "training_interrupted"
    TRAINING_FAILED = "training_failed"
    LOGGING_GAP = "logging_gap"
    CONFIGURATION_LOADED = "configuration_loaded"
    DATASET_READY = "dataset_ready"
    MODEL_LOADED = "model_loaded"
    VERBOSITY_CHANGED = "verbosity_changed"
    OVERHEAD_BUDGET = "overhead_budget"
    LOG_RECORD = "log_record"


END_EVENTS = frozenset(
    {
        EventType.TRAINING_COMPLETE,
        EventType.TRAINING_INTERRUPTED,
        EventType.TRAINING_FAILED,
    }
)
