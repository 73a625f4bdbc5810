"""One reading of everything: immutable, and encoded once for all the entries that carry it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that cannot be read.

    Attributes:
        why: The reason in one line.
        since: ISO 8601 time since when.
        is_lost: Whether it was read before, and has been gone for more than a moment.
    """

    why: str
    since: str
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of every source.

    Attributes:
        number: Its place, from 1, so that a reader can tell a new one from an old one.
        taken: When, in seconds of the monotonic clock.
        values: The fields by section. Nobody changes them.
        json: `values`, encoded.
        missing: What is not in it, by path; the same object as long as nothing changes.
    """

    number: int
    taken: float
    values: dict[str, dict[str, Any]]
    json: bytes
    missing: Mapping[str, Missing] = field(default_factory=dict)
