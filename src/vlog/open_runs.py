"""The runs that are open in this process, for those who have something to say to them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from vlog.fork import in_child

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection


class OpenRun(Protocol):
    """A run that takes what other loggers say."""

    def take_record(self, record: logging.LogRecord) -> None:
        """Write a record of any logger as a `log_record` entry."""
        ...

    def report(self, what: str, error: BaseException | None = None) -> object:
        """Tell the error log."""
        ...

    @property
    def handlers(self) -> Collection[logging.Handler]:
        """The handlers that its entries go to."""
        ...


_open: dict[OpenRun, int] = {}  # with the thread that trains; the dict's order is that of begin
in_child(_open.clear)  # the parent's: they would take what a child says, and write none of it


def add(run: OpenRun) -> None:
    """Note that this thread has begun to train `run`."""
    _open[run] = threading.get_ident()


def remove(run: OpenRun) -> None:
    """Note that `run` has ended."""
    _open.pop(run, None)


def of_this_thread() -> list[OpenRun]:
    """Return the run that this thread trains, the innermost of several, or else all open runs."""
    me = threading.get_ident()
    runs = dict(_open)  # another thread may begin or end one
    mine = [run for run, thread in runs.items() if thread == me]
    return mine[-1:] or list(runs)


def handlers() -> set[logging.Handler]:
    """Return the handlers that open runs write to."""
    return {handler for run in list(_open) for handler in run.handlers}
