"""The lines of one file, whatever is in them. Bytes are split into lines here and nowhere else."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from vlog.segments import DECOMPRESSION_ERRORS, is_compressed, open_segment

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    _Of = Callable[["Line"], list[Any]]
    _Taken = tuple[list[Any], int, list[tuple[int, str, bytes]]]

MAX_LINE_BYTES = 64 * 2**20  # a longer line is not an entry; it is skipped, not held in memory
_HEAD_BYTES = 4096  # how much of a file's beginning tells it from another one
_SKIPPED_BYTES = 2**18  # decompressed at a time on the way to a place in a segment
_SHOWN_BYTES = 200  # how much of a line too long is kept to be shown
_NULS = bytes(2**20)  # as many of a line are read at a time
_BLOCK_BYTES = 2**18  # read at a time in blocks: what is made of them stays in the cache
_MOST_PARTS = 5_000  # of what is found in a stretch: it is as much that is held at once

OnProblem = Callable[[Path, int, str, bytes], None]
"""Called with file, line number (from 1), reason and raw bytes of what could not be read."""


class Line(NamedTuple):
    """One line of a log.

    Attributes:
        path: Its file.
        number: Its number in the file, from 1.
        raw: Its bytes, with the newline where it has one.
        is_tail: Whether it is the end of the plain file and has no newline: it may be torn.
        start: The byte of the file, decompressed, at which `raw` begins.
        nuls: How many NUL bytes stand in front of `raw`: a crash of the machine leaves them, where
            a file had grown and its content was not on the disk yet.
        lines: The lines of a block, each with its newline and the NUL bytes in front of it. A
            block is a `Line` that stands for several: `number` and `start` are those of the first,
            and `raw` is empty.
        found: What was made of many lines already, by another process; they do not stand here.
            Where a line stands in it, its number counts from `number`, which is 1 there.
    """

    path: Path
    number: int
    raw: bytes
    is_tail: bool = False
    start: int = 0
    nuls: int = 0
    lines: Sequence[bytes] = ()
    found: Any = None

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing but white space in it."""
        return not self.nuls and self.raw.isspace()

    def split(self) -> Iterator[Line]:
        """Yield the lines of a block; a line by itself is its only one."""
        if not self.lines:
            yield self
        start = self.start
        for number, raw in enumerate(self.lines, self.number):
            nuls = 0 if raw[0] else _leading_nuls(raw)
            yield Line(self.path, number, raw[nuls:], False, start + nuls, nuls)
            start += len(raw)


class FileLines:
    """The lines of one open file, which may grow.

    Args:
        path: The file.
        stream: The file, open, decompressed.
        on_problem: Told what cannot be read.
        in_blocks: Whether to return many lines at a time: see `Line.lines`.
        of: Makes of a block a list of what is wanted of it. Where it pays, other processes do that
            with the lines, and what they found is returned, pickled in between: see `Line.found`.

    Attributes:
        path: The file.
        number: Number of the last line returned.
    """

    def __init__(
        self,
        path: Path,
        stream: IO[bytes],
        on_problem: OnProblem | None,
        *,
        in_blocks: bool = False,
        of: _Of | None = None,
    ) -> None:
        self.path = path
        self.number = 0
        self._in_blocks = in_blocks
        self._of = of
        self._is_compressed = is_compressed(path)
        self._end = 0  # bytes read as lines, those of an incomplete one included
        self._until = sys.maxsize  # ... and no more of them
        self._stream = stream
        self._on_problem = on_problem
        self._pending = bytearray()  # a last line whose newline is not there yet
        self._nuls = 0  # ... and the NUL bytes in front of it, which are not held in memory
        self._excess = 0  # bytes of a line too long that were let go
        self._shown = b""  # ... and how it began
        self._head = b""
        self._damage: BaseException | None = None  # met behind what the last chunk has

    def complete(self) -> Iterator[Line]:
        """Return the lines that end with a newline, from where the last call stopped."""
        return self._blocks() if self._in_blocks else self._lines()

    def _blocks(self) -> Iterator[Line]:
        if self._of is not None and not self._is_compressed and not self._is_begun:
            yield from self._by_processes(self._of)
        while chunk := self._chunk():
            start = self._end
            self._end += len(chunk)
            lines = io.BytesIO(chunk).readlines()  # faster than to count the newlines
            if self._is_begun:
                start += yield from self._go_on(lines, start)
            if lines and not lines[-1].endswith(b"\n"):
                self._join(lines.pop())
            if lines:
                first = self.number + 1
                self.number += len(lines)
                yield Line(self.path, first, b"", False, start, 0, lines)

    def _by_processes(self, of: _Of) -> Iterator[Line]:
        """Yield what other processes find in what is there now, as far as they come."""
        # Few readers fork: the others, and those who write, need not load it.
        from vlog.stretches import stretches_of, taken_by_processes  # noqa: PLC0415

        begin = self._end
        stretches = stretches_of(self._stream.fileno(), begin)
        with closing(taken_by_processes(partial(self._take, of), stretches)) as found:
            for (parts, lines, problems), (start, end) in zip(found, stretches, strict=False):
                before = self.number
                self.number += lines
                self._end = self._stream.seek(end)
                for number, reason, raw in problems:
                    self.report(before + number, reason, raw)
                yield Line(self.path, before + 1, b"", False, start, 0, (), parts)

    def _take(self, of: _Of, start: int, end: int) -> _Taken:
        """Return what is found in a stretch of whole lines, in a process of its own.

        Raises:
            ValueError: they are no whole lines any more, or too much is found to be handed over.
        """
        problems: list[tuple[int, str, bytes]] = []
        again = Path(f"/proc/self/fd/{self._stream.fileno()}")  # the same, under any name
        with again.open("rb") as stream:
            stream.seek(start)
            file = FileLines(
                self.path, stream, lambda _, *problem: problems.append(problem), in_blocks=True
            )
            file._end, file._until = start, end
            parts: list[Any] = []
            for block in file.complete():
                parts += of(block)
                if len(parts) > _MOST_PARTS:
                    raise ValueError("one process does it sooner")
        if file._is_begun or file._end != end:
            raise ValueError(f"{self.path} was changed while it was read")
        return parts, file.number, problems

    def _chunk(self) -> bytes:
        most = min(MAX_LINE_BYTES, _BLOCK_BYTES, self._until - self._end)
        if not self._is_compressed:
            return self._stream.read(most)
        if self._damage is not None:
            raise self._damage
        pieces: list[bytes] = []
        try:
            # No more than is at hand: damage further on is not to spoil what comes before it.
            while at_hand := min(most, len(self._stream.peek(1))):  # type: ignore[attr-defined]
                pieces.append(self._stream.read(at_hand))
                most -= at_hand
        except DECOMPRESSION_ERRORS as error:
            if not pieces:
                raise
            self._damage = error
        return b"".join(pieces)

    def _go_on(self, lines: list[bytes], start: int) -> Generator[Line, None, int]:
        """Complete the first line by what there is of it; take it out and yield it, if it is odd.

        Returns:
            How many bytes behind `start`, where the first line went on, the lines begin now.
        """
        first = lines[0]
        is_odd = self._nuls or self._excess or len(self._pending) + len(first) > MAX_LINE_BYTES
        if first.endswith(b"\n") and not is_odd:
            begun = bytes(self._pending)
            self._pending.clear()
            lines[0] = begun + first
            return -len(begun)
        line = self._join(lines.pop(0))
        if line:
            nuls, self._nuls = self._nuls, 0
            self.number += 1
            yield Line(self.path, self.number, line, False, start + len(first) - len(line), nuls)
        return len(first)

    def _lines(self) -> Iterator[Line]:
        most = min(MAX_LINE_BYTES, len(_NULS))
        while piece := self._stream.readline(most):
            self._end += len(piece)
            nuls = 0
            if self._is_begun or not piece[0] or not piece.endswith(b"\n"):
                piece = self._join(piece)
                if not piece:
                    continue
                nuls, self._nuls = self._nuls, 0
            self.number += 1
            yield Line(self.path, self.number, piece, False, self._end - len(piece), nuls)

    @property
    def _is_begun(self) -> bool:
        return bool(self._pending or self._excess or self._nuls)

    def _join(self, piece: bytes) -> bytes:
        """Return the line that `piece` completes; nothing while it is incomplete or too long."""
        if not self._pending and not self._excess:
            nuls = _leading_nuls(piece)
            self._nuls += nuls
            piece = piece[nuls:]
        self._pending += piece
        if len(self._pending) > MAX_LINE_BYTES or self._excess:
            shown = self._shown if self._excess else b""
            self._shown = (shown + self._pending[:_SHOWN_BYTES])[:_SHOWN_BYTES]
            self._excess += len(self._pending)
            self._pending.clear()
        if not piece.endswith(b"\n"):
            return b""
        self._report_excess()
        line = bytes(self._pending)
        self._pending.clear()
        return line

    def _report_excess(self) -> None:
        if not self._excess:
            return
        self.number += 1
        reason = f"line of {self._excess} bytes: longer than the {MAX_LINE_BYTES} that are read"
        self.report(self.number, reason, self._shown)
        self._excess = self._nuls = 0

    def rest(self, *, is_tail: bool) -> Iterator[Line]:
        """Yield the last line if it has no newline."""
        self._report_excess()
        if self._is_begun:
            self.number += 1
            raw, nuls = bytes(self._pending), self._nuls
            self._pending.clear()
            self._nuls = 0
            yield Line(self.path, self.number, raw, is_tail, self._end - len(raw), nuls)

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
            self.number = self._end = self._excess = self._nuls = 0
            self._pending.clear()
            self._head = b""

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


def _leading_nuls(piece: bytes) -> int:
    if piece == _NULS[: len(piece)]:  # a tenth of the time
        return len(piece)
    return len(piece) - len(piece.lstrip(b"\0"))


def whole_segment(
    path: Path, on_problem: OnProblem | None, *, in_blocks: bool = False, of: _Of | None = None
) -> Iterator[Line]:
    """Yield the lines of a file that does not grow, as far as it can be decompressed."""
    with open_segment(path) as stream:
        yield from to_the_end(FileLines(path, stream, on_problem, in_blocks=in_blocks, of=of))


def to_the_end(file: FileLines) -> Iterator[Line]:
    """Yield what follows in a file that does not grow, as far as it can be decompressed."""
    try:
        yield from file.complete()
    except DECOMPRESSION_ERRORS as error:
        file.report(file.number + 1, f"damaged from here on, perhaps before: {error}")
        return
    # zstd is silent about a cut, but a segment ends with a newline.
    rest = list(file.rest(is_tail=False))
    if is_compressed(file.path) and (rest or not file.number):
        file.report(file.number, "cut off here: the compressed file is not complete")
        return
    yield from rest
