"""Alerts: readings, steps and numbers held against their limits, each crossing written once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vlog.alerts import (
    NON_FINITE_GRAD_NORM,
    NON_FINITE_LOSS,
    AlertBook,
    Finding,
    Limits,
    Situation,
    SlowSteps,
    StepCost,
    evidence_of,
    find_resource_alerts,
    is_non_finite,
    little_room,
)
from vlog.schema import EventType

if TYPE_CHECKING:
    from vlog.clock import Clock
    from vlog.resources import Reading
    from vlog.run_log import RunLog

_MOST_STEPS = 32  # that wait to be looked at, and ...
_LONGEST_WAIT_SECONDS = 0.25  # ... how long
_CAUSES = ("cpu", "pressure", "process", "children", "gpu")  # of slow steps


class Watch:
    """Write an alert at a crossing, and `alert_resolved` when it is over.

    Args:
        log: Where to.
        clock: Tells how long an alert lasted.
        limits: The thresholds.

    Attributes:
        is_over: Set when the run has ended: nothing is written any more.
    """

    def __init__(self, log: RunLog, clock: Clock, limits: Limits) -> None:
        self.is_over = False
        self._log = log
        self._clock = clock
        self._limits = limits
        self._book = AlertBook()
        self._slow_steps = SlowSteps(limits)
        self._reading: Reading | None = None  # the newest, until a step has seen it
        self._latest: Reading | None = None
        self._checkpoint_gb: float | None = None
        self._saved = -math.inf
        self._steps: list[tuple[StepCost, float]] = []  # that wait, and when they ended

    @property
    def raised(self) -> int:
        """Number of alerts so far."""
        return self._book.raised

    def expect_checkpoint(self, size_gb: float | None) -> None:
        """Note what the next checkpoint needs, and that none is being written now."""
        self._checkpoint_gb = size_gb
        self._saved = self._clock.monotonic()

    def see_reading(self, reading: Reading) -> None:
        """Hold a reading against its limits, in the monitor's thread."""
        self._reading = reading
        situation = self._situation(reading)
        for finding in find_resource_alerts(situation):
            self._update(EventType.RESOURCE_WARNING, finding, reading.taken)

    def see_step(self, cost: StepCost) -> None:
        """Hold the time of a step against the steps before it, and the room on the disk.

        The pace of short steps is looked at some at a time, which costs each of them less.
        """
        if self._reading is not None:
            self._see_room()
        steps, now = self._steps, self._clock.monotonic()
        steps.append((cost, now))
        if len(steps) < _MOST_STEPS and now - steps[0][1] + cost.seconds < _LONGEST_WAIT_SECONDS:
            return
        self.see_waiting_steps()

    def see_waiting_steps(self) -> None:
        """Look at the steps that wait for others, when the run ends."""
        steps, self._steps = self._steps, []
        for each, at in steps:
            self._see_pace(each, at)

    def _see_room(self) -> None:
        """Look at the room on the disk, by a reading that no step has seen."""
        reading, self._reading = self._reading, None  # once each
        self._latest = reading or self._latest
        if reading is None or self._checkpoint_gb is None:
            return
        # A step has just ended: no checkpoint was being written since the last one was done.
        age = reading.values.get("disk", {}).get("age_seconds", 0.0)
        if reading.taken - age > self._saved:
            for found in little_room(self._situation(reading)):
                self._update(EventType.RESOURCE_WARNING, found)

    def _see_pace(self, cost: StepCost, now: float) -> None:
        finding = self._slow_steps.add(cost, now)
        if finding is not None:
            if finding.evidence and self._latest is not None:
                finding.evidence.update(evidence_of(self._latest, *_CAUSES))
            self._update(EventType.PERFORMANCE_ANOMALY, finding)

    def _situation(self, reading: Reading) -> Situation:
        with self._log.lock:  # the other thread may be raising an alert
            return Situation(reading, self._limits, self._book.active, self._checkpoint_gb)

    def see_numbers(self, step: int, loss: Any, norm: Any) -> None:
        """Hold loss and gradient norm of a step against the finite numbers; None is none."""
        if self._book.is_quiet and _is_fine(loss) and _is_fine(norm):
            return  # as in most steps
        if loss is not None:
            self.see_loss(step, loss)
        if norm is not None:
            self.see_grad_norm(step, norm)

    def see_loss(self, step: int, loss: Any) -> None:
        """Hold the loss of a step against the finite numbers."""
        self._see_number(NON_FINITE_LOSS, "Loss", step, loss)

    def see_grad_norm(self, step: int, norm: Any) -> None:
        """Hold the gradient norm of a step against the finite numbers."""
        self._see_number(NON_FINITE_GRAD_NORM, "Gradient norm", step, norm)

    def _see_number(self, name: str, what: str, step: int, value: Any) -> None:
        kind = type(value)  # asking the value itself may raise
        if issubclass(kind, str):
            return  # no number: it neither begins nor ends anything
        is_on = is_non_finite(value)
        self._update(
            EventType.TRAINING_ANOMALY,
            Finding(
                name,
                is_on,
                # Of anything but a number, the text may raise, or wait for a device.
                f"{what} of step {step} is {value}" if is_on else "",
                value=value if is_on or issubclass(kind, (int, float)) else None,
                evidence={"anomalous_step": step},
            ),
        )

    def _update(self, kind: EventType, finding: Finding, now: float | None = None) -> None:
        with self._log.lock:
            if self.is_over:
                return
            key = finding.alert, finding.subject
            now = self._clock.monotonic() if now is None else now
            after = self._limits.after_seconds if finding.must_last else 0.0
            change = self._book.update(key, finding.is_on, now, after)
            if change is None:
                return
            fields = {
                "subject": finding.subject,
                "value": finding.value,
                "threshold": finding.threshold,
            }
            known: dict[str, Any] = {
                name: each for name, each in fields.items() if each is not None
            }
            if change.is_raised:
                self._log.record(
                    kind,
                    f"⚠️ {finding.message}",
                    alert=finding.alert,
                    **known,
                    evidence=finding.evidence,
                )
                return
            of = f" of {finding.subject}" if finding.subject else ""
            self._log.record(
                EventType.ALERT_RESOLVED,
                f"👍 {finding.alert}{of} is over after {change.active_seconds:.1f} s",
                alert=finding.alert,
                active_seconds=change.active_seconds,
                **known,
            )


def _is_fine(value: Any) -> bool:
    return value is None or (type(value) is float and value - value == 0.0)
