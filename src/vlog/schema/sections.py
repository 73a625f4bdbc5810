"""The fields that stand in every entry, and the sections that several event types share."""

from __future__ import annotations

from vlog.schema.fields import HIGH, MEDIUM, ULTRA, Field, amount, count, percent, section, text

ENVELOPE = (
    text("timestamp", "ISO 8601 local time with microseconds and UTC offset", required=True),
    text("type", "what happened", required=True),
    text("level", "severity: DEBUG, INFO, WARNING or ERROR", required=True),
    text("message", "the event in one line for people", required=True),
    Field("non_finite", "object", "which numbers were nan, inf or -inf", values="string"),
)
RUN = (
    text("run_id", "one `train()` call"),
    count("rank", "the process's rank in the run"),
    count("pid", "the process"),
    count("seq", "number of the entry in its run and rank, from 0 without gaps"),
    text("verbosity", "tier of the entry: low, medium, high or ultra"),
    count("step", "optimizer steps done, this one included"),
    Field("epoch", "number", "epochs done, as a fraction", minimum=0, nullable=True),
)

METRICS = Field("metrics", "object", "the trainer's and the user's numbers, by their own names")
RESOURCE_AGE = amount("resource_age_seconds", "age of `resource_usage`", tier=MEDIUM)
RESOURCE_MISSING = Field(
    "resource_missing",
    "object",
    "what cannot be read, by path: `why` and `since`; at the first reading and at each change",
    tier=MEDIUM,
)


def _trend(name: str, about: str) -> Field:
    return section(
        name,
        about,
        Field("current", "number", "latest value", nullable=True),
        Field("avg_last_5", "number", "mean of the last 5", nullable=True),
        text("trend_direction", "increasing, decreasing or stable: a slope beyond its noise"),
        text("window", "what the trend is taken over", tier=HIGH),
        Field("min_last_10", "number", "smallest of the last 10", tier=HIGH),
        Field("max_last_10", "number", "largest of the last 10", tier=HIGH),
        Field("slope_per_sample", "number", "least-squares slope over the window", tier=HIGH),
    )


TRENDS = section(
    "trends",
    "where the last values are heading",
    _trend("memory_usage_trend", "memory in percent, over the last distinct readings"),
    _trend("gpu_memory_usage_trend", "memory of the fullest GPU in percent, over the same"),
    _trend("cpu_usage_trend", "processor in percent, over the same"),
    _trend("step_time_trend", "step time in seconds, over the last steps"),
    _trend("throughput_trend", "tokens (or samples) a second, over the last steps"),
    _trend("loss_trend", "loss, over the last logged losses"),
    tier=MEDIUM,
)
PHASES = section(
    "phases",
    "where the time of the run went so far",
    amount("data_wait_seconds", "waiting for batches"),
    amount("data_skip_seconds", "passing over batches after a resume"),
    amount("forward_backward_seconds", "micro-batches and gradient clipping"),
    amount("optimizer_seconds", "optimizer and scheduler"),
    amount("evaluation_seconds", "evaluations"),
    amount("checkpoint_seconds", "checkpoints"),
    amount("logging_seconds", "logging: the trainer's, its other callbacks' and vlog's own"),
    amount("finalize_seconds", "after the last step: best model, clean-up"),
    tier=HIGH,
)
TIMING = section(
    "timing",
    "host times",
    amount("step_time_seconds", "data wait + forward and backward + optimizer of this step"),
    amount("avg_step_time_seconds", "mean over this run"),
    amount("elapsed_seconds", "since `training_start`"),
    amount("eta_minutes", "until the end, with evaluations and checkpoints to come"),
    text("estimated_completion", "ISO 8601 time of the end"),
    amount("samples_per_second", "samples of all ranks over the time of the last steps"),
    amount("tokens_per_second", "input tokens of all ranks, padding included"),
    amount("median_step_time_seconds", "over the last steps", tier=HIGH),
    amount("std_step_time_seconds", "standard deviation over the last steps", tier=HIGH),
    amount("min_step_time_seconds", "over the last steps", tier=HIGH),
    amount("max_step_time_seconds", "over the last steps", tier=HIGH),
    amount("data_wait_seconds", "of this step", tier=HIGH),
    amount("forward_backward_seconds", "of this step", tier=HIGH),
    amount("optimizer_seconds", "of this step", tier=HIGH),
)
PROGRESS = section(
    "progress",
    "how far the run is",
    percent("progress_percent", "steps done of all steps"),
    count("total_steps", "steps of the whole training"),
    count("remaining_steps", "steps to come"),
)
STATISTICS = section(
    "statistics",
    "the run in numbers",
    count("steps", "steps of this run"),
    count("total_steps", "steps of the whole training"),
    amount("duration_seconds", "from `training_start` to the end"),
    count("samples", "samples seen by all ranks"),
    count("tokens", "input tokens seen by all ranks, padding included"),
    amount("samples_per_second", "samples over the duration of the steps"),
    amount("tokens_per_second", "tokens over the duration of the steps"),
    Field("final_loss", "number", "last logged loss", nullable=True),
    Field("best_loss", "number", "smallest logged loss"),
    count("non_finite_losses", "steps whose loss was nan or infinite, if there were any"),
    count("evaluations", "evaluations"),
    count("checkpoints", "checkpoints"),
    count("alerts", "alerts"),
    section(
        "step_time",
        "step time over this run",
        amount("mean_seconds", "mean"),
        amount("median_seconds", "median of the last steps"),
        amount("std_seconds", "standard deviation"),
        amount("min_seconds", "fastest"),
        amount("max_seconds", "slowest"),
    ),
    PHASES,
)
BUDGET_PERCENT = percent("budget_percent", "share of the step time that vlog may take; 0 for any")
_TRAINING_THREAD = (
    amount("training_thread_seconds", "time in vlog's hooks"),
    amount("training_thread_percent", "its share of the duration"),
)
OVERHEAD = section(
    "overhead",
    "what vlog cost",
    *_TRAINING_THREAD,
    amount("per_step_seconds", "mean of `training_thread_seconds` over the steps of this run"),
    amount("monitor_cpu_seconds", "processor time of the threads that measure"),
    amount("thread_cpu_seconds", "processor time of all threads of vlog's own, those included"),
    count("entries", "entries written before this one"),
    count("bytes_written", "to files of the run's own, all of its logs, before this entry"),
    amount("bytes_per_step", "mean of `bytes_written` over the steps of this run"),
    count("failed", "reports to the error log: what raised, or could not be written"),
    BUDGET_PERCENT,
    count("shed_steps", "steps in which something was left out to keep the budget"),
)
STEP_OVERHEAD = section(
    "overhead",
    "what vlog cost since the last step's entry",
    *_TRAINING_THREAD,
    count("bytes_written", "to files of the run's own, all of its logs"),
    tier=ULTRA,
)
ALERT = (
    text("alert", "name of the alert", required=True),
    text("subject", "what it is about, where there are several: a device, a file system"),
    Field("value", "number", "the measured value", nullable=True),
    Field("threshold", "number", "the limit that it crossed"),
    Field("evidence", "object", "the numbers behind it"),
)
