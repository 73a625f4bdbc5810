"""What a field is, in words that a definition reads well with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vlog.verbosity import Verbosity

SCHEMA_VERSION = 1
GB = 2**30  # bytes in every `_gb`
MB = 2**20  # bytes in every `_mb`

LOW, MEDIUM, HIGH, ULTRA = Verbosity


@dataclass(frozen=True, slots=True)
class Field:
    """One key of an entry.

    Attributes:
        name: The key. Its unit is part of it.
        kind: Its JSON type: `string`, `integer`, `number`, `boolean`, `object`, `array` or `any`.
        about: What it says, in one clause.
        required: Whether every entry of the type has it.
        nullable: Whether it may be `null` (a number that was not finite, say).
        tier: The first verbosity at which it is written.
        minimum: The smallest value, where there is one.
        maximum: The largest value, where there is one.
        fields: The known keys, of an `object`. Others may stand beside them.
        items: The known keys of every object in it, of an `array`, or of an `object` whose own
            keys are free.
        values: The JSON type of every value in it, of the same two.
    """

    name: str
    kind: str
    about: str
    required: bool = False
    nullable: bool = False
    tier: Verbosity = LOW
    minimum: float | None = None
    maximum: float | None = None
    fields: tuple[Field, ...] = ()
    items: tuple[Field, ...] = ()
    values: str | None = None


def text(name: str, about: str, **options: Any) -> Field:
    """Return a string."""
    return Field(name, "string", about, **options)


def count(name: str, about: str, **options: Any) -> Field:
    """Return an integer that is never negative."""
    return Field(name, "integer", about, minimum=0, **options)


def amount(name: str, about: str, **options: Any) -> Field:
    """Return a number that is never negative: a duration, a size, a rate."""
    return Field(name, "number", about, minimum=0, **options)


def percent(name: str, about: str, **options: Any) -> Field:
    """Return a share from 0 to 100."""
    return Field(name, "number", about, minimum=0, maximum=100, **options)


def section(name: str, about: str, *fields: Field, **options: Any) -> Field:
    """Return an object with known keys."""
    return Field(name, "object", about, fields=fields, **options)
