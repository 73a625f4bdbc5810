"""The error log: what went wrong inside vlog, so that nothing of it reaches the training."""

from __future__ import annotations

import logging
import select
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import IO

from vlog.describe import describe_exception
from vlog.handlers.files import check_writable, expand_home, open_above_stderr
from vlog.redaction import redact_text
from vlog.visible import visible_lines

ERROR_LOG_NAME = "verbose_logging_errors.log"
_LONGEST = 1000  # characters on stderr: what a pipe takes at once that has any room
_FORMAT = "%(asctime)s %(levelname)s pid=%(process)d %(message)s"


class ErrorLogHandler(logging.FileHandler):
    """Append vlog's own errors as plain text; the file is created at the first one.

    Args:
        filename: Path of the file; `~` is the user's home folder. Several processes may share it.

    Raises:
        LogFileError: the file cannot be written there.
    """

    def __init__(self, filename: str | Path = ERROR_LOG_NAME) -> None:
        filename = expand_home(filename)
        check_writable(Path(filename).absolute())
        super().__init__(
            filename, mode="a", encoding="utf-8", delay=True, errors="backslashreplace"
        )
        self.setFormatter(_RedactingFormatter(_FORMAT))
        self._has_complained = False

    def _open(self) -> IO[str]:  # type: ignore[override]  # typeshed wants the concrete wrapper
        return open(
            self.baseFilename,
            self.mode,
            encoding=self.encoding,
            errors=self.errors,
            opener=open_above_stderr,
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`; a file that cannot be opened raises no more than one that is full.

        The file is open only meanwhile: errors are rare, and may come when nobody closes it later.
        What a full disk did not take stays in the open file's buffer, for the next time.
        """
        try:
            super().emit(record)  # the base opens the file unguarded
            if self.stream is not None:
                self.stream.flush()
                self.stream.close()
                self.stream = None
        except Exception:  # noqa: BLE001 - stdlib's contract: a handler never raises
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - stdlib's name
        """Say once on stderr that even the error log cannot be written."""
        if not self._has_complained:
            self._has_complained = True
            failure = sys.exc_info()[1]
            text = f"vlog: {record.getMessage()}".partition("\n")[0]  # without the stack
            if text != _told[-1]:
                tell_stderr(text)
            tell_stderr(f"vlog: {self.baseFilename} cannot be written either: {failure}")

    def close(self) -> None:
        """Let go of the file. What it has not taken is lost, as stderr was told."""
        with suppress(OSError):
            super().close()


class ErrorReporter:
    """Tell the error log of a problem, without flooding it.

    The 1st, 2nd, 4th, 8th ... occurrence of each kind of problem is written, with its number.

    Args:
        logger: The logger that the error log listens to.

    Attributes:
        count: All problems reported.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self.count = 0
        self._logger = logger
        self._seen: Counter[str] = Counter()

    def __call__(self, what: str, error: BaseException | None = None) -> None:
        """Report one problem.

        Args:
            what: Its kind: a constant text, or one of a few.
            error: What was raised, if anything was.
        """
        self.count += 1
        self._seen[what] += 1
        times = self._seen[what]
        if times & (times - 1):
            return
        text = what if times == 1 else f"{what} ({times} times so far)"
        try:
            if error is not None:  # as text: no handler of the app's redacts an exception
                text = f"{text}\n{describe_exception(error)['stack'].rstrip()}"
            self._logger.error("%s", redact_text(text))
        except Exception as second:  # noqa: BLE001 - a handler or factory of the app's
            tell_stderr(f"vlog: {text} ({error!r}); it could not be reported: {second!r}")


class _RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible_lines(redact_text(super().format(record)))


_told = [""]  # what stderr was told last: the error log need not repeat it


def tell_stderr(text: str) -> None:
    """Print to stderr; one that is closed, broken, or held by who reads it is told nothing."""
    _told[-1] = text
    stream = sys.stderr
    try:
        if stream is not None and not _is_held(stream):
            # By one write: `print` does two, and a line of the console may come in between.
            stream.write(f"{visible_lines(redact_text(text))[:_LONGEST]}\n")
            stream.flush()
    except Exception:  # noqa: BLE001 - there is nobody left to tell
        return


def _is_held(stream: IO[str]) -> bool:
    """Return whether a write would wait: for a reader of a full pipe, or a held terminal."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return not poll.poll(0)
    except (OSError, ValueError, AttributeError):  # no file of the system's; Windows
        return False
