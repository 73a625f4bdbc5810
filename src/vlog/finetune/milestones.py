"""What is recorded before the run begins, in the same files as the run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from vlog.describe import describe_exception
from vlog.environment_settings import from_environment
from vlog.run_log import record_alone
from vlog.schema import EventType

if TYPE_CHECKING:
    from vlog.integrations.transformers import VerboseLoggingCallback


class Milestones:
    """Write the entries of what comes before a run.

    Args:
        values: The configuration.

    Raises:
        ConfigurationError: a log cannot be used.

    Attributes:
        callback: Records the run.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        from vlog.integrations.transformers import VerboseLoggingCallback  # noqa: PLC0415

        options = {name: values[name] for name in _OPTIONS if values[name] is not None}
        if not values["use_verbose_logging"]:
            options["log_file"] = None
        if "standard_log" not in options and _wants_standard_log(options):
            options["standard_log"] = True
        self.callback: VerboseLoggingCallback = VerboseLoggingCallback(**options)
        self._output = self.callback._output  # noqa: SLF001 - the run's own files

    def record(self, kind: EventType, message: str, **fields: Any) -> None:
        """Write one entry; what goes wrong is reported and does not stop the training."""
        try:
            record_alone(self._output, kind, message, **fields)
        except Exception as error:  # noqa: BLE001 - this is the boundary to the training
            self._output.report(f"{kind} could not be recorded", error)

    def record_failure(self, error: Exception) -> None:
        """Write that there will be no run, and why."""
        exception = describe_exception(error)
        self.record(
            EventType.TRAINING_FAILED,
            f"❌ Training could not begin: {exception['type']}: {exception['message'][:500]}",
            exception=exception,
        )


_OPTIONS = ("verbosity_level", "log_file", "standard_log", "console")


def _wants_standard_log(options: dict[str, Any]) -> bool:
    """Return whether to write a standard log beside the log where the caller has not said so.

    An app that has configured the logger `vlog` has said there what it wants, and an environment
    variable may say it.
    """
    if "log_file" in options:
        return True
    return not logging.getLogger("vlog").handlers and "standard_log" not in from_environment()
