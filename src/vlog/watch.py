"""Alerts: the numbers of a run held against their limits, each crossing written once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog import alerts
from vlog.schema import EventType

if TYPE_CHECKING:
    from vlog.clock import Clock
    from vlog.resources import Reading
    from vlog.run_log import RunLog


class Watch:
    """Write an alert at a crossing, and `alert_resolved` when it is over.

    Args:
        log: Where to.
        clock: Tells how long an alert lasted.
        memory_alert_percent: Host memory above which there is an alert, 0 to 100.

    Attributes:
        is_over: Set when the run has ended: nothing is written any more.
    """

    def __init__(self, log: RunLog, clock: Clock, memory_alert_percent: float) -> None:
        self.is_over = False
        self._log = log
        self._clock = clock
        self._book = alerts.AlertBook()
        self._memory = alerts.Limit(alerts.HIGH_MEMORY, memory_alert_percent)

    @property
    def raised(self) -> int:
        """Number of alerts so far."""
        return self._book.raised

    def see_reading(self, reading: Reading) -> None:
        """Hold a reading against its limits, in the monitor's thread."""
        usage = reading.values.get("memory", {}).get("usage_percent")
        if usage is None:
            return
        with self._log.lock:
            self._update(
                EventType.RESOURCE_WARNING,
                self._memory.name,
                self._memory.is_crossed(usage, self._book.is_active(self._memory.name)),
                f"⚠️ Memory usage is {usage:.1f} % (limit {self._memory.threshold:g} %)",
                value=usage,
                threshold=self._memory.threshold,
                evidence=reading.values,
            )

    def see_loss(self, step: int, loss: Any) -> None:
        """Hold the loss of a step against the finite numbers."""
        self._see_number(alerts.NON_FINITE_LOSS, "Loss", step, loss)

    def see_grad_norm(self, step: int, norm: Any) -> None:
        """Hold the gradient norm of a step against the finite numbers."""
        self._see_number(alerts.NON_FINITE_GRAD_NORM, "Gradient norm", step, norm)

    def _see_number(self, name: str, what: str, step: int, value: Any) -> None:
        self._update(
            EventType.TRAINING_ANOMALY,
            name,
            alerts.is_non_finite(value),
            f"⚠️ {what} of step {step} is {value}",
            value=value,
            evidence={"anomalous_step": step},
        )

    def _update(
        self, kind: EventType, name: str, is_on: bool, message: str, value: Any, **fields: Any
    ) -> None:
        with self._log.lock:
            if self.is_over:
                return
            change = self._book.update(name, is_on, self._clock.monotonic())
            if change is None:
                return
            if change.is_raised:
                self._log.record(kind, message, alert=name, value=value, **fields)
            else:
                self._log.record(
                    EventType.ALERT_RESOLVED,
                    f"👍 {name} is over after {change.active_seconds:.1f} s",
                    alert=name,
                    active_seconds=change.active_seconds,
                    value=value,
                )
