"""An entry inside a stdlib `LogRecord`, and as the bytes of a line.

The record is a good citizen: its text is the entry's message, so that any handler of any app
prints something sensible, and the whole entry travels in one attribute that our handlers read.
It can be pickled by a queue handler.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import orjson

from vlog.encoded import Encoded
from vlog.resources import Reading
from vlog.schema import Severity
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# JSON formatters of apps print all attributes that they do not know, but for those that begin so.
_ATTRIBUTE = "_vlog_entry"
# A reading is a dataclass: passed through, it reaches `_encode_other`, which has it encoded.
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATACLASS


def make_record(
    logger_name: str,
    entry: dict[str, Any],
    factory: Callable[..., logging.LogRecord] = logging.LogRecord,
) -> logging.LogRecord:
    """Return the record that carries `entry`, made by `factory`.

    Its level number is the tier's, so that `level: HIGH` of a handler means what it says; from
    WARNING on it is the severity's, so that alerts pass everywhere.
    """
    number = number_of(entry["level"], entry["verbosity"])
    record = factory(logger_name, number, "", 0, entry["message"], (), None, entry["type"])
    carry(record, entry)
    return record


def number_of(level: str, verbosity: str) -> int:
    """Return the level number of the record that carries an entry of these."""
    return _NUMBERS[level, verbosity]


_SEVERE = (Severity.WARNING, Severity.ERROR)
_NUMBERS = {
    (str(severity), tier.label): getattr(logging, severity) if severity in _SEVERE else int(tier)
    for severity in Severity
    for tier in Verbosity
}


class _Carried:
    """What tells an entry of ours from what somebody's `extra` has under the same name."""

    __slots__ = ("entry",)

    def __init__(self, entry: dict[str, Any]) -> None:
        self.entry = entry


def carry(record: logging.LogRecord, entry: dict[str, Any]) -> None:
    """Have `record` carry `entry`."""
    setattr(record, _ATTRIBUTE, _Carried(entry))


def entry_of(record: logging.LogRecord) -> dict[str, Any] | None:
    """Return the entry that `record` carries, or None if it is somebody else's record."""
    carried = getattr(record, _ATTRIBUTE, None)
    return carried.entry if type(carried) is _Carried else None


def severity_of(level: int) -> Severity:
    """Return the severity of a stdlib level number; apps give the levels other names.

    >>> severity_of(50), severity_of(25), severity_of(5)
    (<Severity.ERROR: 'ERROR'>, <Severity.INFO: 'INFO'>, <Severity.DEBUG: 'DEBUG'>)
    """
    if level >= logging.ERROR:
        return Severity.ERROR
    if level >= logging.WARNING:
        return Severity.WARNING
    return Severity.INFO if level >= logging.INFO else Severity.DEBUG


def hand_to(
    logger: logging.Logger,
    record: logging.LogRecord,
    report: Callable[[str, BaseException | None], object],
    without: Collection[logging.Handler] = (),
    wait_seconds: float = -1,
) -> bool:
    """Hand `record` to the handlers of `logger` and of those above it, as `Logger.handle` does.

    Args:
        logger: Where to begin; its level is not asked.
        record: The record.
        report: Told of a handler that raises or that is left out.
        without: Handlers that have it already.
        wait_seconds: How long a handler may be busy in another thread before it is left out;
            -1 for as long as it takes.

    Returns:
        Whether none was left out.
    """
    is_whole = True
    current: logging.Logger | None = logger
    while current is not None:
        for handler in current.handlers:
            if record.levelno >= handler.level and handler not in without:
                is_whole &= hand_to_one(handler, record, report, wait_seconds)
        current = current.parent if current.propagate else None
    return is_whole


def hand_to_one(
    handler: logging.Handler,
    record: logging.LogRecord,
    report: Callable[[str, BaseException | None], object],
    wait_seconds: float = -1,
) -> bool:
    """Hand `record` to one handler, whatever its level; as `hand_to`."""
    lock = handler.lock
    if lock is not None and not lock.acquire(timeout=wait_seconds):
        report("a handler of the app's was busy, and was not told of an entry", None)
        return False
    try:
        handler.handle(record)
    except Exception as error:  # noqa: BLE001 - a handler or filter of the app's
        report("a handler of the app's raised", error)
    finally:
        if lock is not None:
            lock.release()
    return True


def encode(entry: dict[str, Any]) -> bytes:
    r"""Return `entry` as one line of JSON that ends in `\n`.

    What is a line's end for Python's `splitlines`, a command for a terminal, or turns the direction
    of text is written as its escape, which means the same.
    """
    line = orjson.dumps(entry, default=_encode_other, option=_OPTIONS)
    # Quickly whether it is worth a search, which takes longer than the encoding: most have a sign
    # such as ✅, and nothing that acts.
    if 0xC2 in line or 0xD8 in line or (0xE2 in line and (0x80 in line or 0x81 in line)):
        return _ACTING.sub(_escaped, line)
    return line


# C1 controls with U+0085, U+061C, U+200E and U+200F, U+2028 to U+202E, U+2066 to U+2069, in UTF-8.
_ACTING = re.compile(rb"\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]")


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())


def _encode_other(value: Any) -> Any:
    if isinstance(value, (Reading, Encoded)):
        return orjson.Fragment(value.json)
    raise TypeError(f"{type(value).__name__} was not normalized")
