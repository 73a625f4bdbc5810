"""One source, read at its own pace, by a thread of its own if it can block."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlog.resources.fit import fit
from vlog.resources.source import Fields, Lost, Unavailable, is_unavailable

if TYPE_CHECKING:
    from vlog.clock import Clock
    from vlog.resources.source import Source

FIRST_INTERVAL_SECONDS = 0.2  # rates need two measurements: the second one comes soon
_RETRY_SECONDS = 30.0  # until something is looked for again that was not there
_SHORTEST_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Section:
    """What a source said last.

    Attributes:
        values: Its fields; empty where there is nothing.
        gaps: Why a field is not there, by its path; under `""`, why nothing is.
        taken: When it was read, in monotonic seconds.
        silent_since: Since when nothing comes that used to come, in monotonic seconds.
    """

    values: dict[str, Any]
    gaps: dict[str, Exception] = field(default_factory=dict)
    taken: float = -math.inf
    silent_since: float | None = None


_NOTHING = Section({})


class Sampler:
    """Read one source again and again, and keep what it said last.

    Args:
        source: What to read.
        clock: Tells when.
        interval_seconds: Time between two readings, if the source asks for no slower pace.

    Attributes:
        source: The same.
        answers: How many times it has answered, if only by raising.
        can_block: Whether it has a thread of its own; without one, somebody calls `read_if_due`.
    """

    def __init__(self, source: Source, clock: Clock, interval_seconds: float) -> None:
        self.source = source
        self.answers = 0
        self._cpu_seconds = 0.0
        self.can_block = bool(getattr(source, "can_block", True))
        self._clock = clock
        self._latest = _NOTHING
        self._began: float | None = None  # when the reading began that is under way
        self._worked: float | None = None  # when it succeeded last
        self._due = -math.inf
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.adjust(interval_seconds)

    def adjust(self, interval_seconds: float) -> None:
        """Read it at another pace from now on; its own thread, after its next reading."""
        self._pace = max(interval_seconds, getattr(self.source, "pace_seconds", 0.0))
        self._retry = max(self._pace, _RETRY_SECONDS)
        self._patience = max(3 * self._pace, _SHORTEST_PATIENCE_SECONDS)
        self._due = min(self._due, self._clock.monotonic() + self._pace)

    def start(self) -> None:
        """Start the thread, for a source that can block."""
        if self.can_block:
            name = f"vlog-monitor-{self.source.name}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the process may have no more of them
                self._latest = Section({}, {"": error}, self._clock.monotonic())
            else:
                self._thread = thread

    def stop(self, timeout_seconds: float) -> None:
        """Ask the thread to end, and wait for it no longer than `timeout_seconds`."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)

    @property
    def cpu_seconds(self) -> float:
        """Processor time of its thread, and of those that the source has of its own."""
        return self._cpu_seconds + float(getattr(self.source, "cpu_seconds", 0.0))

    @property
    def has_settled(self) -> bool:
        """Whether it has answered twice, or that there is nothing to be read."""
        error = self._latest.gaps.get("")
        return self.answers > 1 or (error is not None and is_unavailable(error))

    def read_if_due(self, slack_seconds: float = 0.0) -> None:
        """Read the source, unless its turn comes more than `slack_seconds` later."""
        if self._clock.monotonic() + slack_seconds >= self._due:
            self.read()

    def read(self) -> None:
        """Read the source now; whatever it raises is kept as a gap."""
        began = self._began = self._clock.monotonic()
        pause = self._pace
        try:
            found = self.source.read()
            fields = found if isinstance(found, Fields) else Fields(found)
            values, misfits = fit(self.source.name, fields.values)
        except Exception as error:  # noqa: BLE001 - a source may raise anything, and is asked again
            if is_unavailable(error):
                pause = self._retry
            self._latest = Section({}, {"": error}, self._clock.monotonic())
        else:
            if self._worked is None:
                pause = min(pause, FIRST_INTERVAL_SECONDS)
            self._worked = self._clock.monotonic()
            self._latest = Section(values, {**fields.gaps, **misfits}, self._worked)
        self.answers += 1
        self._began, self._due = None, began + pause

    def look(self) -> Section:
        """Return what the source said last; nothing of it, where that is too long ago."""
        now = self._clock.monotonic()
        latest, began, worked = self._latest, self._began, self._worked
        error = latest.gaps.get("")
        if began is not None and now - max(began, latest.taken) > self._patience:
            error = TimeoutError("it does not answer")
        if error is None:
            return latest
        if worked is None:
            return Section({}, {"": error}, latest.taken, began)
        if now - worked > self._patience:
            error = Lost(reason_of(error))
        return Section({}, {"": error}, latest.taken, worked)

    def close(self) -> None:
        """Let the source go."""
        close = getattr(self.source, "close", None)
        if close is not None:
            close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.read()
            self._cpu_seconds = time.thread_time()
            self._stopped.wait(max(self._due - self._clock.monotonic(), 0.0))
        self.close()


def reason_of(error: BaseException) -> str:
    """Return why something could not be read, in one line."""
    if isinstance(error, (Unavailable, Lost, TimeoutError)):
        return str(error)
    text = f"{type(error).__name__}: {error}".strip().rstrip(":")
    return " ".join(text.split())[:300]
