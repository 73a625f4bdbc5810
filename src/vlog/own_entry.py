"""An entry that a caller composed, made into one that the schema knows."""

from __future__ import annotations

from typing import Any

from vlog.redaction import redact
from vlog.schema import END_EVENTS, EVENTS, EventType, Severity
from vlog.values import normalize

# A second first or last entry would make another run of the log.
_ONLY_OURS = END_EVENTS | {EventType.SYSTEM_INITIALIZATION}
_ENVELOPE = ("type", "level", "message")
_LEVELS = {str(severity): severity for severity in Severity} | {
    "WARN": Severity.WARNING,
    "CRITICAL": Severity.ERROR,
    "FATAL": Severity.ERROR,
}


def own_entry(entry: dict[str, Any]) -> tuple[EventType, dict[str, Any]]:
    """Return the event type of `entry` and its arguments for `Recorder.record`.

    Nothing of the caller's can overwrite what the recorder adds: keys that are not the type's own
    are moved under `fields`. Its values are normalized and redacted here, whatever section they
    stand in.

    >>> own_entry({"type": "note", "message": "hi", "step": "mine"})[1]
    {'message': 'hi', 'level': <Severity.INFO: 'INFO'>, 'fields': {'type': 'note', 'step': 'mine'}}
    """
    name = entry.get("type")
    named = EventType(str(name)) if name in list(EventType) else EventType.LOG_RECORD
    kind = EventType.LOG_RECORD if named in _ONLY_OURS else named
    level = str(entry.get("level", EVENTS[named].severity)).upper()
    known = {field.name for field in EVENTS[kind].fields} - {"fields"}
    own: dict[str, Any] = {}
    rest = {} if name in (kind, None) else {"type": name}
    if level not in _LEVELS:
        rest["level"] = entry["level"]
    for key, value in entry.items():
        if key in known:
            own[key] = value
        elif key not in _ENVELOPE:
            rest[str(key)] = value
    if rest:
        own["fields"] = rest
    own, non_finite = normalize(own)
    if non_finite:
        own["non_finite"] = non_finite
    return kind, {
        "message": str(entry.get("message", "")),
        "level": _LEVELS.get(level, Severity.INFO),
        **redact(own),
    }
