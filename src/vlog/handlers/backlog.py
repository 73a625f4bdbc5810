"""The lines that wait for a fault to be over: in order, bounded, and the dropped ones counted."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from vlog.gap import Gap, Origin, reason_of
from vlog.threads import counted_thread

if TYPE_CHECKING:
    from collections.abc import Callable

_OVERHEAD = 500  # bytes that a waiting line takes beside its own, about
_RETRY_SECONDS = 0.5  # between two attempts while the fault lasts
_PAUSE_SECONDS = 0.001  # between two when it is over: the thread that trains comes first


class _Waiting(NamedTuple):
    line: bytes
    origin: Origin


class Backlog:
    """The newest lines that could not be written, at most as many as `max_bytes` hold.

    Above that the oldest are dropped: what happened last tells most. They are counted in a `Gap`
    for each run, which stands in front of the lines that are left.

    Args:
        max_bytes: What it may hold.

    Attributes:
        max_bytes: The same.
        is_used: Whether anything waits.
        dropped: All lines dropped so far.
    """

    def __init__(self, max_bytes: int) -> None:
        self.is_used = False
        self.dropped = 0
        self.max_bytes = max_bytes
        self._bytes = 0
        self._lines: deque[_Waiting] = deque()
        self._gaps: dict[object, Gap] = {}

    @property
    def lines(self) -> int:
        """Lines that wait."""
        return len(self._lines)

    @property
    def gaps(self) -> int:
        """Gaps that wait, in front of the lines."""
        return len(self._gaps)

    def add(self, line: bytes, origin: Origin, failure: BaseException | None) -> None:
        """Have a line wait.

        Args:
            line: The line.
            origin: Which entry it is.
            failure: Why lines are dropped, if any must be.
        """
        self.is_used = True
        copy = bytes(memoryview(line))  # the encoder's own bytes keep a buffer of 4 kB
        self._lines.append(_Waiting(copy, origin))
        self._bytes += len(line) + _OVERHEAD
        while self._bytes > self.max_bytes and self._lines:
            self._drop(self._take().origin, failure)

    def _drop(self, origin: Origin, failure: BaseException | None) -> None:
        self.dropped += 1
        gap = self._gaps.get(origin.run)
        if gap is None:
            self._gaps[origin.run] = Gap(origin, origin, reason_of(failure))
        else:
            gap.add(origin)

    def next_gap(self) -> Gap | None:
        """Remove and return the gap in front, if there is one."""
        gap = self._gaps.pop(next(iter(self._gaps))) if self._gaps else None
        self.is_used = bool(self._lines or self._gaps)
        return gap

    def next_line(self) -> bytes:
        """Remove and return the oldest line."""
        line = self._take().line
        self.is_used = bool(self._lines or self._gaps)
        return line

    def _take(self) -> _Waiting:
        waiting = self._lines.popleft()
        self._bytes -= len(waiting.line) + _OVERHEAD
        return waiting


class Retry:
    """A thread that tries again while something waits.

    Args:
        attempt: Does a little of the work; returns whether it failed, and ends the thread by
            `end` when there is no more. Whoever calls `wake` and `end` holds one lock.
    """

    def __init__(self, attempt: Callable[[], bool]) -> None:
        self._attempt = attempt
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> bool:
        """Begin to try, unless it does already; return whether there is a thread that does."""
        if self._thread is None:
            self._stop = threading.Event()
            thread = counted_thread(partial(self._run, self._stop), "vlog-retry")
            try:
                thread.start()
            except RuntimeError:  # no more threads, or the interpreter is about to end
                return False
            self._thread = thread
        return True

    def end(self) -> None:
        """Let the thread end soon; the next `wake` begins another one."""
        self._stop.set()
        self._thread = None

    def stop(self, timeout_seconds: float) -> None:
        """End the thread, which is waited for no longer than `timeout_seconds`."""
        thread = self._thread
        self.end()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_seconds)

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            is_failing = self._attempt()
            stop.wait(_RETRY_SECONDS if is_failing else _PAUSE_SECONDS)
