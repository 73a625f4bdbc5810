"""Records of other loggers, handed to the runs that are open."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

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
    a logging package that takes stdlib handlers. A run takes a record once, through however many
    of these handlers it comes.

    Args:
        runs: Who takes the records.
    """

    def __init__(self, runs: Callable[[], Iterable[OpenRun]] = open_runs.of_this_thread) -> None:
        super().__init__()
        self._runs = runs

    def handle(self, record: logging.LogRecord) -> bool:
        """Take `record` without the handler's lock: a run has one, and two could meet crosswise."""
        is_wanted = bool(self.filter(record))
        if is_wanted:
            self.emit(record)
        return is_wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Hand `record` on."""
        if _thread.is_busy or record.name == _ERRORS or entry_of(record) is not None:
            return  # the first: said while a record is being written
        taken_by = _taken.setdefault(record, set())
        _thread.is_busy = True
        try:
            for run in self._runs():
                if id(run) not in taken_by:
                    taken_by.add(id(run))
                    _take(run, record)
        finally:
            _thread.is_busy = False


class _Thread(threading.local):
    is_busy = False


# By record, not in it: an attribute would be seen by the app's formatters. Weakly: a record may
# hold an exception, whose frames hold the model.
_taken: WeakKeyDictionary[logging.LogRecord, set[int]] = WeakKeyDictionary()
_thread = _Thread()


def _take(run: OpenRun, record: logging.LogRecord) -> None:
    before = dict(vars(record))
    try:
        run.take_record(record)
    except Exception:  # noqa: BLE001 - stdlib's contract: a handler never raises
        run.report("a record could not be written", sys.exc_info()[1])
    # A formatter leaves its text in the record; one of the app's may print all that it finds there.
    vars(record).clear()
    vars(record).update(before)
