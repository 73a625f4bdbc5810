"""Opening log files: clear refusals before, the user's umask and at most 0644 when created."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vlog.errors import LogFileError

if TYPE_CHECKING:
    from pathlib import Path

MODE = 0o644


def check_writable(path: Path) -> None:
    """Make sure that a log can be written at `path`, without creating or changing anything.

    Raises:
        LogFileError: the path is a folder, its folder is missing or is a file, or one of the
            two cannot be written.
    """
    folder = path.parent
    if path.is_dir():
        raise LogFileError(f"Log file {str(path)!r} is a folder. Give the path of a file in it.")
    if path.exists() and not path.is_file():
        raise LogFileError(
            f"Log file {str(path)!r} is a device, a pipe or a socket. Give the path of a file."
        )
    if not folder.exists():
        raise LogFileError(
            f"Folder {str(folder)!r} of log file {path.name!r} does not exist. "
            f"Create it first (mkdir -p {str(folder)!r}) or give another path."
        )
    if not folder.is_dir():
        raise LogFileError(
            f"{str(folder)!r} is a file, so no log file {path.name!r} can be in it. "
            "Give a path whose parent is a folder."
        )
    target = path if path.exists() else folder
    if not os.access(target, os.W_OK):
        raise LogFileError(
            f"{str(target)!r} cannot be written by this user, or its file system is read-only. "
            "Change its permissions or give another path for the log file."
        )


def open_for_append(path: str | os.PathLike[str], flags: int = 0) -> int:
    """Return a descriptor for which every write goes to the end of the file."""
    # Opening a pipe without a reader would wait for one; that of a file never waits.
    wait_for_nobody = getattr(os, "O_NONBLOCK", 0)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | wait_for_nobody | flags, MODE)
