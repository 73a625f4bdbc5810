"""What the handlers, formatters and filters of stdlib take.

Most of them keep whatever they are given, and then fail at every record.
"""

from __future__ import annotations

import codecs
import datetime as dt
import logging
import logging.handlers
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from vlog.config.values import BadKeyError, KeyPath, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MODES = ("a", "w", "x", "a+", "w+", "x+")
_WHEN = re.compile(r"[SMHD]|MIDNIGHT|W[0-6]", re.IGNORECASE)


def check_values(options: dict[str, Any], path: KeyPath) -> None:
    """Refuse an option of a stdlib class that is not of the type that the class works with.

    Args:
        options: The options; those that the table does not know are passed over.
        path: Where they stand.

    Raises:
        BadKeyError: the first that is found.
    """
    for name, value in options.items():
        is_valid, expected = _OPTIONS.get(name, (_is_anything, ""))
        if not is_valid(value):
            raise BadKeyError((*path, name), f"It is {shown(value)}. Expected {expected}.")


def check_handles(factory: Callable[..., Any], path: KeyPath) -> None:
    """Refuse a class that is only the base of handlers: it can do nothing with a record.

    Raises:
        BadKeyError: it is one.
    """
    if not isinstance(factory, type) or not issubclass(factory, logging.Handler):
        return
    writes_nothing = (factory.emit, factory.handle) == (
        logging.Handler.emit, logging.Handler.handle
    )  # fmt: skip
    is_rotating = issubclass(factory, logging.handlers.BaseRotatingHandler)
    if writes_nothing or (is_rotating and not hasattr(factory, "shouldRollover")):
        raise BadKeyError(
            path,
            f"{factory.__name__!r} is only the base of other handlers and writes nothing. Expected "
            "a class derived from it, such as logging.StreamHandler.",
        )


def check_format(
    formatter: logging.Formatter, key: str, path: KeyPath, names: Iterable[str]
) -> None:
    """Refuse a format that fits no record, or that misspells a field of it.

    A name that is near to none of a record's is passed over: a filter or `extra` may give it.

    Args:
        formatter: One of stdlib's, made with the format.
        key: The key that the format stands under.
        path: Where that stands.
        names: What `defaults` give.

    Raises:
        BadKeyError: it is one.
    """
    record = logging.LogRecord("vlog", logging.INFO, "file.py", 1, "text", (), None, "function")
    known = {*vars(record), *names, "message", "asctime"}
    try:
        formatter.format(record)
    except (KeyError, ValueError) as error:  # stdlib hands a KeyError on as the ValueError's cause
        missing = error if isinstance(error, KeyError) else error.__cause__ or error.__context__
        if not isinstance(missing, KeyError):
            raise _bad_format(formatter, key, path, error) from error
        near = get_close_matches(
            str(missing.args[0]), known, 1, cutoff=0.88
        )  # `thread_name` is no slip
        if near:
            raise BadKeyError(
                (*path, key),
                f"Unknown field {missing.args[0]!r}. Did you mean {near[0]!r}? Expected one of a "
                "record's attributes, or one that a filter or `extra` gives.",
            ) from error
    except Exception as error:
        raise _bad_format(formatter, key, path, error) from error


def _bad_format(
    formatter: logging.Formatter, key: str, path: KeyPath, error: Exception
) -> BadKeyError:
    return BadKeyError(
        (*path, key),
        f"It is {shown(formatter._fmt)}, which fits no record: {error}. Expected fields such as "  # noqa: SLF001
        "%(levelname)s and %(message)s.",
    )


def _is_anything(_: object) -> bool:
    return True


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_positive(value: object) -> bool:
    return _is_count(value) and value != 0


def _is_port(value: object) -> bool:
    return value is None or _is_count(value)


def _is_level(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_encoding(value: object) -> bool:
    if value is None:
        return True
    try:
        "x".encode(value)  # type: ignore[arg-type]  # what is no text raises
    except (LookupError, TypeError, ValueError):
        return False
    return True


def _is_error_handler(value: object) -> bool:
    try:
        return value is None or bool(codecs.lookup_error(value))  # type: ignore[arg-type]  # raises
    except (LookupError, TypeError):
        return False


def _is_mode(value: object) -> bool:
    return isinstance(value, str) and value.replace("t", "", 1) in _MODES


def _is_when(value: object) -> bool:
    return isinstance(value, str) and _WHEN.fullmatch(value) is not None


def _is_time(value: object) -> bool:
    return value is None or isinstance(value, dt.time)


def _is_stream(value: Any) -> bool:
    if value is None:
        return True
    try:
        return callable(value.write) and value.writable() is not False
    except AttributeError:  # not every stream says whether it is for writing
        return hasattr(value, "write")
    except ValueError:  # it is closed
        return False


def _is_mapping(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _is_queue(value: object) -> bool:
    return not isinstance(value, (str, int, float, list, type(None)))


_Check = tuple["Callable[[Any], bool]", str]
_FLAG: _Check = (_is_flag, "true or false, without quotes")
_COUNT: _Check = (_is_count, "a whole number, 0 or more")
_OPTIONS: dict[str, _Check] = {
    "maxBytes": (_is_count, "a whole number of bytes, such as 10485760 for 10 MiB"),
    "backupCount": _COUNT,
    "capacity": _COUNT,
    "interval": (_is_positive, "a whole number, 1 or more"),
    "flushLevel": (_is_level, "a level's number, such as 40 for ERROR"),
    "delay": _FLAG,
    "utc": _FLAG,
    "flushOnClose": _FLAG,
    "validate": _FLAG,
    "encoding": (_is_encoding, "the name of a text encoding, such as utf-8"),
    "errors": (_is_error_handler, "the name of an error handler, such as backslashreplace"),
    "mode": (_is_mode, f"one of: {', '.join(_MODES)}"),
    "when": (_is_when, "one of: S, M, H, D, midnight, W0 to W6"),
    "atTime": (_is_time, "a datetime.time, by ext:// and its dotted path"),
    "stream": (_is_stream, "an object to write to, in YAML: ext://sys.stdout or ext://sys.stderr"),
    "queue": (_is_queue, "a queue, by ext:// and its dotted path"),
    "host": (_is_text, "the name of a host"),
    "port": (_is_port, "the number of a port"),
    "format": (_is_text_or_none, "a text such as '%(levelname)s %(message)s'"),
    "fmt": (_is_text_or_none, "a text such as '%(levelname)s %(message)s'"),
    "datefmt": (_is_text_or_none, "a text such as '%H:%M:%S'"),
    "defaults": (_is_mapping, "a mapping of a field's name to its value"),
    "name": (_is_text, "the name of a logger"),
}
"""By option: whether a value can be used, and what can be."""
