"""Fields of an entry, whatever an entry from elsewhere has in their place."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any


def value_at(entry: object, *keys: str) -> Any:
    """Return the value behind nested keys; None if one is missing.

    >>> value_at({"metrics": {"loss": 0.5}}, "metrics", "loss")
    0.5
    """
    found = entry
    for key in keys:
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def number_at(entry: object, *keys: str) -> float | None:
    """Return the finite number behind nested keys; None for anything else."""
    value = value_at(entry, *keys)
    if type(value) is float:
        return value if math.isfinite(value) else None
    return value if type(value) is int else None  # a boolean is no number


def integer_at(entry: object, *keys: str) -> int | None:
    """Return the integer behind nested keys; None for anything else."""
    value = value_at(entry, *keys)
    return value if type(value) is int else None


def text_at(entry: object, *keys: str) -> str | None:
    """Return the string behind nested keys; None for anything else."""
    value = value_at(entry, *keys)
    return value if isinstance(value, str) else None


def object_at(entry: object, *keys: str) -> dict[str, Any]:
    """Return the object behind nested keys; an empty one for anything else."""
    value = value_at(entry, *keys)
    return value if isinstance(value, dict) else {}


def time_of(timestamp: str | None) -> datetime | None:
    """Return the time that an ISO 8601 text names, in local time; None if it names none.

    A text without UTC offset is taken as local time.
    """
    try:
        return datetime.fromisoformat(timestamp or "").astimezone()
    except (ValueError, OverflowError, OSError):  # a year that has no local time
        return None


def seconds_between(earlier: str | None, later: str | None) -> float | None:
    """Return the seconds from one timestamp to another; None if one of them is none."""
    start, end = time_of(earlier), time_of(later)
    return None if start is None or end is None else (end - start).total_seconds()
