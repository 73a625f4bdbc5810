"""What can be saved of a line: whole entries, byte for byte where that is possible.

Nothing is made up: a piece counts as an entry only if it is a whole JSON object that begins the
line, or has what each entry of vlog has, and that nothing but another one, NUL bytes or white
space follows. A part of a damaged entry can be a whole object, too; its rest follows it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from vlog.analysis.torn import nuls_text, torn_reason
from vlog.reader import parse
from vlog.schema import ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlog.file_lines import Line

_FILLER = "\0 \t\r\n\ufeff"  # what may stand beside an entry: NUL bytes, a byte order mark
_FILLERS = re.compile(f"[{_FILLER}]*")
_FOLLOWS = f"{{{_FILLER}"
_ENTRY_START = re.compile(r'\{\s*"timestamp"\s*:')
_ALWAYS = {field.name for field in ENVELOPE if field.required}
_MAX_TRIES = 1000  # places of a line at which no entry begins after all
_BESIDE = "it was not alone on its line"
_NOT_UTF8 = "bytes that are no UTF-8 became U+FFFD"


class Piece(NamedTuple):
    """A part of a line: an entry that is kept, or what cannot be kept.

    Attributes:
        start: The byte of the file at which it begins.
        raw: Its bytes, without the newline.
        entry: The entry; None for what cannot be kept.
        note: Why it cannot be kept, or what was mended; empty for a line that is whole.
        is_torn: Whether it is what a kill or a crash leaves of a line; see `torn_reason`.
    """

    start: int
    raw: bytes
    entry: dict[str, Any] | None
    note: str = ""
    is_torn: bool = False


def pieces_of(line: Line) -> Iterator[Piece]:
    """Yield the pieces of a line in order; none of a blank one."""
    if line.is_blank:
        return
    try:
        entry = parse(line.raw)
    except ValueError as error:
        yield from _salvage(line, f"not an entry: {error}")
        return
    note = f"{nuls_text(line.nuls)} stood in front of it" if line.nuls else ""
    yield Piece(line.start, line.raw.removesuffix(b"\n"), entry, note)


def _salvage(line: Line, reason: str) -> Iterator[Piece]:
    text = line.raw.decode("utf-8", "surrogateescape")
    place, offset = 0, line.start
    if not text.strip(_FILLER):
        torn = torn_reason(line)
        yield Piece(offset - line.nuls, b"", None, torn or reason, is_torn=torn is not None)
    for start, end, (raw, entry, note) in _entries_in(text):
        yield from _lost(line, text[place:start], offset, reason)
        offset += len(_bytes(text[place:start]))
        yield Piece(offset, raw, entry, note)
        offset += len(_bytes(text[start:end]))
        place = end
    yield from _lost(line, text[place:], offset, reason)


def _lost(line: Line, text: str, offset: int, reason: str) -> Iterator[Piece]:
    begin = _end_of_filler(text, 0)
    raw = _bytes(text[begin:].rstrip(_FILLER))
    if raw:
        torn = torn_reason(line._replace(raw=raw))
        is_torn = torn is not None
        yield Piece(offset + len(_bytes(text[:begin])), raw, None, torn or reason, is_torn)


_Entry = tuple[bytes, dict[str, Any], str]


def _entries_in(text: str) -> Iterator[tuple[int, int, _Entry]]:
    """Yield where entries stand in a text, and their bytes, content and note."""
    place = tries = 0
    while tries < _MAX_TRIES:
        place = _end_of_filler(text, place)
        end = _end_of_object(text, place)
        entry = _entry(text[place:end]) if end else None
        if entry is not None and (not tries or entry[1].keys() >= _ALWAYS):
            yield place, end, entry
            place = end
            continue
        tries += 1
        start = _ENTRY_START.search(text, place + 1)
        if start is None:
            return
        place = start.start()


def _end_of_filler(text: str, start: int) -> int:
    return _FILLERS.match(text, start).end()  # type: ignore[union-attr]  # it matches nothing, too


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _end_of_object(text: str, start: int) -> int:
    """Return where the object that begins at `start` ends; 0 if none does, or more follows."""
    if not text.startswith("{", start):
        return 0
    try:
        _, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return 0
    return end if end == len(text) or text[end] in _FOLLOWS else 0


def _entry(text: str) -> _Entry | None:
    raw = _bytes(text)
    whole = raw.decode("utf-8", "replace").encode()
    try:
        return whole, parse(whole), _BESIDE if whole == raw else _NOT_UTF8
    except ValueError:  # what only Python's own parser takes: half of a surrogate pair
        return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
