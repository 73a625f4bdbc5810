"""What other packages say while a run goes on, taken into its log.

Global state: while a run is open, root and the loggers that it names have a listener, and
`warnings.showwarning` is chained. Nothing of theirs is changed: neither levels nor handlers, and
what they say is shown as before.
"""

from __future__ import annotations

import logging
import threading
import warnings
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from vlog import open_runs
from vlog.errors import ConfigurationError
from vlog.handlers.capture import CaptureHandler
from vlog.record import entry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vlog.open_runs import OpenRun

LIBRARIES = ("transformers", "datasets", "accelerate", "trl", "peft", "torch", "py.warnings")
_WARNINGS = "py.warnings"  # stdlib's name for the logger that warnings may be sent to


class Capture:
    """Take the records of named loggers, and of those below them, into the log of one run.

    A logger's own level stays: what it would not say is not written either.

    It listens to root, where the records of all loggers come, but for those whose logger, or one
    above it, does not propagate; so to the named loggers as well, as soon as they exist. It makes
    none: a logger that is there before the app calls dictConfig is disabled by that.

    Args:
        names: Loggers; `root` for every record that reaches it. `py.warnings` also stands for what
            `warnings.warn` shows.
        run: Takes the records, unless the thread that logs trains another run.

    Raises:
        ConfigurationError: `names` is no list of names.
    """

    def __init__(self, names: Iterable[str], run: OpenRun) -> None:
        self._names = frozenset(names)
        self._handler = _Listener(self._names, run)
        self._shown_by: Callable[..., None] | None = None
        self._is_on = False

    def start(self) -> None:
        """Begin to listen."""
        self._is_on = True
        self.refresh()
        if _WARNINGS in self._names:
            self._shown_by, warnings.showwarning = warnings.showwarning, self._show_warning

    def refresh(self) -> None:
        """Listen where a logger has come to be, or has got another list of handlers, since."""
        with _lock:
            if self._is_on:
                for logger in self._loggers():
                    _listen(logger, self._handler)

    def stop(self) -> None:
        """Cease to listen; a chain of `warnings.showwarning` that others build on stays."""
        with _lock:
            self._is_on = False
            for logger in self._loggers():
                _ignore(logger, self._handler)
        if self._shown_by is not None and warnings.showwarning == self._show_warning:
            warnings.showwarning = self._shown_by

    def _loggers(self) -> list[logging.Logger]:
        known = logging.root.manager.loggerDict
        found = [logging.root, *(known.get(name) for name in self._names)]
        return [each for each in found if isinstance(each, logging.Logger)]

    def _show_warning(  # noqa: PLR0917 - the signature of `warnings.showwarning`
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        self._handler.last_name()
        if self._shown_by is not None:
            self._shown_by(message, category, filename, lineno, file, line)
        if not self._is_on or file is not None or self._handler.last_name() == _WARNINGS:
            return  # shown to somebody else, or sent to the logger that is listened to already
        said = (category.__name__, message)
        record = logging.LogRecord(
            _WARNINGS, logging.WARNING, filename, lineno, "%s: %s", said, None
        )
        record.where = f"{filename}:{lineno}"
        self._handler.emit(record)  # not `handle`: it has been shown


def check_names(names: object) -> tuple[str, ...]:
    """Return the loggers to listen to.

    Raises:
        ConfigurationError: it is no list of names.
    """
    if names is None:
        return LIBRARIES
    is_list = isinstance(names, (list, tuple, set, frozenset))
    if not is_list or not all(isinstance(name, str) and name for name in names):  # type: ignore[attr-defined]
        raise ConfigurationError(
            f"capture is {names!r}. Expected a list of logger names, such as "
            f"['transformers', 'uvicorn.error'], 'root' for all, or [] for none."
        )
    return tuple(names)  # type: ignore[arg-type]


class _Listener(CaptureHandler):
    """Takes the records of some loggers, and keeps stdlib's last resort at work.

    stdlib prints a record on stderr if it finds no handler, and a listener is one to it.

    Args:
        names: Of the loggers.
        run: Takes the records, unless the thread that logs trains another run.
    """

    def __init__(self, names: frozenset[str], run: OpenRun) -> None:
        super().__init__(lambda: [run] if run in open_runs.of_this_thread() else [])
        self._names = names
        self._below = tuple(f"{name}." for name in names)
        self._thread = threading.local()

    def handle(self, record: logging.LogRecord) -> bool:
        """Take `record`, if it is of a logger that is listened to."""
        _keep_last_resort(record)
        name = record.name
        self._thread.last = name
        is_wanted = "root" in self._names or name in self._names or name.startswith(self._below)
        return is_wanted and super().handle(record)

    def last_name(self) -> str | None:
        """Return the logger of the last record of this thread, and forget it."""
        name: str | None = getattr(self._thread, "last", None)
        self._thread.last = None
        return name


class _Heard(list[logging.Handler]):
    """The handlers of a logger, with listeners that only those see who hand a record round.

    With a handler among them, `logging.basicConfig` would do nothing, nor would everybody's
    `if not logger.handlers`. And it stays when they are cleared, as by a dictConfig.
    """

    listeners: tuple[_Listener, ...] = ()

    def __iter__(self) -> Iterator[logging.Handler]:
        yield from super().__iter__()
        yield from self.listeners


def _listen(logger: logging.Logger, listener: _Listener) -> None:
    if not isinstance(logger.handlers, _Heard):
        logger.handlers = _Heard(logger.handlers)
    if listener not in logger.handlers.listeners:
        logger.handlers.listeners += (listener,)


def _ignore(logger: logging.Logger, listener: _Listener) -> None:
    heard = logger.handlers
    if isinstance(heard, _Heard):
        heard.listeners = tuple(each for each in heard.listeners if each is not listener)
        if not heard.listeners:
            logger.handlers = heard[:]  # a plain list
    elif listener in heard:  # somebody made a copy
        heard.remove(listener)


# stdlib's own, under which it changes the lists of handlers; the monitor's thread comes here too.
_lock = vars(logging)["_lock"]
_printed: WeakSet[logging.LogRecord] = WeakSet()


def _keep_last_resort(record: logging.LogRecord) -> None:
    logger = logging.root.manager.loggerDict.get(record.name)
    if not isinstance(logger, logging.Logger):
        logger = logging.root
    resort = logging.lastResort
    if logger.hasHandlers() or resort is None or entry_of(record) is not None:
        return
    if record.levelno >= resort.level and record not in _printed:
        _printed.add(record)
        resort.handle(record)
