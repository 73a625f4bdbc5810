"""An entry that a caller composed, made into one that the schema knows."""

from __future__ import annotations

from typing import Any

from vlog.schema import EVENTS, EventType, Severity

_ENVELOPE = ("type", "level", "message")
_LEVELS = {str(severity): severity for severity in Severity} | {
    "WARN": Severity.WARNING,
    "CRITICAL": Severity.ERROR,
    "FATAL": Severity.ERROR,
}


def own_entry(entry: dict[str, Any]) -> tuple[EventType, dict[str, Any]]:
    """Return the event type of `entry` and its arguments for `Recorder.record`.

    Nothing of the caller's can overwrite what the recorder adds: keys that are not the type's own
    are moved under `fields`.

    >>> own_entry({"type": "note", "message": "hi", "step": "mine"})[1]
    {'message': 'hi', 'level': <Severity.INFO: 'INFO'>, 'fields': {'type': 'note', 'step': 'mine'}}
    """
    name = entry.get("type")
    is_known = name in list(EventType)
    kind = EventType(str(name)) if is_known else EventType.LOG_RECORD
    level = str(entry.get("level", EVENTS[kind].severity)).upper()
    fields: dict[str, Any] = {
        "message": str(entry.get("message", "")),
        "level": _LEVELS.get(level, Severity.INFO),
    }
    known = {field.name for field in EVENTS[kind].fields} - {"fields"}
    rest = {} if is_known or name is None else {"type": name}
    if level not in _LEVELS:
        rest["level"] = entry["level"]
    for key, value in entry.items():
        if key in _ENVELOPE:
            continue
        if key in known:
            fields[key] = value
        else:
            rest[str(key)] = value
    if rest:
        fields["fields"] = rest
    return kind, fields
