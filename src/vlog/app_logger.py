"""`get_logger`: a structlog logger for any script, whose lines stand in the log of the run.

What is said goes to the run that is open, and to the stdlib logger `vlog.<name>` as well, so that
the app's own handlers show it as they show everything. Where there are none, the run's console
does.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder

from vlog import open_runs
from vlog.clock import iso_timestamp
from vlog.handlers import ConsoleHandler, ErrorReporter
from vlog.record import carry, hand_to, severity_of
from vlog.redaction import redact
from vlog.schema import EventType
from vlog.values import clean_text, normalize
from vlog.verbosity import tier_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict

_ROOT = "vlog"
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
_BELOW = ("exception", "stack")  # shown below the line, as stdlib logging does
_report = ErrorReporter(logging.getLogger("vlog.errors"))
_caller_of = CallsiteParameterAdder(
    {CallsiteParameter.PATHNAME, CallsiteParameter.LINENO, CallsiteParameter.FUNC_NAME},
    additional_ignores=[__name__],
)


def get_logger(name: str | None = None) -> structlog.stdlib.BoundLogger:
    """Return a structlog logger; `log.info("text", key=value)` becomes a `log_record` entry.

    A call never raises. Any key is a field, `event` and `level` too, but for `exc_info` and
    `stack_info`, which ask for an exception and a stack.

    Args:
        name: Its stdlib logger is `vlog.<name>`, or `vlog` without a name.

    >>> get_logger("data").bind(shard=3).debug("opened", rows=10)
    """
    return structlog.wrap_logger(  # type: ignore[no-any-return]  # structlog's own return type
        logging.getLogger(f"{_ROOT}.{name}" if name and name != _ROOT else _ROOT),
        processors=[
            structlog.contextvars.merge_contextvars,
            _drop_no_exception,
            structlog.processors.StackInfoRenderer(additional_ignores=[__name__]),
            structlog.processors.format_exc_info,
        ],
        wrapper_class=_AppLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    )


def _drop_no_exception(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
    """Leave out the exception where there is none: it would be a text that says so."""
    if event_dict.get("exc_info") is True and sys.exc_info()[0] is None:
        del event_dict["exc_info"]
    return event_dict


class _AppLogger(structlog.stdlib.BoundLogger):
    """structlog's logger, whose text is no key, and whose calls do not raise."""

    def log(  # type: ignore[override]  # `event` may be a field
        self, level: int, event: object = None, /, *args: Any, **fields: Any
    ) -> None:
        """Say `event` at a level number."""
        try:
            if not self._logger.isEnabledFor(level) and not open_runs.of_this_thread():
                return
            _, kept = self._process_event(logging.getLevelName(level).lower(), None, fields)
            _say(self._logger, level, _text(event, args), dict(kept))
        except Exception as error:  # noqa: BLE001 - a log call must not raise into the script
            _report("a log call failed", error)


def _method(name: str, level: int) -> Callable[..., None]:
    def say(self: _AppLogger, event: object = None, /, *args: Any, **fields: Any) -> None:
        if name == "exception":
            fields.setdefault("exc_info", True)
        self.log(level, event, *args, **fields)

    say.__name__ = name
    return say


for _name, _level in _LEVELS.items():
    setattr(_AppLogger, _name, _method(_name, _level))


def _text(event: object, args: tuple[Any, ...]) -> str:
    """Return the text with its `%` arguments, or its parts where they do not fit together."""
    try:
        record = logging.LogRecord("", 0, "", 0, "" if event is None else event, args, None)
        return clean_text(record.getMessage())
    except Exception as error:  # noqa: BLE001 - anybody's message may raise anything
        parts, _ = normalize([event, list(args)])
        return f"{parts[0]} <arguments {parts[1]}: raised {type(error).__name__}>"


def _say(logger: logging.Logger, level: int, text: str, fields: dict[str, Any]) -> None:
    runs = open_runs.of_this_thread()
    report = runs[0].report if runs else _report
    record = _record(logger.name, level, text, fields, report)
    for run in runs:
        try:
            run.take_record(record)
        except Exception as error:  # noqa: BLE001 - the other runs and handlers get it all the same
            run.report("a record could not be written", error)
    have_it = {handler for run in runs for handler in run.handlers}
    consoles = {handler for handler in have_it if isinstance(handler, ConsoleHandler)}
    if logger.hasHandlers():
        if logger.isEnabledFor(level):
            hand_to(logger, record, report, have_it - consoles)
    elif runs:
        for console in consoles:
            if level >= logging.INFO:
                console.handle(record)
    elif logger.isEnabledFor(level):
        resort = logging.lastResort  # not by `callHandlers`: a forked child has the run's listeners
        if resort is not None and level >= resort.level:
            resort.handle(record)


def _record(
    name: str,
    level: int,
    text: str,
    fields: dict[str, Any],
    report: Callable[[str, BaseException | None], object],
) -> logging.LogRecord:
    """Return the record: a text with its keys for people, the entry for our formatters."""
    entry = _entry(name, level, text, fields)
    caller = _caller_of(None, "", {})  # type: ignore[arg-type]  # it asks the logger nothing
    where = caller["pathname"], caller["lineno"]
    made = (name, level, *where, _shown(entry), (), None, caller["func_name"])
    try:
        record = logging.getLogRecordFactory()(*made)
    except Exception as error:  # noqa: BLE001 - the app's; the record is worth more
        report("the app's LogRecord factory failed", error)
        record = logging.LogRecord(*made)
    said = entry.get("fields", {})
    record.exc_text = "\n".join(str(said[key]) for key in _BELOW if key in said) or None
    entry["timestamp"] = iso_timestamp(record.created)
    carry(record, entry)
    return record


def _entry(name: str, level: int, text: str, fields: dict[str, Any]) -> dict[str, Any]:
    fields, non_finite = normalize(fields, "fields")
    entry: dict[str, Any] = {
        "timestamp": "",
        "type": EventType.LOG_RECORD,
        "level": severity_of(level),
        "message": text,
        "verbosity": tier_of(level).label,
        "logger": name,
    }
    if fields:
        entry["fields"] = fields
    if non_finite:
        entry["non_finite"] = non_finite
    redacted: dict[str, Any] = redact(entry)
    return redacted


def _shown(entry: dict[str, Any]) -> str:
    """Return the text with its fields behind it."""
    named = entry.get("non_finite", {})
    fields = [
        f"{key}={named.get(f'fields.{key}', repr(value))}"
        for key, value in entry.get("fields", {}).items()
        if key not in _BELOW
    ]
    return " ".join([entry["message"], *fields])
