"""Alerts: readings, steps and numbers held against their limits, each crossing written once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from vlog.alerts import (
    NON_FINITE_GRAD_NORM,
    NON_FINITE_LOSS,
    RESOURCE_DETECTORS,
    AlertBook,
    Finding,
    Limits,
    Situation,
    StepCost,
    StepPace,
    is_non_finite,
)
from vlog.schema import EventType

if TYPE_CHECKING:
    from vlog.clock import Clock
    from vlog.resources import Reading
    from vlog.run_log import RunLog

_MOST_READINGS = 1_000


class Watch:
    """Write an alert at a crossing, and `alert_resolved` when it is over.

    Args:
        log: Where to.
        clock: Tells how long an alert lasted.
        limits: The thresholds.

    Attributes:
        is_over: Set when the run has ended: nothing is written any more.
        checkpoint_gb: What the next checkpoint needs, as far as is known.
    """

    def __init__(self, log: RunLog, clock: Clock, limits: Limits) -> None:
        self.is_over = False
        self.checkpoint_gb: float | None = None
        self._log = log
        self._clock = clock
        self._limits = limits
        self._book = AlertBook()
        self._window: deque[Reading] = deque(maxlen=_MOST_READINGS)
        self._pace = StepPace(limits)

    @property
    def raised(self) -> int:
        """Number of alerts so far."""
        return self._book.raised

    def see_reading(self, reading: Reading) -> None:
        """Hold a reading against its limits, in the monitor's thread."""
        self._window.append(reading)
        while reading.taken - self._window[0].taken > 2 * self._limits.after_seconds:
            self._window.popleft()
        situation = Situation(self._window, self._limits, self._book.active, self.checkpoint_gb)
        for detect in RESOURCE_DETECTORS:
            for finding in detect(situation):
                self._update(EventType.RESOURCE_WARNING, finding)

    def see_step(self, cost: StepCost) -> None:
        """Hold the time of a step against the steps before it."""
        finding = self._pace.add(cost, self._clock.monotonic())
        self._update(EventType.PERFORMANCE_ANOMALY, finding)

    def see_loss(self, step: int, loss: Any) -> None:
        """Hold the loss of a step against the finite numbers."""
        self._see_number(NON_FINITE_LOSS, "Loss", step, loss)

    def see_grad_norm(self, step: int, norm: Any) -> None:
        """Hold the gradient norm of a step against the finite numbers."""
        self._see_number(NON_FINITE_GRAD_NORM, "Gradient norm", step, norm)

    def _see_number(self, name: str, what: str, step: int, value: Any) -> None:
        self._update(
            EventType.TRAINING_ANOMALY,
            Finding(
                name,
                is_non_finite(value),
                f"{what} of step {step} is {value}",
                value=value,
                evidence={"anomalous_step": step},
            ),
        )

    def _update(self, kind: EventType, finding: Finding) -> None:
        with self._log.lock:
            if self.is_over:
                return
            name, subject = finding.alert, finding.subject
            change = self._book.update(name, subject, finding.is_on, self._clock.monotonic())
            if change is None:
                return
            fields = {"subject": subject, "value": finding.value, "threshold": finding.threshold}
            known: dict[str, Any] = {key: each for key, each in fields.items() if each is not None}
            if change.is_raised:
                self._log.record(
                    kind, f"⚠️ {finding.message}", alert=name, **known, evidence=finding.evidence
                )
                return
            of = f" of {subject}" if subject else ""
            self._log.record(
                EventType.ALERT_RESOLVED,
                f"👍 {name}{of} is over after {change.active_seconds:.1f} s",
                alert=name,
                active_seconds=change.active_seconds,
                **known,
            )
