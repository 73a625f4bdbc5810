"""When a number becomes an alert, and when the alert is over.

Each detector is a pure function over a window of readings or steps. `Watch` calls them and writes
what they find; `AlertBook` sees to it that each crossing is told once.
"""

from __future__ import annotations

from vlog.alerts.book import AlertBook, Transition
from vlog.alerts.limits import Finding, Limits
from vlog.alerts.resources import RESOURCE_DETECTORS, Situation, devices_of
from vlog.alerts.steps import (
    NON_FINITE_GRAD_NORM,
    NON_FINITE_LOSS,
    StepCost,
    StepPace,
    is_non_finite,
)

__all__ = [
    "NON_FINITE_GRAD_NORM",
    "NON_FINITE_LOSS",
    "RESOURCE_DETECTORS",
    "AlertBook",
    "Finding",
    "Limits",
    "Situation",
    "StepCost",
    "StepPace",
    "Transition",
    "devices_of",
    "is_non_finite",
]
