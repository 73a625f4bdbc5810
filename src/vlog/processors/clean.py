"""The last processor: every value made fit for JSON, every secret taken out.

Sections whose every value is a number of ours, made by this package, need no look, and neither do
numbers under names that have been looked at before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.encoded import Encoded
from vlog.redaction import redact, rules_in_force
from vlog.resources import Reading
from vlog.values import normalize
from vlog.wording import OwnText

if TYPE_CHECKING:
    from collections.abc import Container

    from structlog.typing import EventDict

_OURS = frozenset(
    {
        "timestamp", "type", "level", "run_id", "rank", "pid", "seq", "verbosity", "step",
        "timing", "progress", "trends", "phases", "overhead", "samples", "tokens",
        "resource_usage", "resource_age_seconds",
    }
)  # fmt: skip
_READY = (Reading, Encoded)
_CLEAN = frozenset({OwnText, bool, type(None), *_READY})
_WITH_TEXT = (str, dict, list)
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def clean_values(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
    """Return JSON values without secrets; numbers that are not finite are null and named."""
    rules = rules_in_force()
    non_finite: dict[str, str] = {}
    for key, value in event_dict.items():
        if key in _OURS:
            continue
        kind = type(value)
        if (
            kind in _CLEAN
            or (kind is float and value - value == 0.0)
            or (kind is dict and _is_plain(value, rules.plain_names))
        ):
            continue
        clean, found = normalize(value, key, keep=_READY)
        non_finite.update(found)
        if type(clean) in _WITH_TEXT:
            clean = redact(clean, key)
            if kind is dict and type(clean) is dict:
                rules.note_plain_names(value, clean)
        event_dict[key] = clean
    if non_finite:
        places = redact(non_finite, "non_finite")  # they are made of the caller's names
        event_dict["non_finite"] = event_dict.get("non_finite", {}) | places
    return event_dict


def _is_plain(values: dict[Any, Any], known_names: Container[Any]) -> bool:
    """Return whether these are finite numbers alone, under names that are known to hide nothing."""
    for name, value in values.items():
        kind = type(value)
        if kind is float:
            if value - value != 0.0:  # not finite
                return False
        elif kind is not int or not _SMALLEST <= value <= _LARGEST:
            return False
        if type(name) is not str or name not in known_names:
            return False
    return True
