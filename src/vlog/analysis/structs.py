"""The msgspec structs of the schema's entries: what is decoded into one has the right types."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from vlog.schema import ENVELOPE, EVENTS, RUN, Event, EventType, Field, Severity
from vlog.verbosity import Verbosity

SEVERITIES = tuple(str(severity) for severity in Severity)
TIERS = tuple(verbosity.label for verbosity in Verbosity)

# The common fields whose type says more than their kind.
_SPECIAL: dict[str, Any] = {
    "timestamp": Annotated[datetime, msgspec.Meta(tz=True)],
    "level": Literal[SEVERITIES],
    "verbosity": Literal[TIERS],
}
_MAX_INTEGER = 2**63 - 1
Integer = Annotated[int, msgspec.Meta(ge=-_MAX_INTEGER, le=_MAX_INTEGER)]
"""An integer that every JSON parser reads as one; beyond it some read a float, or nothing."""
_MAX_DEPTH = 3  # of free content that is taken at once


def _free_content() -> Any:
    content = scalar = Integer | float | str | bool | None
    for _ in range(_MAX_DEPTH):
        content = scalar | list[content] | dict[str, content]  # type: ignore[valid-type]
    return content


class Structs:
    """What makes structs of the schema's events.

    Args:
        is_strict: Whether they refuse, beside what is not valid, all content that a parser might
            read in another way or not at all: keys that the schema does not know, integers of
            more than 64 bits, free content that is nested deeply. What is left is read by every
            parser as the same, so an entry that is taken needs no second look.
    """

    def __init__(self, *, is_strict: bool = False) -> None:
        self._is_strict = is_strict
        self._kinds: dict[str, Any] = {
            "string": str,
            "integer": Integer if is_strict else int,
            "number": float,  # an integer is valid where a number is asked for
            "boolean": bool,
            "any": _free_content() if is_strict else Any,
        }

    def entry(self, name: EventType, event: Event, *, has_run: bool) -> type[msgspec.Struct]:
        """Return the struct of an event's entries, of a run or of none; strict ones are tagged."""
        fields = [self._definition(each) for each in ENVELOPE if not self._is_tag(each)]
        fields += [self._definition(each, is_required=has_run) for each in RUN]
        fields += [
            self._definition(each, is_required=has_run and each.required) for each in event.fields
        ]
        tag: dict[str, Any] = {"tag_field": "type", "tag": str(name)} if self._is_strict else {}
        return self._define(str(name), fields, **tag)

    def _is_tag(self, field: Field) -> bool:
        return self._is_strict and field.name == "type"

    def _define(self, name: str, fields: list[Any], **options: Any) -> type[msgspec.Struct]:
        strict = self._is_strict  # no struct is part of a cycle: nothing for the collector to do
        return msgspec.defstruct(
            name, fields, kw_only=True, gc=False, forbid_unknown_fields=strict, **options
        )

    def _definition(self, field: Field, *, is_required: bool | None = None) -> Any:
        """Return the name, type and default of a struct's field."""
        if field.required if is_required is None else is_required:
            return (field.name, self._type(field))
        return (field.name, self._type(field) | msgspec.UnsetType, msgspec.UNSET)

    def _type(self, field: Field) -> Any:
        special = _SPECIAL.get(field.name) if field in (*ENVELOPE, *RUN) else None
        kind = special or self._constrained(field)
        return kind | None if field.nullable else kind

    def _constrained(self, field: Field) -> Any:
        if field.kind == "object":
            return self._object(field)
        if field.kind == "array":
            return list[self._inner(field)]  # type: ignore[misc]
        if field.minimum is None and field.maximum is None:
            return self._kinds[field.kind]
        return self._limited(field)

    def _limited(self, field: Field) -> Any:
        # msgspec wants the limits in the type that they limit.
        cast = int if field.kind == "integer" else float
        lowest, highest = (
            limit if limit is None else cast(limit) for limit in (field.minimum, field.maximum)
        )
        if self._is_strict and cast is int:
            highest = _MAX_INTEGER if highest is None else highest
        return Annotated[cast, msgspec.Meta(ge=lowest, le=highest)]

    def _struct(self, name: str, fields: tuple[Field, ...]) -> Any:
        return self._define(name, [self._definition(each) for each in fields])

    def _object(self, field: Field) -> Any:
        if field.fields:
            return self._struct(field.name, field.fields)
        return dict[str, self._inner(field)]  # type: ignore[misc]

    def _inner(self, field: Field) -> Any:
        """Return the type of what is in an array, or in an object whose keys are free."""
        if field.items:
            return self._struct(field.name, field.items)
        return self._kinds[field.values or "any"]


def union_of(structs: list[type[msgspec.Struct]]) -> Any:
    """Return the type of an entry that is one of tagged structs."""
    union: Any = structs[0]
    for struct in structs[1:]:
        union |= struct
    return union


def all_events(*, is_strict: bool, has_run: bool) -> dict[str, type[msgspec.Struct]]:
    """Return the struct of each event by its name."""
    structs = Structs(is_strict=is_strict)
    return {
        str(name): structs.entry(name, event, has_run=has_run) for name, event in EVENTS.items()
    }
