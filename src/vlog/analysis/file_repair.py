"""One file of a log, with its segments, into a new one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from vlog.analysis.dropped import place_of
from vlog.analysis.fields import integer_at, number_at
from vlog.analysis.repair_report import Finding, Kind, RepairedFile
from vlog.analysis.salvage import pieces_of
from vlog.analysis.seen import seen_in
from vlog.gap import Gap, Origin
from vlog.reader import read_lines
from vlog.redaction import redact_text
from vlog.segments import SEGMENT_SUFFIX, list_segments, log_of, segment_path
from vlog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vlog.analysis.dropped import Place
    from vlog.analysis.new_file import NewFile
    from vlog.analysis.salvage import Piece
    from vlog.file_lines import Line

_SUFFIX = re.compile(f"{SEGMENT_SUFFIX}$")
_REDACTED_BYTES = 2000  # more than is shown: a secret that is cut would not be known as one
_SHOWN_CHARACTERS = 100


class _Where(NamedTuple):
    path: Path
    line: int = 0
    byte: int = 0


class FileRepair:
    """A repair of one file under way.

    Args:
        source: The file.
        target: Where to.
        tell: Told of everything that is not taken over as it is.
    """

    def __init__(self, source: Path, target: NewFile, tell: Callable[[Finding], None]) -> None:
        self._source = source
        self._target = target
        self._tell = tell
        self._result = RepairedFile(str(source), str(target.path))
        self._seen = seen_in(source)
        self._next: dict[tuple[str, int], int] = {}
        self._losses = _Losses(_first_number(source))
        self._file: Path | None = None  # that the last line was in
        self._end = 0  # byte at which that ended

    def run(self) -> RepairedFile:
        """Write the new file, and return what became of the old one."""
        for line in read_lines(self._source, family=False, on_problem=self._add_unreadable):
            self._enter(line.path)
            for piece in pieces_of(line):
                self._add(line, piece)
            self._end = line.start + len(line.raw)
        return self._result

    def _enter(self, path: Path) -> None:
        """Name the segments that are not there between the last line's file and this one's."""
        if path == self._file:
            return
        before, number = _number_of(self._file), _number_of(path)
        if before and number:
            for missing in range(before + 1, number):
                gone = segment_path(log_of(path), missing)
                self._add_loss(Kind.LOST, _Where(gone), "the segment is not there")
        self._file, self._end = path, 0

    def _add_unreadable(self, path: Path, number: int, reason: str, raw: bytes) -> None:
        self._enter(path)
        self._add_loss(Kind.LOST, _Where(path, number, self._end), reason, raw)

    def _add(self, line: Line, piece: Piece) -> None:
        where = _Where(line.path, line.number, piece.start)
        if piece.entry is None:
            kind = Kind.TORN if piece.is_torn else Kind.LOST
            self._add_loss(kind, where, piece.note, piece.raw)
            return
        place = place_of(piece.entry)
        if place is not None:
            if self._seen.is_again(place, piece.raw):
                reason = f"seq {place.last} {place.whose} comes again, the same"
                self._add_finding(Kind.DUPLICATE, where, reason, piece.raw)
                return
            self._fill_gap(place, piece.entry)
        self._target.write(piece.raw + b"\n")
        self._result.kept += 1
        if piece.note:
            self._add_finding(Kind.MENDED, where, piece.note, piece.raw)

    def _fill_gap(self, place: Place, entry: dict[str, Any]) -> None:
        """Say in the new file which entries are missing in front of one."""
        key = (place.run_id, place.rank)
        reason = self._losses.reason_for(key)
        expected = self._next.get(key, 0)
        for first, last in self._seen.missing(place, expected):
            self._target.write(orjson.dumps(_gap(entry, first, last, reason)) + b"\n")
            self._result.missing += last - first + 1
        self._next[key] = max(expected, place.last + 1)

    def _add_loss(self, kind: Kind, where: _Where, reason: str, raw: bytes = b"") -> None:
        self._losses.add(where.path, where.line)
        self._add_finding(kind, where, reason, raw)

    def _add_finding(self, kind: Kind, where: _Where, reason: str, raw: bytes) -> None:
        self._result.count(kind)
        path, line, byte = where
        self._tell(Finding(kind, str(path), line, byte, reason, _beginning(raw)))


class _Losses:
    """Why entries of a run are missing, by what was lost since the last one that is there.

    Args:
        first_segment: Number of the log's oldest segment.
    """

    def __init__(self, first_segment: int) -> None:
        self._is_begun_late = first_segment > 1
        self._count = 0
        self._last = ""
        self._count_at: dict[tuple[str, int], int] = {}

    def add(self, path: Path, line: int) -> None:
        """Count a loss."""
        self._count += 1
        self._last = f"line {line} of {path.name}" if line else f"{path.name} is not there"

    def reason_for(self, run: tuple[str, int]) -> str:
        """Return why entries of a run are missing between its last one and the next."""
        is_first = not self._count_at
        lost = self._count - self._count_at.get(run, 0)
        self._count_at[run] = self._count
        if lost:
            more = f" and {lost - 1} more" if lost > 1 else ""
            return f"damaged: {self._last}{more}"
        if is_first and self._is_begun_late:
            return "the oldest segments of the log were removed"
        return "nothing in the log says why"


def _gap(entry: dict[str, Any], first: int, last: int, reason: str) -> dict[str, Any]:
    """Return the entry that stands for those from `first` to `last`, in front of `entry`."""
    origin = Origin(
        None,
        entry["run_id"],
        entry["rank"],
        integer_at(entry, "pid") or 0,
        last,
        integer_at(entry, "step") or 0,
        number_at(entry, "epoch"),
    )
    gap = Gap(origin._replace(seq=first), origin, reason, last - first + 1, "missing")
    return gap.entry(entry.get("timestamp"))


def _beginning(raw: bytes) -> str:
    text = raw[:_REDACTED_BYTES].decode("utf-8", "backslashreplace")
    return visible(redact_text(text))[:_SHOWN_CHARACTERS]


def _number_of(path: Path | None) -> int:
    """Return the number of a segment; 0 for a file that is none."""
    match = None if path is None else _SUFFIX.search(path.name)
    return 0 if match is None else int(match[1])


def _first_number(log: Path) -> int:
    return min((segment.number for segment in list_segments(log)), default=0)
