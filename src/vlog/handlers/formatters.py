"""Records as lines of JSON: entries whole or flat, everybody else's records as `log_record`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pythonjsonlogger.orjson import OrjsonFormatter

from vlog.clock import SystemClock, iso_timestamp
from vlog.record import encode, entry_of, severity_of
from vlog.redaction import redact
from vlog.schema import END_EVENTS, EventType
from vlog.values import class_name, clean_text, normalize

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

# The standard log: where each flat key stands in an entry.
_FLAT_KEYS = {
    "loss": ("metrics", "loss"),
    "learning_rate": ("metrics", "learning_rate"),
    "grad_norm": ("metrics", "grad_norm"),
    "step_time": ("timing", "step_time_seconds"),
    "avg_step_time": ("timing", "avg_step_time_seconds"),
    "eta_minutes": ("timing", "eta_minutes"),
    "progress_percent": ("progress", "progress_percent"),
    "remaining_steps": ("progress", "remaining_steps"),
}

_GAP_KEYS = ("dropped", "first_seq", "last_seq", "first_dropped", "last_dropped", "reason")
_FINAL_KEYS = ("final_loss", "best_loss", "duration_seconds")


class JsonlFormatter(OrjsonFormatter):
    """Format a record as one line of JSON.

    An entry of ours is written as it is. Any other record becomes a `log_record` entry: text
    under `message`, its extras under `fields`, where they can overwrite nothing; normalized and
    redacted here, because it has not been through our processors.
    """

    def format_line(self, record: logging.LogRecord) -> bytes:
        r"""Return the line as UTF-8 bytes that end in `\n`."""
        entry = entry_of(record)
        return encode(self.shape(entry if entry is not None else self.foreign_entry(record)))

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end, for handlers that write text."""
        return self.format_line(record)[:-1].decode("utf-8")

    def shape(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return the dict to encode; a subclass may choose other keys."""
        return entry

    def foreign_entry(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return a `log_record` entry for a record that is not ours."""
        record.message = clean_text(message_of(record))
        fields, non_finite = normalize(self._foreign_fields(record), "fields")
        entry: dict[str, Any] = {
            "timestamp": _timestamp(record.created),
            "type": EventType.LOG_RECORD,
            "level": severity_of(record.levelno if isinstance(record.levelno, int) else 0),
            "message": record.message,
            "logger": str(normalize(record.name)[0]),
        }
        if fields:
            entry["fields"] = fields
        if non_finite:
            entry["non_finite"] = non_finite
        redacted: dict[str, Any] = redact(entry)
        return redacted

    def _foreign_fields(self, record: logging.LogRecord) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.add_fields(found, record, {})
        found.pop("message", None)
        # python-json-logger leaves out extras that begin with an underscore.
        found |= {key: value for key, value in vars(record).items() if str(key).startswith("_")}
        if record.exc_info:
            found["exception"] = attempt(self.formatException, record.exc_info)
        elif record.exc_text:
            found["exception"] = record.exc_text
        if record.stack_info:
            found["stack"] = attempt(self.formatStack, record.stack_info)
        return found


class StandardFormatter(JsonlFormatter):
    """Format an entry as a flat line: the standard log, one number per key.

    Keys: timestamp, type, level, message, step, epoch, loss, learning_rate, grad_norm,
    step_time (seconds), avg_step_time (seconds), eta_minutes, progress_percent,
    remaining_steps. An evaluation's entry has its other numbers by their own names, and the
    last one of a run has final_loss, best_loss and duration_seconds; a gap has dropped, first_seq,
    last_seq, first_dropped, last_dropped and reason. A key whose value is not known
    is absent.
    """

    def shape(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return the flat form of `entry`."""
        return standard_entry(entry)


def standard_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what the standard log has of `entry`."""
    names = ("timestamp", "type", "level", "message", "step", "epoch")
    flat = {name: entry[name] for name in names if name in entry}
    for name, (section, key) in _FLAT_KEYS.items():
        values = entry.get(section)
        if isinstance(values, dict) and key in values:
            flat[name] = values[key]
    if entry["type"] == EventType.EVALUATION_COMPLETE:
        for name, value in _numbers_of(entry.get("metrics")).items():
            flat.setdefault(name, value)
    if entry["type"] == EventType.LOGGING_GAP:
        flat |= {name: entry[name] for name in _GAP_KEYS if name in entry}
    if entry["type"] in END_EVENTS:
        statistics = _numbers_of(entry.get("statistics"))
        flat |= {name: statistics[name] for name in _FINAL_KEYS if name in statistics}
    return flat


def _numbers_of(section: Any) -> dict[str, Any]:
    values = section.items() if isinstance(section, dict) else ()
    return {name: value for name, value in values if isinstance(value, (int, float))}


def message_of(record: logging.LogRecord) -> str:
    """Return the text of any record, or its parts where they do not fit together."""
    try:
        return str.__str__(record.getMessage())  # exactly a str, whatever class it is of
    except Exception as error:  # noqa: BLE001 - anybody's message may raise anything
        parts, _ = normalize([record.msg, record.args])
        return f"{parts[0]} <arguments {parts[1]}: raised {class_name(error)}>"


def attempt(tell: Callable[[Any], Any], value: Any) -> Any:
    """Return what `tell` makes of a part of a record, or that it raised."""
    try:
        return tell(value)
    except Exception as error:  # noqa: BLE001 - it is no exception or stack, or one that raises
        return f"<{class_name(value)}: raised {class_name(error)}>"


def _timestamp(seconds: Any) -> str:
    try:
        return iso_timestamp(seconds)
    except (TypeError, ValueError, OverflowError, OSError):  # of a record that somebody made up
        return iso_timestamp(SystemClock().wall())
