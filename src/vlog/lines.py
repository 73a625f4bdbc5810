"""The lines of a log in order, whatever is in them, across rotation while they are read.

A log is a plain file that grows and the segments that rotation set aside (see `segments`). Bytes
are split into lines here and nowhere else.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from vlog.errors import LogReadError
from vlog.segments import (
    COMPRESSED_SUFFIX,
    DECOMPRESSION_ERRORS,
    Segment,
    list_segments,
    open_segment,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE_BYTES = 64 * 2**20  # a longer line is not an entry; it is skipped, not held in memory
_HEAD_BYTES = 4096  # how much of a file's beginning tells it from another one
_SKIPPED_BYTES = 2**18  # decompressed at a time on the way to a place in a segment
_SHOWN_BYTES = 200  # how much of a line too long is kept to be shown

OnProblem = Callable[[Path, int, str, bytes], None]
"""Called with file, line number (from 1), reason and raw bytes of what could not be read."""


class Line(NamedTuple):
    """One line of a log.

    Attributes:
        path: Its file.
        number: Its number in the file, from 1.
        raw: Its bytes, with the newline where it has one.
        is_tail: Whether it is the end of the plain file and has no newline: it may be torn.
        start: The byte of the file, decompressed, at which it begins.
    """

    path: Path
    number: int
    raw: bytes
    is_tail: bool = False
    start: int = 0


class FileLines:
    """The lines of one open file, which may grow.

    Attributes:
        path: The file.
        number: Number of the last line returned.
    """

    def __init__(self, path: Path, stream: IO[bytes], on_problem: OnProblem | None) -> None:
        self.path = path
        self.number = 0
        self._end = 0  # bytes read as lines, those of an incomplete one included
        self._stream = stream
        self._on_problem = on_problem
        self._pending = b""  # a last line whose newline is not there yet
        self._excess = 0  # bytes of a line too long that were let go
        self._shown = b""  # ... and how it began
        self._head = b""

    def complete(self) -> Iterator[Line]:
        """Yield the lines that end with a newline, from where the last call stopped."""
        while piece := self._stream.readline(MAX_LINE_BYTES):
            self._end += len(piece)
            if self._pending or self._excess or not piece.endswith(b"\n"):
                piece = self._join(piece)
                if not piece:
                    continue
            self.number += 1
            yield Line(self.path, self.number, piece, start=self._end - len(piece))

    def _join(self, piece: bytes) -> bytes:
        """Return the line that `piece` completes; nothing while it is incomplete or too long."""
        self._pending += piece
        if len(self._pending) > MAX_LINE_BYTES or self._excess:
            if not self._excess:
                self._shown = self._pending[:_SHOWN_BYTES]
            self._excess += len(self._pending)
            self._pending = b""
        if not piece.endswith(b"\n"):
            return b""
        self._report_excess()
        line, self._pending = self._pending, b""
        return line

    def _report_excess(self) -> None:
        if not self._excess:
            return
        self.number += 1
        reason = f"line of {self._excess} bytes: longer than the {MAX_LINE_BYTES} that are read"
        self.report(self.number, reason, self._shown)
        self._excess = 0

    def rest(self, *, is_tail: bool) -> Iterator[Line]:
        """Yield the last line if it has no newline."""
        self._report_excess()
        if self._pending:
            self.number += 1
            start = self._end - len(self._pending)
            yield Line(self.path, self.number, self._pending, is_tail, start)
            self._pending = b""

    def report(self, number: int, reason: str, raw: bytes = b"") -> None:
        """Tell `on_problem`, if there is one."""
        if self._on_problem is not None:
            self._on_problem(self.path, number, reason, raw)

    def head(self) -> bytes:
        """Return the file's first bytes, which tell it from any other file of the log."""
        if len(self._head) < _HEAD_BYTES and self._stream.seekable():
            self._head = self._first_bytes(_HEAD_BYTES)
        return self._head

    def _first_bytes(self, count: int) -> bytes:
        position = self._stream.tell()
        self._stream.seek(0)
        found = self._stream.read(count)
        self._stream.seek(position)
        return found

    def restart_if_rewritten(self) -> None:
        """Go to the start if the file was truncated, also if it has grown again since."""
        if not self._stream.seekable():
            return
        is_shorter = os.fstat(self._stream.fileno()).st_size < self._stream.tell()
        if is_shorter or self._first_bytes(len(self._head)) != self._head:
            self._stream.seek(0)
            self.number, self._pending, self._excess, self._head = 0, b"", 0, b""
            self._end = 0

    def line_at(self, start: int) -> bytes:
        """Go to byte `start` and return the complete line there, or nothing; go on behind it."""
        if self._stream.seekable():
            self._stream.seek(start)
        else:
            left = start
            while left and (passed := self._stream.read(min(left, _SKIPPED_BYTES))):
                left -= len(passed)
        self._end = start
        return next((line.raw for line in self.complete()), b"")

    def skip_to_end(self) -> None:
        """Go behind the last newline."""
        end = position = self._stream.seek(0, os.SEEK_END)
        while position > 0:
            start = max(0, position - _HEAD_BYTES)
            self._stream.seek(start)
            newline = self._stream.read(position - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            position = start
        self._end = self._stream.seek(end if position > 0 else 0)

    def is_at(self, path: Path) -> bool:
        """Return whether `path` still names this file."""
        try:
            there = path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._stream.fileno()))

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class LogLines:
    """The lines of a log in order, across rotation while they are read.

    It reads the segments by number, then the plain file, and keeps that one open. When the
    plain file's name is given to another file, this one was set aside as a segment (perhaps
    compressed by now, perhaps not the newest): found by its first bytes, it is not read again.
    """

    def __init__(self, log_file: Path, *, on_problem: OnProblem | None = None) -> None:
        self._log_file = log_file
        self._on_problem = on_problem
        self._done = 0  # number of the last segment read
        self._reading = 0  # number of the segment being read; 0 while it is the plain file
        self._begun: FileLines | None = None  # a segment to be read from its middle
        self._file: FileLines | None = None  # the plain file

    @property
    def segment(self) -> int:
        """Number of the segment that the last line returned is in, or will be after rotation."""
        return self._reading or self._done + 1

    def poll(self) -> Iterator[Line]:
        """Yield the complete lines that are there and have not been returned yet."""
        with read_errors(self._log_file):
            yield from self._poll()

    def all(self) -> Iterator[Line]:
        """Yield every line that is there, a last one without newline too, and close the file."""
        try:
            yield from self.poll()
            if self._file is not None:
                yield from self._file.rest(is_tail=True)
        finally:
            self.close()

    def close(self) -> None:
        """Close the plain file."""
        for file in (self._file, self._begun):
            if file is not None:
                file.close()
        self._file = self._begun = None

    def go_behind(self, segment: int, start: int, is_it: Callable[[bytes], bool]) -> bool:
        """Begin with what follows the line at byte `start` of a segment.

        Args:
            segment: Its number: what `segment` said when that line was returned.
            start: The line's `start`.
            is_it: Says whether the line found there is the one that is meant.

        Returns:
            Whether it is. If not (another log, a segment that is gone), it begins with the oldest
            line.
        """
        with read_errors(self._log_file):
            file, is_plain = self._open(segment)
            if file is None:
                return False
            try:
                raw = file.line_at(start)
                is_found = bool(raw) and is_it(raw)
            except DECOMPRESSION_ERRORS:
                is_found = False
            if not is_found:
                file.close()
                return False
            self._done = segment - 1
            if is_plain:
                self._file = file
            else:
                self._begun = file
            return True

    def _open(self, segment: int) -> tuple[FileLines | None, bool]:
        """Return the file that has, or will have, this number, and whether it is the plain one."""
        while True:
            paths = {each.number: each.path for each in list_segments(self._log_file)}
            try:
                if segment in paths:
                    path = paths[segment]
                    return FileLines(path, open_segment(path), self._on_problem), False
            except FileNotFoundError:
                continue  # compressed since it was listed: look again
            if segment != max(paths, default=0) + 1:
                return None, False
            plain_file = self._open_plain_file()
            if segment not in {each.number for each in list_segments(self._log_file)}:
                return plain_file, True
            if plain_file is not None:
                plain_file.close()  # of the next segment: there was a rotation in between

    def skip_to_end(self) -> None:
        """Pass over what is there now."""
        with read_errors(self._log_file):
            while True:
                self._file = self._open_plain_file()
                if self._file is not None:
                    self._file.skip_to_end()
                self._done = max((each.number for each in list_segments(self._log_file)), default=0)
                if self._file is None or self._file.is_at(self._log_file):
                    return
                self.close()  # rotated in between: it may be older than the last segment

    def _poll(self) -> Iterator[Line]:
        if self._file is not None:
            self._file.restart_if_rewritten()
        while True:
            if self._file is None:
                yield from self._reach_plain_file()
            if self._file is None:
                return
            yield from self._file.complete()
            if self._file.is_at(self._log_file):
                self._file.head()  # known from now on, for `restart_if_rewritten`
                return
            yield from self._file.complete()  # what was written before it was renamed
            yield from self._file.rest(is_tail=False)
            self._leave(self._file)

    def _reach_plain_file(self) -> Iterator[Line]:
        """Yield the segments not read yet, then open the plain file if there is one."""
        while self._file is None:
            yield from self._read_segments()
            plain_file = self._open_plain_file()
            # A rotation between the two steps: the file just opened may not be the next one.
            if not self._new_segments():
                self._file = plain_file
                return
            if plain_file is not None:
                plain_file.close()

    def _read_segments(self) -> Iterator[Line]:
        if self._begun is not None:
            self._reading, file, self._begun = self._done + 1, self._begun, None
            with closing(file):
                yield from _to_the_end(file)
            self._done += 1
        while segments := self._new_segments():
            self._reading = segments[0].number
            try:
                yield from whole_segment(segments[0].path, self._on_problem)
            except FileNotFoundError:
                continue  # compressed or removed since it was listed: look again
            self._done = segments[0].number
        self._reading = 0

    def _new_segments(self) -> list[Segment]:
        return [each for each in list_segments(self._log_file) if each.number > self._done]

    def _open_plain_file(self) -> FileLines | None:
        try:
            stream = self._log_file.open("rb")
        except FileNotFoundError:
            return None
        return FileLines(self._log_file, stream, self._on_problem)

    def _leave(self, file: FileLines) -> None:
        """Close the file that is no longer the plain one, and pass over its segment."""
        self._done = self._number_of(file.head()) or self._done
        self.close()

    def _number_of(self, head: bytes) -> int | None:
        """Return the number of the segment that begins with `head`, if there is one."""
        while head:
            try:
                for segment in self._new_segments():
                    if _begins_with(segment.path, head):
                        return segment.number
            except FileNotFoundError:
                continue  # compressed since it was listed: look again
            return None
        return None


def whole_segment(path: Path, on_problem: OnProblem | None) -> Iterator[Line]:
    """Yield the lines of a file that does not grow, as far as it can be decompressed."""
    with open_segment(path) as stream:
        yield from _to_the_end(FileLines(path, stream, on_problem))


def _to_the_end(file: FileLines) -> Iterator[Line]:
    try:
        yield from file.complete()
    except DECOMPRESSION_ERRORS as error:
        file.report(file.number + 1, f"damaged from here on: {error}")
        return
    # zstd is silent about a cut, but a segment ends with a newline.
    rest = list(file.rest(is_tail=False))
    if file.path.suffix in COMPRESSED_SUFFIX.values() and (rest or not file.number):
        file.report(file.number, "cut off here: the compressed file is not complete")
        return
    yield from rest


def _begins_with(path: Path, head: bytes) -> bool:
    with open_segment(path) as stream:
        try:
            return stream.read(len(head)) == head
        except DECOMPRESSION_ERRORS:
            return False


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turn what the disk raises while `path` is read into a `LogReadError`."""
    try:
        yield
    except LogReadError:
        raise
    except OSError as error:
        what = f"{error.filename or path} cannot be read: {error.strerror}."
        if error.errno == errno.EMFILE:
            what += " A log keeps a file of each rank open: raise the limit (ulimit -n)."
        raise LogReadError(what) from error
