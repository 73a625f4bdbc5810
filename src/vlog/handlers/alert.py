"""Alerts, told to a function of the user's."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from vlog.errors import ConfigurationError
from vlog.record import entry_of
from vlog.schema import EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    Report = Callable[[str, BaseException | None], object]

_MOST_WAITING = 1000


class AlertHandler(logging.Handler):
    """Call a function with each entry of level WARNING or ERROR: alerts, and a run that failed.

    It is called in a thread of its own, so that the training waits for nobody; what it raises is
    reported. The thread is there while entries wait, 1,000 at most: the oldest are dropped then.

    Args:
        function: Told of each entry, as a dict of its own.
        report: Told of what goes wrong.

    Raises:
        ConfigurationError: `function` cannot be called.
    """

    def __init__(self, function: Callable[[dict[str, Any]], object], report: Report) -> None:
        if not callable(function):
            raise ConfigurationError(
                f"on_alert is {function!r}. Expected a function that takes an entry, or None."
            )
        super().__init__(logging.WARNING)
        self._function = function
        self._report = report
        self._waiting: deque[dict[str, Any]] = deque()
        self._guard = threading.RLock()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Have the function called with the entry of `record`, soon."""
        entry = entry_of(record)
        if entry is None or entry["type"] == EventType.LOG_RECORD:
            return
        with self._guard:
            if len(self._waiting) == _MOST_WAITING:
                self._waiting.popleft()
                self._report("an alert was dropped: on_alert is too slow", None)
            self._waiting.append(dict(entry))
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="vlog-alerts", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # no more threads, or the interpreter ends
                self._thread = None
                self._report("on_alert could not be called", error)

    def wait(self, timeout_seconds: float) -> None:
        """Wait until everything is told, no longer than `timeout_seconds`."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_seconds)

    def _run(self) -> None:
        while True:
            with self._guard:
                if not self._waiting:
                    self._thread = None
                    return
                entry = self._waiting.popleft()
            try:
                self._function(entry)
            except BaseException as error:  # noqa: BLE001 - the user's; the next must still come
                self._report("on_alert raised", error)

    def _at_fork_reinit(self) -> None:
        """Forget, in a forked child, what the parent's thread has yet to tell."""
        super()._at_fork_reinit()  # type: ignore[misc]  # logging calls it; typeshed does not know
        self._guard = threading.RLock()
        self._waiting.clear()
        self._thread = None
