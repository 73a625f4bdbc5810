"""When a number becomes an alert, and when the alert is over.

A detector judges a reading, or the last steps beside those before them. `Watch` calls them and
writes what they find; `AlertBook` sees to it that each crossing is told once.
"""

from __future__ import annotations

from vlog.alerts.book import AlertBook, Transition
from vlog.alerts.limits import Finding, Limits
from vlog.alerts.resources import Situation, evidence_of, find_resource_alerts, little_room
from vlog.alerts.steps import (
    NON_FINITE_GRAD_NORM,
    NON_FINITE_LOSS,
    SlowSteps,
    StepCost,
    is_non_finite,
)

__all__ = [
    "NON_FINITE_GRAD_NORM",
    "NON_FINITE_LOSS",
    "AlertBook",
    "Finding",
    "Limits",
    "Situation",
    "SlowSteps",
    "StepCost",
    "Transition",
    "evidence_of",
    "find_resource_alerts",
    "is_non_finite",
    "little_room",
]
