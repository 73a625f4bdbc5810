"""The stream behind the console: what it can show, and how a line that is redrawn gets onto it.

The live line stands in the rows *below* the cursor, which is put back to where it was. So what the
training prints goes above it, in a row of its own; a bar of tqdm keeps its row; and whatever a
resize makes of the live line is below the cursor, where it is erased as a whole.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_COLUMNS, _ROWS = 80, 24  # of a terminal that does not tell
_BLOCKED_SECONDS = 1.0
_GONE = frozenset({errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO})
# Erase to the end of the row, to the end of the screen; do not wrap; keep and restore the cursor.
_ERASE_ROW, _ERASE_BELOW = "\x1b[K", "\x1b[J"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_KEEP, _RESTORE = "\x1b7", "\x1b8"
_DOWN_SCROLLING = "\x1bD"


class Part(NamedTuple):
    """A text and its style: the numbers of ANSI's SGR, or nothing."""

    text: str
    style: str = ""


def paint(parts: Iterable[Part], *, has_colours: bool) -> str:
    r"""Return the parts side by side, in their colours or without any.

    >>> paint([Part("a"), Part("b", "31")], has_colours=True)
    'a\x1b[31mb\x1b[0m'
    """
    return "".join(
        f"\x1b[{part.style}m{part.text}\x1b[0m" if has_colours and part.style else part.text
        for part in parts
    )


class BrokenStreamError(Exception):
    """Nobody is at the other end any more, and nobody will be."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """A stream as it is now; a look at it is cheap, so that a change is seen.

    Attributes:
        stream: Where text goes.
        descriptor: The same for the operating system. None where the stream is no file of its (a
            notebook's, a StringIO): then `stream.write` is used.
        is_terminal: Whether somebody looks at it who can be shown colours.
        is_live: Whether a line may be redrawn on it.
        has_colours: Whether colours are wanted there.
        encoding: Of its bytes.
    """

    stream: IO[str]
    descriptor: int | None
    is_terminal: bool
    is_live: bool
    has_colours: bool
    encoding: str

    @classmethod
    def look(cls, stream: IO[str] | None, live: bool | None) -> Terminal:
        """Return what `stream` is.

        Args:
            stream: None for what is stderr now.
            live: Whether a line is redrawn; None for: on a terminal.

        Raises:
            BrokenStreamError: there is none, or it is closed.
        """
        stream = sys.stderr if stream is None else stream
        if stream is None or getattr(stream, "closed", False):
            raise BrokenStreamError
        descriptor = _descriptor_of(stream)
        is_terminal = (
            descriptor is not None
            and os.isatty(descriptor)
            and os.environ.get("TERM", "") not in ("", "dumb")
        )
        if live is None:
            live = is_terminal and not _is_in_background(descriptor)
        has_colours = is_terminal and not os.environ.get("NO_COLOR")
        encoding = _encoding_of(stream)
        return cls(stream, descriptor, is_terminal, live, has_colours, encoding)

    @property
    def columns(self) -> int:
        """Its width in cells, as it is now."""
        return self._size()[0]

    def can_show(self, text: str) -> bool:
        """Return whether its encoding has all characters of `text`."""
        return text == text.encode(self.encoding, "ignore").decode(self.encoding)

    def show(
        self, lines: Sequence[str], live_line: str = "", *, has_live_line: bool = False
    ) -> None:
        """Print lines, with the live line below them.

        Args:
            lines: Whole lines, without their ends.
            live_line: What is redrawn; empty for none.
            has_live_line: Whether there is one now, which goes.

        Raises:
            BrokenStreamError: nobody will ever read it.
            OSError: it cannot be written now.
        """
        end = "\r\n" if self.is_live else "\n"
        text = "".join(line + end for line in lines)
        if has_live_line and (lines or not live_line):
            text = _ERASE_BELOW + text
        bars = _tqdm_bars()
        if bars is not None and text:
            with self._without_bars(bars):
                self._write(text)
            text = ""
        if live_line:
            text += self._below_cursor(live_line, 0 if bars is None else _count(bars))
        if text:
            self._write(text)

    def _below_cursor(self, live_line: str, bars: int) -> str:
        """Return what draws `live_line` below the cursor and bars, and puts the cursor back.

        It scrolls where there is no row yet, and never wraps, whatever width a wide character has
        for this terminal.
        """
        rows = max(bars, 1)
        if rows > self._size()[1] - 2:
            return ""
        return (
            f"{'' if bars else _ERASE_ROW}{_DOWN_SCROLLING * rows}\x1b[{rows}A"
            f"{_KEEP}\x1b[{rows}B\r{_ERASE_BELOW}{_NO_WRAP}{live_line}{_WRAP}{_RESTORE}"
        )

    def _without_bars(self, bars: Any) -> AbstractContextManager[Any]:
        """Take tqdm's bars from the screen for as long as lines are printed.

        Its lock is not waited for behind a screen that is held (Ctrl-S): the training may want it.
        """
        if self.descriptor is None or not _is_writable(self.descriptor):
            return nullcontext()
        context: AbstractContextManager[Any] = bars.external_write_mode(file=self.stream)
        return context

    def _size(self) -> tuple[int, int]:
        try:
            columns, rows = os.get_terminal_size(-1 if self.descriptor is None else self.descriptor)
        except OSError:
            return _COLUMNS, _ROWS
        return columns or _COLUMNS, rows or _ROWS

    def _write(self, text: str) -> None:
        try:
            if self.descriptor is None:
                self.stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
                self.stream.flush()
            else:
                _write_all(self.descriptor, text.encode(self.encoding, "replace"))
        except ValueError as error:  # it is closed
            raise BrokenStreamError from error
        except OSError as error:
            if error.errno in _GONE:
                raise BrokenStreamError from error
            raise


def _descriptor_of(stream: IO[str]) -> int | None:
    """Return the descriptor to write to, past the buffers of Python.

    A thread that waits for a held terminal inside a buffer of Python's would hold its lock, on
    which the interpreter aborts when it ends. Source: https://github.com/python/cpython/issues/86883
    """
    if os.name != "posix" or not isinstance(stream, io.TextIOWrapper):
        return None
    try:
        raw = getattr(stream.buffer, "raw", stream.buffer)
        return stream.fileno() if isinstance(raw, io.FileIO) else None  # not one that compresses
    except (OSError, ValueError):
        return None


def _is_in_background(descriptor: int | None) -> bool:
    """Return whether another program has the terminal: the shell, after `&`."""
    if descriptor is None:
        return False
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except OSError:  # it is not the terminal of this session (torchrun's workers have their own)
        return False


def _encoding_of(stream: IO[str]) -> str:
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name
    except LookupError:
        return "ascii"


def _tqdm_bars() -> Any:
    """Return tqdm's class if any bar of it is alive, else None."""
    bars = getattr(sys.modules.get("tqdm"), "tqdm", None)
    return bars if bars is not None and _count(bars) else None


def _count(bars: Any) -> int:
    return len(getattr(bars, "_instances", ()))


def _is_writable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(1000 * _BLOCKED_SECONDS))


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # somebody else made it so: ssh and node do
            _is_writable(descriptor)
