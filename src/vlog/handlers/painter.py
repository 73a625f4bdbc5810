"""What stands on the console now, and what one look at the training changes there."""

from __future__ import annotations

import math
import time
from typing import IO, TYPE_CHECKING, Any

from vlog.handlers.terminal import BrokenStreamError, Part, Terminal, paint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlog.clock import Clock

Line = tuple[Part, ...]
# Name of the run, steps done, `metrics`, `timing` and `progress`, the latest reading, and the last
# loss before this step: the arguments of `live_line.Step`.
Shown = tuple[str, int, dict[str, Any], dict[str, Any] | None, Any]
DIM = "2"


class Painter:
    """Print lines, and keep one about the progress up to date.

    Args:
        stream: Where to; None for what is stderr at the time.
        live: Whether that line is redrawn; None for: on a terminal.
        every_seconds: Where it is not, the least time between two.
        clock: Where time comes from.
    """

    def __init__(
        self, stream: IO[str] | None, live: bool | None, every_seconds: float, clock: Clock
    ) -> None:
        self._stream = stream
        self._live = live
        self._every_seconds = every_seconds
        self._clock = clock
        self._broken: IO[str] | None = None
        self._drawn: tuple[Shown, int] | None = None  # the live line, and for how many columns
        self._told: Shown | None = None  # what a line said last
        self._told_at = -math.inf
        self._missing = 0  # lines that could not be shown, and that was not said yet

    def turn(
        self,
        lines: Sequence[Line],
        shown: Shown | None,
        *,
        dropped: int = 0,
        is_final: bool = False,
    ) -> None:
        """Bring the console up to date; a stream that is gone for good is left alone.

        Args:
            lines: What is new.
            shown: The state of the training; None for none that is to be seen.
            dropped: How many lines did not come as far as here since the last turn.
            is_final: Whether the state stays as a line, because a run has ended.
        """
        self._missing += dropped
        try:
            terminal = Terminal.look(self._stream, self._live)
        except BrokenStreamError:
            return
        if terminal.stream is self._broken:
            return
        if shown is self._told:
            shown = None
        show = self._show_live if terminal.is_live else self._show_plain
        try:
            show(terminal, self._texts(terminal, lines), shown, is_final)
            self._missing = 0
        except BrokenStreamError:
            self._broken = terminal.stream
        except OSError:  # a full disk, say: it is tried again, and the lines counted
            self._missing += len(lines)

    def _texts(self, terminal: Terminal, lines: Sequence[Line]) -> list[str]:
        texts = [paint(line, has_colours=terminal.has_colours) for line in lines]
        if self._missing:
            notice = (Part(f"... {self._missing:,} lines could not be shown", DIM),)
            texts.insert(0, paint(notice, has_colours=terminal.has_colours))
        return texts

    def _show_live(
        self, terminal: Terminal, lines: list[str], shown: Shown | None, is_final: bool
    ) -> None:
        has_live_line = self._drawn is not None
        if shown is None:
            if lines or has_live_line:
                terminal.show(lines, has_live_line=has_live_line)
                self._drawn = None
            return
        columns = terminal.columns
        is_same = self._drawn is not None and self._drawn[0] is shown and self._drawn[1] == columns
        if is_same and not lines and not is_final:
            return
        text = _live_text(terminal, shown, columns)
        if is_final:
            terminal.show([*lines, text], has_live_line=has_live_line)
            self._drawn, self._told = None, shown
        else:
            terminal.show(lines, text, has_live_line=has_live_line)
            self._drawn = shown, columns

    def _show_plain(
        self, terminal: Terminal, lines: list[str], shown: Shown | None, is_final: bool
    ) -> None:
        self._drawn = None
        now = self._clock.monotonic()
        if shown is not None and (is_final or now - self._told_at >= self._every_seconds):
            lines.append(f"{clock_time(self._clock.wall())}  {_plain_text(terminal, shown)}")
            self._told, self._told_at = shown, now
        if is_final:
            self._told_at = -math.inf
        if lines:
            terminal.show(lines)


def clock_time(wall: float) -> str:
    """Return the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(wall))


def _live_text(terminal: Terminal, shown: Shown, columns: int) -> str:
    from vlog.handlers import live_line  # noqa: PLC0415 - it loads rich: not before a run begins

    signs = live_line.signs_for(terminal.can_show)
    parts = live_line.live_line(live_line.Step(*shown), columns, signs)
    return paint(parts, has_colours=terminal.has_colours)


def _plain_text(terminal: Terminal, shown: Shown) -> str:
    from vlog.handlers import live_line  # noqa: PLC0415 - the same

    return live_line.plain_line(live_line.Step(*shown), live_line.signs_for(terminal.can_show))
