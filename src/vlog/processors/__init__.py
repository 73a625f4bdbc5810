"""The structlog chain that turns what the recorder says into an entry.

A processor is `(logger, method_name, event_dict) -> event_dict`. The order is
context -> stamp -> resources -> trends -> normalize -> redact: everything that adds to an entry
comes before normalizing, and nothing leaves without being redacted.
"""

from __future__ import annotations

from vlog.processors.context import AddContext, Stamp
from vlog.processors.normalize import normalize_values, redact_secrets
from vlog.processors.resources import AddResources
from vlog.processors.trends import AddTrends

__all__ = [
    "AddContext",
    "AddResources",
    "AddTrends",
    "Stamp",
    "normalize_values",
    "redact_secrets",
]
