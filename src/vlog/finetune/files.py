"""CSV, JSON and JSONL files, read strictly: each row, or what is wrong with it and where.

A file is UTF-8, with or without a byte order mark. JSONL has one object a line, JSON an array of
objects, CSV commas, double quotes and a first line with the names of the columns. Blank lines
between rows are passed over.
"""

from __future__ import annotations

import csv
import io
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from vlog.errors import ConfigurationError
from vlog.finetune.keys import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BOM = b"\xef\xbb\xbf"
_csv_limit = threading.Lock()


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file.

    Attributes:
        place: Where it stands: `line 3`, or `index 2` in the array of a JSON file.
        values: Its columns; None for a row that cannot be read.
        fault: Why it cannot be read.
    """

    place: str
    values: dict[str, Any] | None = None
    fault: str = ""


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file, those that cannot be read too.

    Args:
        path: Of a suffix that `READERS` has.

    Raises:
        ConfigurationError: the file cannot be opened or read.
    """
    try:
        yield from READERS[path.suffix.lower()](path)
    except OSError as error:
        raise ConfigurationError(
            f"{str(path)!r} cannot be read: {error.strerror}. Give a file that can."
        ) from error


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            raw = line.removeprefix(_BOM) if number == 1 else line
            if not raw.isspace() and raw:
                yield _row_of_line(f"line {number}", raw)


def _row_of_line(place: str, raw: bytes) -> Row:
    fault = _fault_of_bytes(raw)
    if fault:
        return Row(place, fault=fault)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Row(place, fault=f"is not JSON: {error.msg} (character {error.colno})")
    twice = _keys_twice(raw)
    return Row(place, fault=twice[0]) if twice else _row_of_value(place, value)


def _keys_twice(raw: bytes) -> dict[int, str]:
    """Return the fault of each row that has an object with a key twice, by the row's index.

    The fast parser keeps the last of the two and does not say so. Only the keys matter here.

    Args:
        raw: JSON that the fast parser has taken: an array of rows, or one row.
    """
    twice = []

    def check(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        names = [name for name, _ in pairs]
        twice.append(_Twice(next(name for name in names if names.count(name) > 1)))
        return twice[-1]

    try:
        rows = json.loads(raw, object_pairs_hook=check, parse_int=str, parse_float=str)
    except RecursionError:
        return {0: "is nested too deeply"}
    if not twice:
        return {}
    rows = rows if isinstance(rows, list) else [rows]
    names = {index: _name_twice(row) for index, row in enumerate(rows)}
    return {index: f"names the key {name!r} twice" for index, name in names.items() if name}


class _Twice(str):
    """The key that an object names twice, in place of the object."""

    __slots__ = ()


def _name_twice(value: object) -> str | None:
    if isinstance(value, _Twice):
        return value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(_name_twice, inner)), None)


def _row_of_value(place: str, value: object) -> Row:
    if isinstance(value, dict):
        return Row(place, value)
    return Row(place, fault=f"is {shown(value)}. Expected an object")


def _read_json(path: Path) -> Iterator[Row]:
    raw = path.read_bytes().removeprefix(_BOM)
    bad_lines = list(_bad_lines(raw))
    yield from bad_lines
    if bad_lines or not raw.strip():
        return
    try:
        rows = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        hint = ". One object a line is JSONL: name it .jsonl" if raw.lstrip()[:1] == b"{" else ""
        yield Row(
            f"line {error.lineno}",
            fault=f"is not JSON: {error.msg} (character {error.colno}){hint}",
        )
        return
    if not isinstance(rows, list):
        yield Row("line 1", fault=f"holds {shown(rows)}. Expected an array of objects")
        return
    twice = _keys_twice(raw)
    for index, value in enumerate(rows):
        place = f"index {index}"
        yield Row(place, fault=twice[index]) if index in twice else _row_of_value(place, value)


def _read_csv(path: Path) -> Iterator[Row]:
    raw = path.read_bytes().removeprefix(_BOM)
    bad_lines = list(_bad_lines(raw))
    yield from bad_lines
    if bad_lines:
        return
    # The longest cell is a setting of the whole process, and by default shorter than some texts.
    with _csv_limit:
        before = csv.field_size_limit(max(len(raw), csv.field_size_limit()))
        try:
            rows = list(_csv_rows(raw.decode()))
        finally:
            csv.field_size_limit(before)
    yield from rows


def _csv_rows(text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    line = 1
    try:
        for cells in reader:
            place, line = f"line {line}", reader.line_num + 1
            if not cells:
                continue
            if header:
                yield _row_of_cells(place, header, cells)
                continue
            header = [name.strip() for name in cells]
            twice = [name for name in header if header.count(name) > 1]
            if twice:
                yield Row(place, fault=f"names the column {twice[0]!r} twice")
                return
    except csv.Error as error:
        yield Row(f"line {line}", fault=f"is not CSV: {error}. What follows was not read")


def _row_of_cells(place: str, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        fault = f"has {len(cells)} cells. Expected {len(header)}, as the first line"
        return Row(place, fault=fault)
    return Row(place, dict(zip(header, cells, strict=True)))


def _bad_lines(raw: bytes) -> Iterator[Row]:
    if not _fault_of_bytes(raw):
        return
    for number, line in enumerate(raw.split(b"\n"), 1):
        fault = _fault_of_bytes(line)
        if fault:
            yield Row(f"line {number}", fault=fault)


def _fault_of_bytes(raw: bytes) -> str:
    if b"\0" in raw:
        return "has a NUL byte: the file is damaged, or not UTF-8. Save it as UTF-8"
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"is not UTF-8 (byte 0x{raw[error.start]:02x}). Save the file as UTF-8"
    return ""


READERS = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
}
