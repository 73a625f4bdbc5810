"""A log as server-sent events: what one stream sends next, and where it goes on after a break.

An event's id is the place of its line, so that going on needs no search: the number that the file
has as a segment (the plain file has the one that rotation will give it), the byte at which the
line begins, and a checksum, by which a line of another log is not taken for it. Rotation and
compression change none of them.

Everything here reads files and is called in threads, never in an event loop.
"""

from __future__ import annotations

import os
import re
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from vlog.errors import ConfigurationError
from vlog.lines import LogLines, read_errors
from vlog.reader import parse
from vlog.schema import EventType

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from vlog.file_lines import Line
    from vlog.filters import Filter

MAX_ENTRY_BYTES = 2**20  # parsing a longer one would hold up the event loop by the GIL
BATCH_BYTES = 2**16  # read at a time, more only for a line that is longer
_TAIL_BYTES = 2**16  # in which the last entry of a run is looked for
_PLACE = re.compile(r"([0-9]{1,9})-([0-9]{1,15})-([0-9a-f]{8})")


class Place(NamedTuple):
    """Where a line stands in a log.

    Attributes:
        segment: Number of its file.
        start: Byte at which it begins, decompressed.
        checksum: Of its bytes.
    """

    segment: int
    start: int
    checksum: int

    @classmethod
    def parse(cls, text: str) -> Place:
        """Return the place that an event id names.

        Raises:
            ConfigurationError: `text` is no event id.
        """
        match = _PLACE.fullmatch(text)
        if match is None:
            raise ConfigurationError(
                f"{text[:60]!r} is no event id of this stream. Give the id of the last event that "
                "was received, or none to begin with the first entry."
            )
        return cls(int(match[1]), int(match[2]), int(match[3], 16))

    def __str__(self) -> str:
        return f"{self.segment}-{self.start}-{self.checksum:08x}"


class Batch(NamedTuple):
    """What is sent at a time.

    Attributes:
        data: Events, ready to be sent.
        is_all: Whether nothing more was there.
    """

    data: bytes
    is_all: bool


class EventReader:
    """The events of one stream, a batch at a time.

    What is left out is told by an event `gap`: lines that are no entries or too long, damaged or
    deleted segments, an id that the log does not have.

    Args:
        path: The log's plain file, which may not be there yet.
        wanted: Which entries are sent.

    Attributes:
        place: Of the last line read, sent or not; None before the first.
        last_type: `type` of the last entry that is not an app's log record.
    """

    def __init__(self, path: Path, wanted: Filter) -> None:
        self.place: Place | None = None
        self.last_type: str | None = None
        self._path = path
        self._wanted = wanted
        self._gaps: list[bytes] = []
        self._log = LogLines(path, on_problem=self._leave_out)
        self._lines: Generator[Line] | None = None  # of a look that is not finished

    def begin(self, after: Place | None, *, from_end: bool) -> Batch:
        """Return the first batch.

        Args:
            after: Place of the last line that the client has. If the log does not have it, a
                `gap` says so and all entries follow.
            from_end: Whether to begin with the next entry, where `after` is None.

        Raises:
            LogReadError: the log cannot be read.
        """
        if after is not None:
            if self._log.go_behind(after.segment, after.start, _Checksum(after.checksum)):
                self.place = after
            else:
                self._add_gap(f"event {after} is not in this log: its oldest entry comes next")
        elif from_end:
            self._log.skip_to_end()
        with read_errors(self._path):  # only now: the end of the run may just have been skipped
            self.last_type = _last_type(self._path)
        return self.batch()

    def batch(self) -> Batch:
        """Return the next events, those of at most `BATCH_BYTES` of lines and one line more.

        Raises:
            LogReadError: the log cannot be read.
        """
        size, events = 0, []
        lines = self._lines or cast("Generator[Line]", self._log.poll())
        self._lines = lines
        for line in lines:
            event = self._event(line)
            events += [*self._gaps, event]
            self._gaps.clear()
            size += len(line.raw)
            if size >= BATCH_BYTES:
                return Batch(b"".join(events), is_all=False)
        events += self._gaps
        self._gaps.clear()
        self._lines = None
        return Batch(b"".join(events), is_all=True)

    def close(self) -> None:
        """Close the files."""
        if self._lines is not None:
            self._lines.close()
        self._log.close()

    def _event(self, line: Line) -> bytes:
        """Return the event of a line, or nothing where it is not wanted or is none."""
        place = Place(self._log.segment, line.start, zlib.crc32(line.raw))
        before, self.place = self.place, place
        if before is not None and place.segment > before.segment + 1:
            self._add_gap(f"segments {before.segment + 1} to {place.segment - 1} were deleted")
        if len(line.raw) > MAX_ENTRY_BYTES:
            self._leave_out(line.path, line.number, f"entry of {len(line.raw)} bytes", b"")
            return b""
        try:
            entry = parse(line.raw)
        except ValueError as error:
            if not line.raw.isspace():
                self._leave_out(line.path, line.number, str(error), b"")
            return b""
        if entry.get("type") != EventType.LOG_RECORD:
            self.last_type = str(entry.get("type"))
        return _event_of(place, line.raw) if self._wanted.accepts(entry) else b""

    def _leave_out(self, _path: Path, _number: int, reason: str, _raw: bytes) -> None:
        self._add_gap(f"a line was left out: {reason}")

    def _add_gap(self, reason: str) -> None:
        self._gaps.append(b"event: gap\n" + data_of({"reason": reason}))


class _Checksum:
    """Whether a line has this checksum."""

    def __init__(self, expected: int) -> None:
        self._expected = expected

    def __call__(self, raw: bytes) -> bool:
        return zlib.crc32(raw) == self._expected


def data_of(value: dict[str, Any]) -> bytes:
    """Return the data of an event, and its end."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _event_of(place: Place, raw: bytes) -> bytes:
    # In JSON a bare carriage return can only stand between tokens; here it would end the line.
    return f"id: {place}\ndata: ".encode() + raw.strip().replace(b"\r", b" ") + b"\n\n"


def _last_type(path: Path) -> str | None:
    """Return the `type` of the last entry that is not a log record, if it is near the end."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = stream.read(_TAIL_BYTES).split(b"\n")
    except FileNotFoundError:
        return None
    for raw in reversed(lines):
        try:
            entry = parse(raw)
        except ValueError:  # the end of a line whose beginning was not read, or a torn one
            continue
        if entry.get("type") != EventType.LOG_RECORD:
            return str(entry.get("type"))
    return None
