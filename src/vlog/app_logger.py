"""`get_logger`: a structlog logger for any script, whose lines stand in the log of the run.

What is said goes to the run that is open, and to the stdlib logger `vlog.<name>` as well, so that
the app's own handlers show it as they show everything. Where there are none, the run's console
does.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder

from vlog import open_runs
from vlog.clock import iso_timestamp
from vlog.handlers import ConsoleHandler
from vlog.record import carry, hand_to
from vlog.redaction import redact
from vlog.schema import EventType, Severity
from vlog.values import clean_text, normalize
from vlog.verbosity import tier_of

if TYPE_CHECKING:
    from structlog.typing import EventDict

_ROOT = "vlog"
_CALLER = ("pathname", "lineno", "func_name")
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "critical": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}


def get_logger(name: str | None = None) -> structlog.stdlib.BoundLogger:
    """Return a structlog logger; `log.info("text", key=value)` becomes a `log_record` entry.

    Args:
        name: Its stdlib logger is `vlog.<name>`, or `vlog` without a name.

    >>> get_logger("data").bind(shard=3).debug("opened", rows=10)
    """
    stdlib = logging.getLogger(f"{_ROOT}.{name}" if name and name != _ROOT else _ROOT)
    return structlog.wrap_logger(  # type: ignore[no-any-return]  # structlog's own return type
        _Sink(stdlib),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            CallsiteParameterAdder(
                {
                    CallsiteParameter.PATHNAME,
                    CallsiteParameter.LINENO,
                    CallsiteParameter.FUNC_NAME,
                },
                additional_ignores=["vlog.app_logger"],
            ),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _as_argument,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _as_argument(_logger: Any, method: str, event_dict: EventDict) -> Any:
    return (_LEVELS.get(method, logging.INFO), event_dict), {}


class _Sink:
    """What structlog calls at the end of its chain, in place of a stdlib logger."""

    def __init__(self, stdlib: logging.Logger) -> None:
        self._stdlib = stdlib
        self.name = stdlib.name

    def __getattr__(self, method: str) -> Any:
        if method in _LEVELS:
            return self._say
        return getattr(self._stdlib, method)

    def _say(self, level: int, event_dict: EventDict) -> None:
        record = self._record(level, event_dict)
        runs = open_runs.of_this_thread()
        written: set[logging.Handler] = set()
        for run in runs:
            try:
                run.take_record(record)
            except Exception as error:  # noqa: BLE001 - a log call must not raise into the script
                run.report("a record could not be written", error)
            written.update(each for each in run.handlers if not isinstance(each, ConsoleHandler))
        if self._stdlib.hasHandlers():
            if self._stdlib.isEnabledFor(level):
                hand_to(self._stdlib, record, written)
            return
        for run in runs:
            run.show_record(record)
        if not runs and self._stdlib.isEnabledFor(level):
            self._stdlib.callHandlers(record)  # stdlib's last resort

    def _record(self, level: int, event_dict: EventDict) -> logging.LogRecord:
        """Return the record: a text with its keys for people, the entry for our formatters."""
        path, line, function = (event_dict.pop(key, "") for key in _CALLER)
        message = clean_text(str(event_dict.pop("event", "")))
        fields, non_finite = normalize(dict(event_dict), "fields")
        entry: dict[str, Any] = {
            "timestamp": "",
            "type": EventType.LOG_RECORD,
            "level": _severity(level),
            "message": message,
            "verbosity": tier_of(level).label,
            "logger": self.name,
        }
        if fields:
            entry["fields"] = fields
        if non_finite:
            entry["non_finite"] = non_finite
        entry = redact(entry)
        shown = {key: value for key, value in entry.get("fields", {}).items() if key not in _BELOW}
        text = " ".join([entry["message"], *(f"{key}={value!r}" for key, value in shown.items())])
        below = [entry["fields"][key] for key in _BELOW if key in entry.get("fields", {})]
        factory = logging.getLogRecordFactory()
        record = factory(self.name, level, path, line or 0, text, (), None, function or None)
        if below:
            record.exc_text = "\n".join(below)
        entry["timestamp"] = iso_timestamp(record.created)
        carry(record, entry)
        return record


_BELOW = ("exception", "stack")  # shown below the line, as stdlib logging does


def _severity(level: int) -> Severity:
    name = logging.getLevelName(level)
    return Severity.ERROR if name == "CRITICAL" else Severity(name)
