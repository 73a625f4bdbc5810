"""The JSON Schema of one line of a log, made from the definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.schema.event_types import Severity
from vlog.schema.events import EVENTS, Event, fields_of
from vlog.schema.fields import SCHEMA_VERSION

if TYPE_CHECKING:
    from vlog.schema.fields import Field


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one line of a log."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"vlog entry, schema version {SCHEMA_VERSION}",
        "type": "object",
        "oneOf": [_event_schema(event) for event in EVENTS.values()],
    }


def _event_schema(event: Event) -> dict[str, Any]:
    schema = _object_schema(tuple(fields_of(event)))
    schema["description"] = f"{event.about} (verbosity {event.tier.label} and up)"
    schema["properties"]["type"] = {"const": str(event.type)}
    schema["properties"]["level"] = {"enum": [str(severity) for severity in Severity]}
    return schema


def _object_schema(fields: tuple[Field, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    if fields:
        schema["properties"] = {field.name: _field_schema(field) for field in fields}
        schema["required"] = [field.name for field in fields if field.required]
    return schema


def _field_schema(field: Field) -> dict[str, Any]:
    schema = _object_schema(field.fields) if field.kind == "object" else {}
    schema["description"] = field.about
    if field.kind != "any":
        schema["type"] = [field.kind, "null"] if field.nullable else field.kind
    inner = _object_schema(field.items) if field.items else {"type": field.values}
    if field.items or field.values is not None:
        schema["items" if field.kind == "array" else "additionalProperties"] = inner
    if field.minimum is not None:
        schema["minimum"] = field.minimum
    if field.maximum is not None:
        schema["maximum"] = field.maximum
    return schema
