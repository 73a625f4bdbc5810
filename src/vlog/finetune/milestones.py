"""What is recorded before the run begins, in the same files as the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.describe import describe_exception
from vlog.finetune.logs import log_options
from vlog.run_log import record_alone
from vlog.schema import EventType
from vlog.values import clean_text

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

        self.callback: VerboseLoggingCallback = VerboseLoggingCallback(**log_options(values))
        self._output = self.callback._output  # noqa: SLF001 - the run's own files

    def record(self, kind: EventType, message: str, **fields: Any) -> None:
        """Write one entry; what goes wrong is reported and does not stop the training."""
        try:
            record_alone(self._output, kind, message, **fields)
        except Exception as error:  # noqa: BLE001 - this is the boundary to the training
            self._output.report(f"{kind} could not be recorded", error)

    def record_end(self, error: BaseException) -> None:
        """Write that there is no run, and why; a run that has begun has told its end itself."""
        if self.callback._last_run_id is not None:  # noqa: SLF001 - known once the run is open
            return
        if not isinstance(error, Exception):
            reason = type(error).__name__
            message = f"🛑 Training interrupted before it began: {reason}"
            self.record(EventType.TRAINING_INTERRUPTED, message, reason=reason)
            return
        exception = describe_exception(error)
        what = f"{exception['type']}: {clean_text(exception['message'], 500)}"
        self.record(
            EventType.TRAINING_FAILED,
            f"❌ Training could not begin: {what}",
            exception=exception,
        )
