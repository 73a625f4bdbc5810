"""What a user may ask of a recording: the options that every integration takes.

`VerboseLoggingCallback` and `training_run` take the same ones, and this is where they are named,
checked and made into the parts of a run.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from vlog.alerts import Limits
from vlog.capture import check_names
from vlog.clock import Clock, SystemClock
from vlog.environment_settings import from_environment
from vlog.errors import ConfigurationError, refuse_unknown
from vlog.output import DefaultText, Output, Rotation, is_configured
from vlog.recorder import Recorder
from vlog.settings import Settings
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from vlog.resources import Source


DEFAULT_VERBOSITY: str = DefaultText("high")


class Options(TypedDict, total=False):
    """The options, each with its default.

    Attributes:
        standard_log: None. True for the flat standard log `training_logs.jsonl` beside the log, or
            its path. Written by rank 0.
        console: None: milestones, warnings and progress on standard error, as it fits; True: in
            place of the framework's own progress; False: nothing. Rank 0 only.
        memory_alert_percent: 90. Memory of the host, or of the container's limit, above which
            there is an alert, above 1; at 100 there is none.
        gpu_memory_alert_percent: 95. The same of each GPU.
        disk_alert_percent: 95. The same of the disks that hold the log and the output folder.
        temperature_alert_celsius: None. Of any sensor; None for 5 below what it calls critical.
        slow_step_alert_factor: 1.5. How many times as long as usual steps must take, above 1.
        alert_after_seconds: 10. How long heat, throttling and slow steps must last.
        reading_interval_seconds: None. Time between two resource readings; None for the
            verbosity's own (10 at low, 5 at medium, 1 at high, 0.5 at ultra).
        overhead_budget_percent: 1. Share of the step time that vlog may take on the training
            thread, 0 to 100; above it micro-batches, trends and resource readings are left out
            for a while. 0 for no budget.
        max_mb: 512. Size in MiB at which the log is set aside as a segment; 0 for never.
        total_mb: 4096. Size in MiB of all segments above which the oldest are deleted.
        compress: `"zstd"`. How segments are compressed: `"zstd"`, `"gzip"` or `"none"`.
        buffer_mb: 16. MiB of entries that wait in memory while the log cannot be written.
        capture: Loggers whose records are taken into the log as `log_record`, at the levels that
            they have: `("transformers", "datasets", "accelerate", "trl", "peft", "torch",
            "py.warnings")`, the last for `warnings.warn`. `"root"` for all, `[]` for none.
        propagate: False. Whether the app's own handlers receive the entries as text too: those of
            the logger `vlog` and of root, from the level on that these loggers have. vlog's own
            console is off then, unless `console` asks for it.
        on_alert: None. Called with the entry of each alert, and of a run that failed or was
            interrupted, in a thread of its own.
        clock: None. Where time comes from.
        sources: None. What the monitor measures; None for everything that this machine has.
    """

    standard_log: str | os.PathLike[str] | bool | None
    console: bool | None
    memory_alert_percent: float
    gpu_memory_alert_percent: float
    disk_alert_percent: float
    temperature_alert_celsius: float | None
    slow_step_alert_factor: float
    alert_after_seconds: float
    reading_interval_seconds: float | None
    overhead_budget_percent: float
    max_mb: float
    total_mb: float
    compress: str
    buffer_mb: float
    capture: Iterable[str] | None
    propagate: bool
    on_alert: Callable[[dict[str, Any]], object] | None
    clock: Clock | None
    sources: list[Source] | None


class Recording:
    """What a user asked for, checked; it makes the recorder of each run.

    Args:
        verbosity_level: Of its runs.
        log_file: Path of the log; see `Output`.
        options: Any of `Options`.
        also: Options that the caller has beside these; only named when one is unknown.

    Raises:
        ConfigurationError: an option has a value that it cannot take, or is unknown.
        LogFileError: a log cannot be written where it was asked for.

    Attributes:
        output: Where its runs are written.
        settings: How.
        sources: What the monitor measures; None for everything that this machine has.
        clock: Where time comes from.
    """

    def __init__(
        self,
        verbosity_level: str | Verbosity,
        log_file: str | os.PathLike[str] | None,
        options: Mapping[str, Any],
        also: tuple[str, ...] = (),
    ) -> None:
        known = Options.__annotations__
        refuse_unknown(options, ("verbosity_level", "log_file", *known, *also))
        given = from_environment()
        uses_configuration = is_configured(log_file)
        if not uses_configuration:  # what is configured has taken them in
            options = {**given, **options}
            log_file = given.get("log_file", log_file) if _is_default(log_file) else log_file
        if _is_default(verbosity_level):
            configured = _configured_verbosity() if uses_configuration else Verbosity.HIGH
            verbosity_level = given.get("verbosity_level", configured)
        self.sources: list[Source] | None = options.get("sources")
        if self.sources is not None and not (
            isinstance(self.sources, list) and all(hasattr(each, "read") for each in self.sources)
        ):
            raise ConfigurationError(f"sources is {self.sources!r}. Expected a list of sources.")
        self.clock: Clock = options.get("clock") or SystemClock()
        self.settings = Settings(
            Verbosity.parse(verbosity_level),
            Limits(**_chosen(options, {_limit_option(name): name for name in Limits.__slots__})),
            options.get("reading_interval_seconds"),
            check_names(options.get("capture")),
            options.get("overhead_budget_percent", Settings.overhead_budget_percent),
        )
        self.output = Output(
            log_file,
            options.get("standard_log"),
            Rotation(**_chosen(options, {name: name for name in Rotation.__annotations__})),
            options.get("console"),
            propagate=options.get("propagate", False),
            on_alert=options.get("on_alert"),
        )

    def set_verbosity(self, verbosity: Verbosity) -> None:
        """Write the runs to come at `verbosity`."""
        self.settings = replace(self.settings, verbosity=verbosity)

    def new_run(self, on_end: Callable[[Recorder], None] | None = None) -> Recorder:
        """Return the recorder of a new run."""
        return Recorder(self.output, self.settings, self.clock, self.sources, on_end)


def _is_default(value: object) -> bool:
    return isinstance(value, DefaultText)


def _configured_verbosity() -> Verbosity:
    """Return the verbosity that the level of the logger `vlog` stands for; high for any other."""
    level = logging.getLogger("vlog").level
    return Verbosity(level) if level in list(Verbosity) else Verbosity.HIGH


def _limit_option(name: str) -> str:
    """Return the option that sets the field `name` of `Limits`."""
    if name == "after_seconds":
        return "alert_after_seconds"
    what, _, unit = name.rpartition("_")
    return f"{what}_alert_{unit}"


def _chosen(options: Mapping[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return the options that were given, under the names that `names` has for them."""
    return {name: options[option] for option, name in names.items() if option in options}
