"""Where the entries of a run go: stdlib loggers and handlers, from arguments or from a dictConfig.

Global state: `configure` applies a dictConfig to stdlib logging. Nothing else here touches the
logging tree: a run has a logger of its own, which is gone when the run is.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import logging.config
import os
import threading
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import yaml

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
from vlog.record import make_record
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Callable


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
            `vlog`, or that file in the current folder if it configured nothing.
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
        log_file: str | os.PathLike[str] = DEFAULT_LOG_FILE,
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
        path = rank_path(_path(log_file, "log_file"), self.rank)
        self._open_files(path, standard_log, rotation or Rotation())

    def _open_files(
        self, path: Path, standard_log: str | os.PathLike[str] | bool | None, rotation: Rotation
    ) -> None:
        errors = logging.Logger(_ERROR_LOGGER)  # noqa: LOG001 - the run's own, not in the tree
        self.report = self.logger.report = ErrorReporter(errors)
        self._handlers.append(_files.handler(path, rotation, self.report, JsonlFormatter()))
        self._error_log = ErrorLogHandler(path.with_name(ERROR_LOG_NAME))
        errors.addHandler(self._error_log)
        if standard_log and self.rank == 0:
            flat = path.with_name(STANDARD_LOG_NAME)
            if standard_log is not True:
                flat = _path(standard_log, "standard_log")
            if flat == path:
                raise ConfigurationError(
                    f"log_file and standard_log are both {str(path)!r}. Give two files."
                )
            handler = _files.handler(flat, rotation, self.report, StandardFormatter())
            handler.setLevel(int(Verbosity.MEDIUM))
            self._handlers.append(handler)
        for handler in self._handlers:
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


def process_rank() -> int:
    """Return this process's rank, as torchrun, Accelerate or MPI tell it; 0 without them."""
    for name in ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        value = os.environ.get(name, "")
        if value.isdigit():
            return int(value)
    return 0


def rank_path(path: Path, rank: int) -> Path:
    """Return the file of `rank`: the plain name for rank 0, `<name>.rank3.jsonl` for rank 3."""
    return path if rank == 0 else path.with_name(f"{path.stem}.rank{rank}{path.suffix}")


def configure(config: str | os.PathLike[str] | dict[str, Any] | None = None) -> None:
    """Apply a logging configuration to the whole process.

    Args:
        config: A YAML file or a dict in the form of `logging.config.dictConfig`. None takes the
            default configuration, the one that `vlog init` writes.

    Raises:
        ConfigurationError: the file cannot be read, is no YAML, or configures nothing.
    """
    if isinstance(config, dict):
        name, content = "The configuration", config
    else:
        name, content = _load_yaml(config)
    before = _tree()
    try:
        logging.config.dictConfig(content)
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        for logger, level, handlers, propagate in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
            logger.propagate = propagate
        cause = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise ConfigurationError(
            f"{name} cannot be applied: {cause.rstrip('.')}. What was configured before stays."
        ) from error


def default_configuration() -> str:
    """Return the text of the default `logging.yaml`."""
    return resources.files("vlog").joinpath("logging.yaml").read_text(encoding="utf-8")


def refuse_unknown(unknown: dict[str, Any], function: Callable[..., Any]) -> None:
    """Refuse options that `function` does not have.

    Raises:
        ConfigurationError: there is one; the message names the nearest that exists, and all.
    """
    allowed = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name != "self"
    ]
    for name in unknown:
        near = difflib.get_close_matches(name, allowed, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(
            f"Unknown option {name!r}.{hint} Expected one of: {', '.join(allowed)}."
        )


def _load_yaml(path: str | os.PathLike[str] | None) -> tuple[str, dict[str, Any]]:
    name = "The default configuration" if path is None else str(path)
    try:
        text = default_configuration() if path is None else Path(path).read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except OSError as error:
        raise ConfigurationError(
            f"{name} cannot be read: {error.strerror}. Give the path of a YAML file; "
            "`vlog init` writes one."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{name} holds a {type(content).__name__}. Expected a mapping with `version: 1`, "
            "`handlers` and `loggers`; `vlog init` writes one."
        )
    return name, content


def _tree() -> list[tuple[logging.Logger, int, list[logging.Handler], bool]]:
    """Return every logger as it is: dictConfig stops half-way when it refuses something."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    return [
        (logger, logger.level, list(logger.handlers), logger.propagate)
        for logger in loggers
        if isinstance(logger, logging.Logger)
    ]


def _path(value: object, option: str) -> Path:
    if isinstance(value, (str, os.PathLike)) and os.fspath(value) not in ("", b""):
        return Path(os.path.abspath(os.path.expanduser(os.fsdecode(value))))  # noqa: PTH100, PTH111
    raise ConfigurationError(f"{option} is {value!r}. Expected the path of a file.")
