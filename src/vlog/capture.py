"""What other packages say while a run goes on, taken into its log.

Global state: while a run is open, the loggers that it names have one more handler, and
`warnings.showwarning` is chained. Nothing of theirs is changed: neither levels nor handlers, and
what they say is shown as before.
"""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

from vlog import open_runs
from vlog.errors import ConfigurationError
from vlog.handlers.capture import CaptureHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vlog.open_runs import OpenRun

LIBRARIES = ("transformers", "datasets", "accelerate", "trl", "peft", "torch", "py.warnings")
_WARNINGS = "py.warnings"  # stdlib's name for the logger that warnings may be sent to


class Capture:
    """Take the records of named loggers, and of those below them, into the log of one run.

    A logger's own level stays: what it would not say is not written either.

    Args:
        names: Loggers; `root` for every record that reaches it. `py.warnings` also stands for what
            `warnings.warn` shows.
        run: Takes the records, unless the thread that logs trains another run.

    Raises:
        ConfigurationError: `names` is no list of names.
    """

    def __init__(self, names: Iterable[str], run: OpenRun) -> None:
        self._loggers = [logging.getLogger(None if name == "root" else name) for name in names]
        self._warns = _WARNINGS in names
        self._handler = CaptureHandler(lambda: [run] if run in open_runs.of_this_thread() else [])
        self._shown_by: Callable[..., None] | None = None
        self._is_on = False

    def start(self) -> None:
        """Begin to listen."""
        self._is_on = True
        self.refresh()
        if self._warns:
            self._shown_by, warnings.showwarning = warnings.showwarning, self._show_warning

    def refresh(self) -> None:
        """Listen again where somebody has configured the logger anew since."""
        for logger in self._loggers:
            if self._is_on and self._handler not in logger.handlers:
                logger.addHandler(self._handler)

    def stop(self) -> None:
        """Cease to listen; a chain of `warnings.showwarning` that others build on stays."""
        self._is_on = False
        for logger in self._loggers:
            logger.removeHandler(self._handler)
        if self._shown_by is not None and warnings.showwarning == self._show_warning:
            warnings.showwarning = self._shown_by

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
        text = f"{category.__name__}: {message}"
        where = f"{filename}:{lineno}"
        record = logging.LogRecord(_WARNINGS, logging.WARNING, filename, lineno, text, (), None)
        record.where = where
        self._handler.handle(record)


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
