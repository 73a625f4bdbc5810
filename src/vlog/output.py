"""Where the entries of a run go: a stdlib logger of its own, its files, and its console.

A run's logger is not in the logging tree, so nobody disables it, and it is gone when the run is.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from vlog.errors import ConfigurationError, check_flag
from vlog.fork import in_child
from vlog.handlers import (
    AlertHandler,
    ConsoleHandler,
    ErrorLogHandler,
    ErrorReporter,
    JsonlFormatter,
    RotatingJsonlHandler,
    StandardFormatter,
)
from vlog.handlers.error_log import ERROR_LOG_NAME
from vlog.handlers.files import check_writable, expand_home
from vlog.handlers.rotating import BUFFER_MB, MAX_MB, TOTAL_MB
from vlog.ranks import process_rank
from vlog.record import hand_to, hand_to_one, make_record, number_of
from vlog.schema import EventType
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Callable


class DefaultText(str):
    """A default, told apart from the same text given by a caller."""

    __slots__ = ()


DEFAULT_LOG_FILE: str = DefaultText("verbose_training_logs.jsonl")
STANDARD_LOG_NAME = "training_logs.jsonl"
_OURS = (RotatingJsonlHandler, ConsoleHandler)  # they take most entries without a record
_TREE_LOGGER = "vlog"
_ERROR_LOGGER = "vlog.errors"
_ALERT_SECONDS = 2.0  # how long closing waits for a function that is told of alerts
_APP_SECONDS = 1.0  # how long an entry waits for a handler of the app's that is busy


def is_configured(log_file: object) -> bool:
    """Return whether a run with this `log_file` writes what the app set up on the logger `vlog`."""
    return isinstance(log_file, DefaultText) and bool(_tree().handlers)


@dataclass(frozen=True)
class Rotation:
    """When a log becomes a segment, and how long segments are kept.

    Attributes:
        max_mb: Size in MiB at which the file becomes a segment; 0 for never.
        total_mb: Size in MiB of all segments above which the oldest are deleted.
        compress: `zstd`, `gzip` or `none`.
        buffer_mb: MiB of entries that may wait while the file cannot be written.
    """

    max_mb: float = MAX_MB
    total_mb: float = TOTAL_MB
    compress: str = "zstd"
    buffer_mb: float = BUFFER_MB


class RunLogger(logging.Logger):
    """The stdlib logger of one run. It is not in the logging tree, so nobody disables it.

    Attributes:
        report: Takes what goes wrong.
        app: The logger whose handlers, and those above it, receive the entries too, if any.
    """

    report: ErrorReporter
    app: logging.Logger | None = None
    _is_app_slow = False

    def entry(self, entry: dict[str, Any], number: int | None = None) -> None:
        """Hand `entry` to the handlers; as a record to those that need one.

        Args:
            entry: The entry.
            number: The level number of its record, if that is known already.
        """
        if number is None:
            number = number_of(entry["level"], entry["verbosity"])
        record: logging.LogRecord | None = None
        for handler in self.handlers:  # not `handle`: one that raises would stop the rest
            if number < handler.level or (isinstance(handler, _OURS) and handler.take(entry)):
                continue
            record = record or self._record(entry)
            hand_to_one(handler, record, self.report)
        if self.app is not None and entry["type"] != EventType.LOG_RECORD and _is_heard(number):
            # The run's lock is held here. Another thread may hold a handler's lock and wait for
            # the run's, because what that handler itself says is captured.
            wait = 0.0 if self._is_app_slow else _APP_SECONDS
            record = record or self._record(entry)
            told = hand_to(self.app, record, self.report, self.handlers, wait)
            self._is_app_slow = not told

    def _record(self, entry: dict[str, Any]) -> logging.LogRecord:
        """Return the record that carries `entry`, of the app's factory if that works."""
        try:
            return make_record(self.name, entry, logging.getLogRecordFactory())
        except Exception as error:  # noqa: BLE001 - the app's; the entry is worth more
            self.report("the app's LogRecord factory failed", error)
            return make_record(self.name, entry, logging.LogRecord)


def _is_heard(number: int) -> bool:
    """Return whether the logger `vlog` is at a level that lets a record of `number` through.

    A dictConfig that disables it by the way, because it does not name it, is not asked.
    """
    tree = _tree()
    return number >= max(tree.manager.disable + 1, tree.getEffectiveLevel())


class Output:
    """The loggers and files of one callback or loop; they serve all its runs.

    A run writes to the end where it began to write: who configures the logger `vlog` anew in the
    meantime, or takes its handlers away, meets the next run.

    Args:
        log_file: Path of the log. `DEFAULT_LOG_FILE` takes what the app configured on the logger
            `vlog`, or that file in the current folder if it configured nothing. None for no such
            log: the standard log alone.
        standard_log: Path of the standard log too, or True for the default name beside the log.
        rotation: Of both files.
        console: Whether to show the run on standard error: None as it fits, True in any case.
        propagate: Whether the handlers of the logger `vlog`, and of root, receive the entries too.
        on_alert: Called with each entry of level WARNING or ERROR.

    Raises:
        ConfigurationError: an option or path cannot be used.

    Attributes:
        logger: Takes the entries.
        report: Takes what goes wrong inside vlog.
    """

    def __init__(
        self,
        log_file: str | os.PathLike[str] | None = DEFAULT_LOG_FILE,
        standard_log: str | os.PathLike[str] | bool | None = None,
        rotation: Rotation | None = None,
        console: bool | None = None,
        *,
        propagate: bool = False,
        on_alert: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        if console not in (None, True, False):
            raise ConfigurationError(f"console is {console!r}. Expected True, False or None.")
        check_flag("propagate", propagate)
        self.logger = RunLogger(_TREE_LOGGER, level=1)
        self.logger.propagate = False
        self._tells_app = propagate
        self._files: list[RotatingJsonlHandler] = []
        self._error_log: ErrorLogHandler | None = None
        self._wants_console = console
        self._open_runs = 0
        self._is_configured = is_configured(log_file)
        if self._is_configured:
            if standard_log:
                raise ConfigurationError(
                    "standard_log was given without a log_file, while the logger 'vlog' is "
                    "configured already. Add a handler with vlog.handlers.StandardFormatter to "
                    "that configuration, or give both files."
                )
            self.report = self.logger.report = ErrorReporter(logging.getLogger(_ERROR_LOGGER))
        else:
            self._open_files(log_file, standard_log, rotation or Rotation())
        self._alerts = AlertHandler(on_alert, self.report) if on_alert is not None else None
        self._arrange()

    def _open_files(
        self,
        log_file: str | os.PathLike[str] | None,
        standard_log: str | os.PathLike[str] | bool | None,
        rotation: Rotation,
    ) -> None:
        errors = logging.Logger(_ERROR_LOGGER)  # noqa: LOG001 - the run's own, not in the tree
        self.report = self.logger.report = ErrorReporter(errors)
        paths: list[Path] = []
        if log_file is not None or not standard_log:
            paths.append(_path(log_file, "log_file"))
            self._add_file(paths[0], rotation, JsonlFormatter(), Verbosity.ULTRA)
        if standard_log:
            flat = (paths[0].parent if paths else Path.cwd()) / STANDARD_LOG_NAME
            if standard_log is not True:
                flat = _path(standard_log, "standard_log")
            if flat in paths:
                raise ConfigurationError(
                    f"log_file and standard_log are both {str(flat)!r}. Give two files."
                )
            paths.append(flat)
            self._add_file(flat, rotation, StandardFormatter(), Verbosity.MEDIUM)
        self._error_log = ErrorLogHandler(paths[0].with_name(ERROR_LOG_NAME))
        errors.addHandler(self._error_log)

    def _add_file(
        self, path: Path, rotation: Rotation, formatter: JsonlFormatter, level: Verbosity
    ) -> None:
        check_writable(path)  # before anybody looks the path up: it may be none
        self._files.append(_files.handler(path, rotation, self.report, formatter, level))

    def _arrange(self) -> None:
        """Take the handlers that a run which begins now writes to."""
        handlers: list[logging.Handler] = list(self._files)
        tree = _tree()
        self.logger.app = tree if self._tells_app else None
        if self._is_configured:
            handlers = list(tree.handlers) or self.logger.handlers
            self.logger.app = tree.parent if self._tells_app or tree.propagate else None
        theirs = [each for each in handlers if isinstance(each, ConsoleHandler)]
        self.console = self._choose_console(theirs)
        self.logger.handlers[:] = [each for each in handlers if self._is_for_this_rank(each)]
        for handler in (self.console, self._alerts):
            if handler is not None and handler not in self.logger.handlers:
                self.logger.addHandler(handler)

    def _choose_console(self, theirs: list[ConsoleHandler]) -> ConsoleHandler | None:
        """Return the console that the app configured; one of its own if that fits."""
        is_told = self._tells_app and self._wants_console is None  # the app shows it
        if self._wants_console is False or is_told or self.rank:
            return None
        if theirs or (self._is_configured and not self._wants_console):
            return theirs[0] if theirs else None
        return _console()

    def _is_for_this_rank(self, handler: logging.Handler) -> bool:
        """Return whether `handler` is one that every rank has, or this is rank 0."""
        is_shown = isinstance(handler, ConsoleHandler)
        if is_shown and self._wants_console is False:
            return False
        return not self.rank or not (is_shown or isinstance(handler.formatter, StandardFormatter))

    @property
    def rank(self) -> int:
        """This process's rank; a launcher may fork after the output was made."""
        return process_rank()

    @property
    def handlers(self) -> list[logging.Handler]:
        """What its entries go to, but for what stands above in the logging tree."""
        return self.logger.handlers

    @property
    def log_file(self) -> Path | None:
        """The file of the whole log; of the standard log, where there is no other."""
        files = [each for each in self.logger.handlers if isinstance(each, RotatingJsonlHandler)]
        whole = [each for each in files if not isinstance(each.formatter, StandardFormatter)]
        return next((each.path for each in whole or files), None)

    @property
    def bytes_written(self) -> int:
        """Bytes written to its own files so far, by this process."""
        return sum(handler.bytes_written for handler in self._files)

    def open(self) -> None:
        """Look where to write, unless a run is written already, and keep own files open."""
        if not self._open_runs:
            self._arrange()
        self._open_runs += 1
        for handler in self._files:
            _files.open(handler)

    def close(self) -> None:
        """Let go of the files of its own, unless another run writes them; an entry reopens them."""
        self._open_runs = max(self._open_runs - 1, 0)
        for handler in self._files:
            _files.close(handler)
        if self._is_configured and not self._open_runs:
            self._let_go_of_replaced()
        if self._alerts is not None:
            self._alerts.wait(_ALERT_SECONDS)
        if self._error_log is not None:
            self._error_log.close()

    def _let_go_of_replaced(self) -> None:
        """Close files that only the run still wrote: the app has configured others meanwhile."""
        for handler in self.logger.handlers:
            if isinstance(handler, RotatingJsonlHandler) and handler not in _tree().handlers:
                handler.close()


def _tree() -> logging.Logger:
    return logging.getLogger(_TREE_LOGGER)


class _Files:
    """One handler per file in this process, which all who want that path share, the app too."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may end a run while one begins
        self._by_path: WeakValueDictionary[str, RotatingJsonlHandler] = WeakValueDictionary()
        self._users: WeakKeyDictionary[RotatingJsonlHandler, int] = WeakKeyDictionary()

    def handler(
        self,
        path: Path,
        rotation: Rotation,
        report: ErrorReporter,
        formatter: JsonlFormatter,
        level: Verbosity,
    ) -> RotatingJsonlHandler:
        real = os.path.realpath(path)
        with self._lock:
            handler = self._by_path.get(real)
            if handler is not None:
                handler.limit(**asdict(rotation))
            else:
                handler = _configured_handler(real)
            if handler is None:
                handler = RotatingJsonlHandler(path, **asdict(rotation), report=report)
                handler.setFormatter(formatter)
                handler.setLevel(int(level))
                self._by_path[real] = handler
        if type(handler.formatter) is not type(formatter):
            raise ConfigurationError(
                f"{str(path)!r} cannot be a verbose and a standard log at once: another callback "
                "of this process has it as the other kind. Give another path."
            )
        return handler

    def open(self, handler: RotatingJsonlHandler) -> None:
        with self._lock:
            self._users[handler] = self._users.get(handler, 0) + 1

    def close(self, handler: RotatingJsonlHandler) -> None:
        with self._lock:
            self._users[handler] = users = max(self._users.get(handler, 0) - 1, 0)
        if users <= 0:
            handler.close()

    def forget(self) -> None:
        """Forget, in a forked child, whose runs write a file, and who of its threads is in here."""
        self._lock = threading.RLock()
        self._users.clear()


_files = _Files()
in_child(_files.forget)


def _configured_handler(path: str) -> RotatingJsonlHandler | None:
    """Return the handler by which the app has the file at the real `path` written, if it does."""
    for handler in _tree().handlers:
        if isinstance(handler, RotatingJsonlHandler) and path == os.path.realpath(handler.path):
            return handler
    return None


def _console() -> ConsoleHandler:
    """Return the one console of this process: two live lines would write over each other."""
    return _console_of(os.getpid())


@cache
def _console_of(_pid: int) -> ConsoleHandler:
    return ConsoleHandler()


def _path(value: object, option: str) -> Path:
    if isinstance(value, (str, os.PathLike)) and os.fspath(value) not in ("", b""):
        return Path(os.path.abspath(expand_home(os.fsdecode(value))))  # noqa: PTH100 - links stay links
    raise ConfigurationError(f"{option} is {value!r}. Expected the path of a file.")
