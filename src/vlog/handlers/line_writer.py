"""Whole lines to the end of an open file, whatever stands there and however much the disk takes."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from io import FileIO

    from vlog.handlers.log_files import Identity


class _Cut(NamedTuple):
    """A line of which the disk took the beginning."""

    line: bytes
    written: int
    size: int  # of the file then
    file: Identity | None


class LineWriter:
    """Write lines, each of which begins a line of the file.

    Attributes:
        bytes_written: So far.
    """

    def __init__(self) -> None:
        self.bytes_written = 0
        self._is_torn = True  # perhaps: the next write looks
        self._end = 0  # size after the last write; it looks, too, where somebody has changed that
        self._cut: _Cut | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the last line is there in part."""
        return self._cut is not None

    def opened(self) -> None:
        """Note that another file was opened, whose end nobody knows."""
        self._is_torn = True

    def began(self) -> None:
        """Note that an empty file was begun."""
        self._is_torn, self._end = False, 0

    def forget(self) -> None:
        """Forget the line that is there in part: it is another process's."""
        self._cut = None

    def write(self, stream: FileIO, line: bytes, size: int, file: Identity | None) -> None:
        """Write `line` to the end of the file, which has `size` bytes.

        Raises:
            OSError: it is not there, or not all of it. The same line given again is completed, if
                nothing else was written in between.
        """
        rest = line
        if self._is_torn or size != self._end or self._cut is not None:
            rest = self._fitting(stream, line, size, file)
        self._is_torn = True  # until all of it is written
        written = stream.write(rest)
        while written != len(rest):  # a full disk: it names the reason when it is asked for more
            if not written:
                raise OSError(errno.EIO, "no byte was written")
            size += written
            self.bytes_written += written
            rest = rest[written:]
            if rest == b"\n":  # the entry is there; the next one begins with what is missing
                self._cut = None
                return
            self._cut = _Cut(line, len(line) - len(rest), size, file)
            written = stream.write(rest)
        self.bytes_written += written
        self._cut = None
        self._end = size + written
        self._is_torn = False

    def _fitting(self, stream: FileIO, line: bytes, size: int, file: Identity | None) -> bytes:
        """Return what is to be written so that `line` stands in a line of the file."""
        done = self._done_of(line, size, file) if self._cut is not None else 0
        if done:
            return line[done:]
        is_perhaps_torn = self._is_torn or size != self._end
        return b"\n" + line if is_perhaps_torn and _has_torn_end(stream, size) else line

    def end_line(self, stream: FileIO, size: int) -> int:
        """End a line that somebody left torn; return the number of bytes written."""
        is_torn = (self._is_torn or size != self._end) and _has_torn_end(stream, size)
        return stream.write(b"\n") if is_torn else 0

    def _done_of(self, line: bytes, size: int, file: Identity | None) -> int:
        """Return how many bytes of `line` are the end of the file already."""
        cut = self._cut
        if cut is not None and cut.line is line and (cut.size, cut.file) == (size, file):
            return max(cut.written, 0)
        self._cut = None
        return 0


def _has_torn_end(stream: FileIO, size: int) -> bool:
    try:
        return size > 0 and os.pread(stream.fileno(), 1, size - 1) != b"\n"
    except (OSError, AttributeError):  # opened for writing alone; Windows
        return size > 0
