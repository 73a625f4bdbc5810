"""The lines of a log in order, across rotation while they are read.

A log is a plain file that grows and the segments that rotation set aside (see `segments`).
"""

from __future__ import annotations

import errno
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from vlog.errors import LogReadError
from vlog.file_lines import FileLines, to_the_end, whole_segment
from vlog.segments import DECOMPRESSION_ERRORS, Segment, list_segments, open_segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vlog.file_lines import Line, OnProblem


class LogLines:
    """The lines of a log in order, across rotation while they are read.

    It reads the segments by number, then the plain file, and keeps that one open. When the
    plain file's name is given to another file, this one was set aside as a segment (perhaps
    compressed by now, perhaps not the newest): found by its first bytes, it is not read again.

    Args:
        log_file: The log's plain file.
        on_problem: Told what cannot be read.
        in_blocks: Whether to return many lines at a time: see `Line.lines`. Not for `go_behind`.
        of: As for `FileLines`.
    """

    def __init__(
        self,
        log_file: Path,
        *,
        on_problem: OnProblem | None = None,
        in_blocks: bool = False,
        of: Callable[[Line], list[Any]] | None = None,
    ) -> None:
        self._log_file = log_file
        self._on_problem = on_problem
        self._in_blocks = in_blocks
        self._of = of
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
                yield from to_the_end(file)
            self._done += 1
        while segments := self._new_segments():
            self._reading = segments[0].number
            try:
                path = segments[0].path
                yield from whole_segment(
                    path, self._on_problem, in_blocks=self._in_blocks, of=self._of
                )
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
        return FileLines(
            self._log_file, stream, self._on_problem, in_blocks=self._in_blocks, of=self._of
        )

    def _leave(self, file: FileLines) -> None:
        """Close the file that is no longer the plain one, and pass over its segment."""
        self._done = self._number_of(file.head()) or self._done
        self.close()

    def _number_of(self, head: bytes) -> int | None:
        """Return the number of the segment that begins with `head`, if there is one.

        It may be a lower one than those that were read: numbers begin again where all segments
        were deleted.
        """
        while head:
            try:
                for segment in reversed(list_segments(self._log_file)):
                    if _begins_with(segment.path, head):
                        return segment.number
            except FileNotFoundError:
                continue  # compressed since it was listed: look again
            return None
        return None


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
