"""The last two processors: every value made fit for JSON, every secret taken out.

Sections whose every value is a number of ours, made by this package, need no look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.redaction import redact
from vlog.resources import Reading
from vlog.values import normalize

if TYPE_CHECKING:
    from structlog.typing import EventDict

_OURS = frozenset(
    {
        "timestamp", "type", "level", "run_id", "rank", "pid", "seq", "verbosity", "step",
        "timing", "progress", "trends", "phases", "overhead", "samples", "tokens",
        "resource_usage", "resource_age_seconds",
    }
)  # fmt: skip


def normalize_values(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
    """Return a dict of JSON values; numbers that are not finite are null and named."""
    entry: EventDict = {}
    non_finite: dict[str, str] = {}
    for key, value in event_dict.items():
        if key in _OURS:
            entry[key] = value
        else:
            entry[key], found = normalize(value, key, keep=(Reading,))
            non_finite.update(found)
    if non_finite:
        entry["non_finite"] = entry.get("non_finite", {}) | non_finite
    return entry


def redact_secrets(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
    """Return the entry without secrets: by key, and by shape in every text."""
    for key, value in event_dict.items():
        if key in _OURS:
            continue
        if type(value) in (str, dict, list):
            event_dict[key] = redact(value, key)
    return event_dict
