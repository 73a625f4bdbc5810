"""Whether one entry is what the schema says, at the speed of C.

Every event type of `schema.EVENTS` becomes a msgspec struct. Keys that the schema does not know
may stand anywhere.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

from vlog.schema import ENVELOPE, EVENTS, RUN, Event, EventType, Field, Severity
from vlog.verbosity import Verbosity

SEVERITIES = tuple(str(severity) for severity in Severity)
TIERS = tuple(verbosity.label for verbosity in Verbosity)

_KINDS: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,  # an integer is valid where a number is asked for
    "boolean": bool,
    "any": Any,
}
# The common fields whose type says more than their kind.
_SPECIAL: dict[str, Any] = {
    "timestamp": Annotated[datetime, msgspec.Meta(tz=True)],
    "level": Literal[SEVERITIES],
    "verbosity": Literal[TIERS],
}


def check(entry: dict[str, Any], raw: bytes) -> str | None:
    """Return what is wrong with an entry, or None.

    An entry without `run_id` (of the standard log, or of an application) needs only the fields
    that every entry has; the others must have the right type if they are there.

    Args:
        entry: The entry.
        raw: The line that it was read from.
    """
    if "type" not in entry:
        return "Object missing required field `type`"
    decoder = _decoders("run_id" in entry).get(_key(entry["type"]))
    if decoder is None:
        return f"Unknown type {entry['type']!r}. Expected one of: {', '.join(EVENTS)}."
    try:
        decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return _with_allowed(str(error))
    return None


def _key(value: object) -> str:
    return value if isinstance(value, str) else ""


def _with_allowed(reason: str) -> str:
    """Add the allowed values, which msgspec does not name."""
    for place, allowed in (("`$.level`", SEVERITIES), ("`$.verbosity`", TIERS)):
        if reason.startswith("Invalid enum value") and reason.endswith(place):
            return f"{reason}. Expected one of: {', '.join(allowed)}."
    return reason


@cache
def _decoders(has_run: bool) -> dict[str, msgspec.json.Decoder[Any]]:
    """Return a decoder by event type, for the entries of a run or for those without one."""
    return {
        str(name): msgspec.json.Decoder(_entry_struct(name, event, has_run=has_run))
        for name, event in EVENTS.items()
    }


def _entry_struct(name: EventType, event: Event, *, has_run: bool) -> type[msgspec.Struct]:
    fields = [_definition(field) for field in ENVELOPE]
    fields += [_definition(field, is_required=has_run) for field in RUN]
    fields += [_definition(each, is_required=has_run and each.required) for each in event.fields]
    return msgspec.defstruct(str(name), fields, kw_only=True)


def _definition(field: Field, *, is_required: bool | None = None) -> Any:
    """Return the name, type and default of a struct's field."""
    if field.required if is_required is None else is_required:
        return (field.name, _type(field))
    return (field.name, _type(field) | msgspec.UnsetType, msgspec.UNSET)


def _type(field: Field) -> Any:
    special = _SPECIAL.get(field.name) if field in (*ENVELOPE, *RUN) else None
    kind = special or _constrained(field)
    return kind | None if field.nullable else kind


def _constrained(field: Field) -> Any:
    if field.kind == "object":
        return _object(field)
    if field.kind == "array":
        return list[_inner(field)]  # type: ignore[misc]
    kind = _KINDS[field.kind]
    if field.minimum is None and field.maximum is None:
        return kind
    # msgspec wants the limits in the type that they limit.
    cast = int if field.kind == "integer" else float
    lowest, highest = (
        limit if limit is None else cast(limit) for limit in (field.minimum, field.maximum)
    )
    return Annotated[kind, msgspec.Meta(ge=lowest, le=highest)]


def _struct(name: str, fields: tuple[Field, ...]) -> Any:
    return msgspec.defstruct(name, [_definition(each) for each in fields], kw_only=True)


def _object(field: Field) -> Any:
    if field.fields:
        return _struct(field.name, field.fields)
    return dict[str, _inner(field)]  # type: ignore[misc]


def _inner(field: Field) -> Any:
    """Return the type of what is in an array, or in an object whose keys are free."""
    if field.items:
        return _struct(field.name, field.items)
    return _KINDS[field.values] if field.values else Any
