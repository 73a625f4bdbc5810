"""What an entry is: every event type, its fields, their units, and the verbosity that writes them.

This is the one place that defines them. `vlog validate`, the JSON Schema and `vlog levels` are
derived from `EVENTS`.
"""

from __future__ import annotations

from vlog.schema.event_types import END_EVENTS, EventType, Severity
from vlog.schema.events import EVENTS, Event, fields_of
from vlog.schema.fields import GB, MB, SCHEMA_VERSION, Field
from vlog.schema.json_schema import json_schema
from vlog.schema.resources import RESOURCE_USAGE
from vlog.schema.sections import ENVELOPE, RUN

__all__ = [
    "END_EVENTS",
    "ENVELOPE",
    "EVENTS",
    "GB",
    "MB",
    "RESOURCE_USAGE",
    "RUN",
    "SCHEMA_VERSION",
    "Event",
    "EventType",
    "Field",
    "Severity",
    "fields_of",
    "json_schema",
]
