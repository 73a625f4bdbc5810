"""The structlog chain that turns what the recorder says into an entry.

A processor is `(logger, method_name, event_dict) -> event_dict`. The order is resources ->
trends -> clean: everything that adds to an entry comes first, and nothing leaves without the last.
"""

from __future__ import annotations

from vlog.processors.clean import clean_values
from vlog.processors.resources import AddResources
from vlog.processors.trends import AddTrends

__all__ = [
    "AddResources",
    "AddTrends",
    "clean_values",
]
