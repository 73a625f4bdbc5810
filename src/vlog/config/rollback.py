"""A configuration of stdlib logging takes place as a whole or not at all.

Global state: while dictConfig works, the lists of handlers that stdlib keeps are held back; then
they are put back, and after an error all loggers too.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlog import open_runs
from vlog.handlers.error_log import tell_stderr

if TYPE_CHECKING:
    import weakref
    from collections.abc import Iterable, Iterator

# What `logging.config` itself works with: the handlers by name, those to close at exit, the lock.
_names: weakref.WeakValueDictionary[str, logging.Handler] = vars(logging)["_handlers"]
_references: list[weakref.ref[logging.Handler]] = vars(logging)["_handlerList"]
_lock = vars(logging)["_lock"]


@contextmanager
def all_or_nothing(*, is_incremental: bool) -> Iterator[None]:
    """Put logging back as it was if the block raises; close what it replaced if it does not.

    dictConfig begins by closing every handler there is, also those that stay in use, and a
    FileHandler of mode "w" never opens again after that. So it is shown no handlers, unless it is
    to change their levels.
    """
    with _lock:
        before = _Logging()
        if not is_incremental:
            _names.clear()
            _references.clear()
        try:
            yield
        except BaseException:
            _close(before.restore())
            raise
        unused = before.go_on()
    _close(unused)  # without the lock: it may wait for a compression


@contextmanager
def no_new_files(files: Iterable[object]) -> Iterator[None]:
    """Remove, if the block raises, those of `files` that it created and wrote nothing into.

    Args:
        files: What handlers have as their `filename`; what is no path is passed over.
    """
    paths = [Path(each) for each in files if isinstance(each, (str, os.PathLike))]
    missing = [path for path in paths if not os.path.lexists(path)]
    try:
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):  # it is not there, or must stay: the refusal is what to tell
                if path.stat().st_size == 0:
                    path.unlink()
        raise


def known_handlers() -> list[str]:
    """Return the names of the handlers that stdlib knows by name."""
    return list(_names)


class _Logging:
    """Every logger, and every handler that stdlib knows, as they are."""

    def __init__(self) -> None:
        self._loggers = [
            (each, each.level, each.propagate, each.disabled, each.handlers[:], each.filters[:])
            for each in _loggers()
        ]
        self._names = dict(_names)
        self._references = list(_references)
        self._used = _in_use() | set(self._names.values())
        self._levels = [(handler, handler.level) for handler in self._used]

    def restore(self) -> set[logging.Handler]:
        """Put it all back, and return the handlers that have come since and that nobody uses."""
        for logger, level, propagate, disabled, handlers, filters in self._loggers:
            logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, disabled
            logger.handlers[:], logger.filters[:] = handlers, filters
        for handler, level in self._levels:
            handler.setLevel(level)
        unused = _alive(_references) - _alive(self._references) - _in_use()
        self._register(self._names, unused)
        return unused

    def go_on(self) -> set[logging.Handler]:
        """Keep what is new beside what is still used, and return what is not used any more."""
        used = _in_use()
        unused = self._used - used - _alive(_references)
        names = {name: each for name, each in self._names.items() if each in used}
        self._register(names | dict(_names), unused)
        return unused

    def _register(self, names: dict[str, logging.Handler], unused: set[logging.Handler]) -> None:
        """Let stdlib know the handlers of before and of since, without those that are unused."""
        _names.clear()
        for handler in unused:
            handler.name = None  # closing it would forget the one that now has the name
        _names.update(names)
        since = [each for each in _references if each not in self._references]
        _references[:] = [
            each for each in (*self._references, *since) if each() not in (None, *unused)
        ]


def _loggers() -> list[logging.Logger]:
    root = logging.getLogger()
    others = root.manager.loggerDict.values()
    return [root, *(each for each in others if isinstance(each, logging.Logger))]


def _in_use() -> set[logging.Handler]:
    """Return the handlers of all loggers and open runs, and those that they hand records to."""
    found: set[logging.Handler] = set()
    waiting: list[Any] = [handler for logger in _loggers() for handler in logger.handlers]
    waiting += open_runs.handlers()
    while waiting:
        handler = waiting.pop()
        if isinstance(handler, logging.Handler) and handler not in found:
            found.add(handler)
            waiting.append(getattr(handler, "target", None))
            waiting.extend(getattr(getattr(handler, "listener", None), "handlers", None) or ())
    return found


def _alive(references: list[weakref.ref[logging.Handler]]) -> set[logging.Handler]:
    return {handler for each in references if (handler := each()) is not None}


def _close(handlers: Iterable[logging.Handler]) -> None:
    for handler in handlers:
        try:
            handler.flush()
            handler.close()
        except Exception as error:  # noqa: BLE001 - anybody's; the others must be closed as well
            tell_stderr(f"vlog: {handler!r} could not be closed: {error!r}")
