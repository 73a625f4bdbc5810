"""`vlog verbosity`: ask the run that writes a log for another verbosity, and wait for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vlog.errors import ConfigurationError, LogReadError
from vlog.family import list_family
from vlog.verbosity_request import leave_request, request_path

if TYPE_CHECKING:
    from pathlib import Path

    from vlog.verbosity_request import VerbosityRequest

_WAIT_SECONDS = 6.0  # a run looks every second; a machine may be busy
_POLL_SECONDS = 0.1


def ask(log: Path, request: VerbosityRequest) -> list[Path]:
    """Leave a request beside a log and its other ranks' files; return those that a run has taken.

    A request that nobody has taken after six seconds is taken back.

    Raises:
        LogReadError: there is no such log.
        ConfigurationError: the request cannot be written there, or nobody has taken it.
    """
    files = [file for file in list_family(log) if file.is_file()]
    if not files:
        raise LogReadError(f"{log} does not exist. Give the path of a log that is being written.")
    try:
        for file in files:
            leave_request(file, request)
        taken = _wait(files)
    except FileExistsError as error:
        raise ConfigurationError(
            f"Another request waits beside {log}. Try again when a run has taken it; if no run "
            f"goes on, delete {error.filename2}."
        ) from error
    except OSError as error:
        why = f"{error.filename}: {error.strerror}"
        raise ConfigurationError(f"The request cannot be left beside the log ({why}).") from error
    if not taken:
        raise ConfigurationError(
            f"No run has answered in {_WAIT_SECONDS:g} s. Is {log} being written? "
            "`vlog summary` says how its last run ended."
        )
    return taken


def _wait(files: list[Path]) -> list[Path]:
    """Wait until all requests are gone; then, or when it is too late, take back what is there."""
    deadline = time.monotonic() + _WAIT_SECONDS
    waiting = list(files)
    has_begun = False
    while waiting and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        waiting = [file for file in waiting if request_path(file).exists()]
        if len(waiting) < len(files) and not has_begun:
            has_begun = True  # the others are files of ended runs, or will follow at once
            deadline = min(deadline, time.monotonic() + _WAIT_SECONDS / 4)
    for file in waiting:
        request_path(file).unlink(missing_ok=True)
    return [file for file in files if file not in waiting]
