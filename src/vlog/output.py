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
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from vlog.errors import ConfigurationError
from vlog.handlers import (
    ConsoleHandler,
    ErrorLogHandler,
    ErrorReporter,
    JsonlFormatter,
    RotatingJsonlHandler,
    StandardFormatter,
)
from vlog.handlers.error_log import ERROR_LOG_NAME
from vlog.handlers.rotating import MAX_MB, TOTAL_MB
from vlog.ranks import process_rank, rank_path
from vlog.record import make_record
from vlog.verbosity import Verbosity


class _DefaultPath(str):
    """The default file name, told apart from the same name given by a caller."""

    __slots__ = ()


DEFAULT_LOG_FILE: str = _DefaultPath("verbose_training_logs.jsonl")
STANDARD_LOG_NAME = "training_logs.jsonl"
_TREE_LOGGER = "vlog"
_ERROR_LOGGER = "vlog.errors"


@dataclass(frozen=True)
class Rotation:
    """When a log becomes a segment, and how long segments are kept.

    Attributes:
        max_mb: Size in MiB at which the file becomes a segment; 0 for never.
        total_mb: Size in MiB of all segments above which the oldest are deleted.
        compress: `zstd`, `gzip` or `none`.
    """

    max_mb: float = MAX_MB
    total_mb: float = TOTAL_MB
    compress: str = "zstd"


class RunLogger(logging.Logger):
    """The stdlib logger of one run. It is not in the logging tree, so nobody disables it."""

    report: ErrorReporter

    def entry(self, entry: dict[str, Any]) -> None:
        """Hand `entry` to the handlers, as a record of the app's factory if that works."""
        factory = logging.getLogRecordFactory()
        try:
            record = make_record(self.name, entry, factory)
        except Exception as error:  # noqa: BLE001 - the app's; the entry is worth more
            self.report("the app's LogRecord factory failed", error)
            record = make_record(self.name, entry, logging.LogRecord)
        self.handle(record)


class Output:
    """The loggers and files of one callback or loop; they serve all its runs.

    Args:
        log_file: Path of the log. `DEFAULT_LOG_FILE` takes what the app configured on the logger
            `vlog`, or that file in the current folder if it configured nothing. None for no such
            log: the standard log alone.
        standard_log: Path of the standard log too, or True for the default name beside the log.
        rotation: Of both files.
        console: Whether to show the run on standard error: None as it fits, True in any case.

    Raises:
        ConfigurationError: an option or path cannot be used.

    Attributes:
        logger: Takes the entries.
        report: Takes what goes wrong inside vlog.
        rank: The process's rank in the run.
        console: Shows the run to whoever looks on; None where nobody does.
    """

    def __init__(
        self,
        log_file: str | os.PathLike[str] | None = DEFAULT_LOG_FILE,
        standard_log: str | os.PathLike[str] | bool | None = None,
        rotation: Rotation | None = None,
        console: bool | None = None,
    ) -> None:
        if console not in (None, True, False):
            raise ConfigurationError(f"console is {console!r}. Expected True, False or None.")
        self.rank = process_rank()
        self.logger = RunLogger(_TREE_LOGGER, level=1)
        self._handlers: list[RotatingJsonlHandler] = []
        self._error_log: ErrorLogHandler | None = None
        tree = logging.getLogger(_TREE_LOGGER)
        if isinstance(log_file, _DefaultPath) and tree.handlers:
            if standard_log:
                raise ConfigurationError(
                    "standard_log was given without a log_file, while the logger 'vlog' is "
                    "configured already. Add a handler with vlog.handlers.StandardFormatter to "
                    "that configuration, or give both files."
                )
            self.logger.parent = tree
            self.report = self.logger.report = ErrorReporter(logging.getLogger(_ERROR_LOGGER))
            self.console = self._configured_console(tree, console)
            return
        self.logger.propagate = False
        self.console = None if console is False or self.rank else _console()
        if self.console is not None:
            self.logger.addHandler(self.console)
        self._open_files(log_file, standard_log, rotation or Rotation())

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
            paths.append(rank_path(_path(log_file, "log_file"), self.rank))
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
            if self.rank == 0:
                self._add_file(flat, rotation, StandardFormatter(), Verbosity.MEDIUM)
        self._error_log = ErrorLogHandler(paths[0].with_name(ERROR_LOG_NAME))
        errors.addHandler(self._error_log)

    def _add_file(
        self, path: Path, rotation: Rotation, formatter: JsonlFormatter, level: Verbosity
    ) -> None:
        handler = _files.handler(path, rotation, self.report, formatter)
        handler.setLevel(int(level))
        self._handlers.append(handler)
        self.logger.addHandler(handler)

    def _configured_console(
        self, tree: logging.Logger, console: bool | None
    ) -> ConsoleHandler | None:
        """Return the console that the app configured; one of its own only if it is asked for."""
        if console is False or self.rank:
            return None
        for handler in tree.handlers:
            if isinstance(handler, ConsoleHandler):
                return handler
        if console:
            self.logger.addHandler(_console())
        return _console() if console else None

    @property
    def log_file(self) -> Path | None:
        """The file of the whole log, where this output has one of its own."""
        for handler in self._handlers or logging.getLogger(_TREE_LOGGER).handlers:
            if isinstance(handler, RotatingJsonlHandler):
                return handler.path
        return None

    @property
    def bytes_written(self) -> int:
        """Bytes written to its own files so far, by this process."""
        return sum(handler.bytes_written for handler in self._handlers)

    def open(self) -> None:
        """Keep the files of its own open until `close`."""
        for handler in self._handlers:
            _files.open(handler)

    def close(self) -> None:
        """Let go of the files of its own, unless another run writes them; an entry reopens them."""
        for handler in self._handlers:
            _files.close(handler)
        if self._error_log is not None:
            self._error_log.close()


class _Files:
    """One handler per file in this process, so that two callbacks on one path share it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may end a run while one begins
        self._by_path: WeakValueDictionary[str, RotatingJsonlHandler] = WeakValueDictionary()
        self._users: WeakKeyDictionary[RotatingJsonlHandler, int] = WeakKeyDictionary()

    def handler(
        self, path: Path, rotation: Rotation, report: ErrorReporter, formatter: JsonlFormatter
    ) -> RotatingJsonlHandler:
        with self._lock:
            handler = self._by_path.get(os.path.realpath(path))
            if handler is None:
                handler = RotatingJsonlHandler(path, **asdict(rotation), report=report)
                handler.setFormatter(formatter)
                self._by_path[os.path.realpath(path)] = handler
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


_files = _Files()


def _console() -> ConsoleHandler:
    """Return the one console of this process: two live lines would write over each other."""
    return _console_of(os.getpid())


@cache
def _console_of(_pid: int) -> ConsoleHandler:
    return ConsoleHandler()


def _path(value: object, option: str) -> Path:
    if isinstance(value, (str, os.PathLike)) and os.fspath(value) not in ("", b""):
        return Path(os.path.abspath(os.path.expanduser(os.fsdecode(value))))  # noqa: PTH100, PTH111
    raise ConfigurationError(f"{option} is {value!r}. Expected the path of a file.")
