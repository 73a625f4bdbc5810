"""The console: what somebody who watches a training sees of it.

On a terminal one live line is redrawn below the milestones and warnings; in a pipe, a file or a
notebook they come as plain lines, with one about the progress now and then.

A thread of its own writes all that, because a write to a terminal that is held (Ctrl-S) or to a
pipe that nobody reads waits for ever, and the training must go on.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Any

from vlog.clock import Clock, SystemClock
from vlog.errors import ConfigurationError, check_number
from vlog.handlers.error_log import ErrorReporter
from vlog.handlers.formatters import attempt, message_of
from vlog.handlers.painter import DIM, Line, Painter, Shown, clock_time
from vlog.handlers.terminal import Part
from vlog.record import entry_of
from vlog.redaction import redact_text
from vlog.schema import EventType
from vlog.threads import counted_thread
from vlog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_SECONDS = 30.0
_REDRAW_SECONDS = 0.25
_FINISH_SECONDS = 0.5
_MOST_LINES = 1000  # that wait, while a terminal is held
_LONGEST_LINE = 2000
_ERRORS = "vlog.errors"
_RED, _YELLOW = "1;31", "1;33"


class ConsoleHandler(logging.Handler):
    """Show milestones, warnings and the progress of a training.

    A record becomes a line if it is somebody else's, or an entry of ours that is a milestone (of
    tier low) or a warning or worse. A formatter that is set writes the line in place of ours.

    Between `start` and `finish`, a thread writes, and a line that finds 1,000 others waiting is
    dropped and counted. At other times `emit` writes itself, and waits like any console handler.
    A forked child has no thread: it draws nothing, and writes its lines itself.

    Args:
        stream: Where to; None for what is stderr at the time.
        live: Whether a live line is redrawn; None for: on a terminal, and plain lines elsewhere.
        every_seconds: Where there is none, the least time between two lines about the progress.
        clock: Where time comes from.
        report: Told of what goes wrong here; None for the logger `vlog.errors`. A stream that is
            closed or that nobody reads any more is not told: it is left alone.

    Raises:
        ConfigurationError: an option cannot be used.
    """

    def __init__(
        self,
        stream: IO[str] | None = None,
        live: bool | None = None,
        every_seconds: float = EVERY_SECONDS,
        *,
        clock: Clock | None = None,
        report: Callable[[str, BaseException | None], None] | None = None,
    ) -> None:
        _check_options(stream, live)
        check_number("every_seconds", every_seconds, 86_400, "seconds")
        super().__init__()
        clock = clock if clock is not None else SystemClock()
        self._painter = Painter(stream, live, every_seconds, clock)
        self._report = report or ErrorReporter(logging.getLogger(_ERRORS))
        self._pid = os.getpid()
        self._begin()

    def _begin(self) -> None:
        self._guard = threading.RLock()  # a signal handler may come in between
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._runs = self._interrupted_runs = 0
        self._waiting: list[Line] = []
        self._dropped = 0
        self._finishing: list[threading.Event] = []
        self._stands_back = False
        self._shown: Shown | None = None

    def _at_fork_reinit(self) -> None:
        """Let go, in a forked child, of the parent's thread, and of locks that it may hold."""
        super()._at_fork_reinit()  # type: ignore[misc]  # logging calls it; typeshed does not know
        self._begin()

    def take(self, entry: dict[str, Any]) -> bool:
        """Return whether nothing of `entry` is to be shown, so that it needs no record."""
        if self.filters or type(self) is not ConsoleHandler:
            return False  # somebody's own may look at the record
        return not _is_for_people(entry, is_severe=entry["level"] in _SEVERE)

    def emit(self, record: logging.LogRecord) -> None:
        """Show `record`, if it is for somebody who watches."""
        try:
            lines = self._lines(record)
            if lines:
                self._put(lines)
        except Exception:  # noqa: BLE001 - stdlib's contract: a handler never raises
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - stdlib's name
        """Report the error at hand, unless it is about a report that came here itself."""
        if record.name != _ERRORS:
            self._report("a record could not be shown on the console", sys.exc_info()[1])

    def show_step(
        self, name: str, step: int, held: dict[str, Any], usage: dict[str, Any] | None
    ) -> None:
        """Note a step; the thread looks at it when it draws next.

        Args:
            name: The run's. Of several runs, the one that calls this last is shown.
            step: Steps done.
            held: The step's `metrics`, `timing` and `progress`. It is not copied.
            usage: The sections of the latest reading, None where there is none. Not copied either.
        """
        before = self._shown
        loss = None
        if before is not None and before[0] == name:
            loss = before[2]["metrics"].get("loss", before[4])
        self._shown = (name, step, held, usage, loss)

    def stand_back(self) -> None:
        """Show no progress until the runs are over: somebody else's bar does."""
        self._stands_back = True

    def start(self) -> None:
        """Begin to show a run; those that have begun already go on."""
        if os.getpid() != self._pid:
            return
        # Here, not in the thread: a fork in the midst of an import leaves its lock to the child.
        import vlog.handlers.live_line  # noqa: F401, PLC0415 - it loads rich: not before it is used

        with self._guard:
            self._runs += 1
            if self._thread is not None:
                return
            self._thread = thread = counted_thread(self._run, "vlog-console")
        try:
            thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter ends
            self._thread = None
            self._report("the console's thread could not be started", error)

    def finish(self) -> None:
        """End a run: show what waits and how far it came, within half a second at most."""
        with self._guard:
            if not self._runs:
                self._interrupted_runs = max(self._interrupted_runs - 1, 0)
                return
            self._runs -= 1
            thread, is_last = self._thread, self._runs == 0
            if thread is None:
                return
            done = threading.Event()
            self._finishing.append(done)
            self._hurry.set()
        deadline = time.monotonic() + _FINISH_SECONDS
        done.wait(_FINISH_SECONDS)
        if is_last:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def close(self) -> None:
        """End all runs. What comes later is shown as it comes."""
        with self._guard:
            self._interrupted_runs += self._runs
            self._runs = min(self._runs, 1)
        self.finish()
        super().close()

    def reopen(self) -> None:
        """Go on with the runs that were shown at `close`: a dictConfig closes all handlers."""
        with self._guard:
            runs, self._interrupted_runs = self._interrupted_runs, 0
        for _ in range(runs):
            self.start()

    def _put(self, lines: list[Line]) -> None:
        with self._guard:
            if self._thread is not None:
                self._waiting.extend(lines)
                excess = max(len(self._waiting) - _MOST_LINES, 0)
                del self._waiting[:excess]
                self._dropped += excess
                return
        self._painter.turn(lines, None)

    def _run(self) -> None:
        while True:
            self._hurry.wait(_REDRAW_SECONDS)
            self._hurry.clear()
            self._turn()
            with self._guard:
                if not (self._runs or self._waiting or self._finishing):
                    self._thread = self._shown = None
                    self._stands_back = False
                    return

    def _turn(self) -> None:
        with self._guard:
            lines, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, 0
            finishing, self._finishing = self._finishing, []
        shown = None if self._stands_back else self._shown
        for state in (shown, None):  # what cannot be drawn must not keep the lines away
            try:
                self._painter.turn(lines, state, dropped=dropped, is_final=bool(finishing))
                break
            except Exception as error:  # noqa: BLE001 - the lines to come must be shown as well
                self._report("the progress could not be drawn on the console", error)
                dropped = 0
        for done in finishing:
            done.set()

    def _lines(self, record: logging.LogRecord) -> list[Line]:
        entry = entry_of(record)
        is_severe = record.levelno >= logging.WARNING
        if entry is not None and not _is_for_people(entry, is_severe=is_severe):
            return []
        redact = redact_text if entry is None else str
        head: Line = ()
        if self.formatter is not None:
            message, _, more = redact(self.format(record)).partition("\n")
        else:
            message, more = redact(message_of(record)), redact(_traceback(record))
            head = (Part(f"{attempt(clock_time, record.created)}  ", DIM), *_mark(record))
        rest = [(Part(f"  {_shown(text)}"),) for text in more.split("\n") if text]
        return [(*head, Part(_shown(message))), *rest]


_SEVERE = ("WARNING", "ERROR")


def _check_options(stream: object, live: object) -> None:
    if stream is not None and not callable(getattr(stream, "write", None)):
        raise ConfigurationError(
            f"stream is {stream!r}. Expected a text stream, or None for stderr (in YAML: "
            "ext://sys.stdout)."
        )
    if live is not None and not isinstance(live, bool):
        raise ConfigurationError(
            f"live is {live!r}. Expected True, False, or None for: on a terminal."
        )


def _is_for_people(entry: dict[str, Any], *, is_severe: bool) -> bool:
    """Return whether an entry is shown: what a run took from another logger, that logger shows."""
    if entry["type"] == EventType.LOG_RECORD:
        return "run_id" not in entry
    return is_severe or entry.get("verbosity") == "low"


def _mark(record: logging.LogRecord) -> tuple[Part, ...]:
    if record.levelno < logging.WARNING:
        return ()
    style = _RED if record.levelno >= logging.ERROR else _YELLOW
    return (Part(attempt(visible, record.levelname), style), Part(" "))


def _traceback(record: logging.LogRecord) -> str:
    parts = [attempt(str, part) for part in (record.exc_text, record.stack_info) if part]
    if record.exc_info and not record.exc_text:
        parts.insert(0, attempt(logging.Formatter().formatException, record.exc_info))
    return "\n".join(parts)


def _shown(text: str) -> str:
    """Return what can be shown of a line: not all, if it is very long."""
    if len(text) > _LONGEST_LINE:
        text = f"{text[:_LONGEST_LINE]}... ({len(text):,} characters)"
    return visible(text)
