"""Records of other loggers, handed to the runs that are open."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

from vlog import open_runs
from vlog.record import entry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vlog.open_runs import OpenRun

_ERRORS = "vlog.errors"


class CaptureHandler(logging.Handler):
    """Write each record as a `log_record` entry into the log of the run that is open.

    A thread that trains a run writes into that one; any other thread into all that are open.
    While there is none, a record is passed over. It can be attached to any logger, or be a sink of
    a logging package that takes stdlib handlers.

    Args:
        runs: Who takes the records.
    """

    def __init__(self, runs: Callable[[], Iterable[OpenRun]] = open_runs.of_this_thread) -> None:
        super().__init__()
        self._runs = runs
        self._own = threading.local()

    def handle(self, record: logging.LogRecord) -> bool:
        """Take `record` without the handler's lock: a run has one, and two could meet crosswise."""
        is_wanted = bool(self.filter(record))
        if is_wanted:
            self.emit(record)
        return is_wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Hand `record` on, once: it may come here from a logger and from the one above it."""
        own = self._own
        if (
            getattr(own, "is_busy", False)  # said while an entry is being written
            or getattr(own, "last", None) is record
            or record.name == _ERRORS
            or entry_of(record) is not None
        ):
            return
        own.last, own.is_busy = record, True
        try:
            for run in self._runs():
                try:
                    run.take_record(record)
                except Exception:  # noqa: BLE001 - stdlib's contract: a handler never raises
                    run.report("a record could not be written", sys.exc_info()[1])
        finally:
            own.is_busy = False

    def last_name(self) -> str | None:
        """Return the logger of the last record of this thread, and forget the record."""
        last: logging.LogRecord | None = getattr(self._own, "last", None)
        self._own.last = None
        return None if last is None else last.name
