"""Opening log files: clear refusals before, the user's umask and at most 0644 when created."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from vlog.errors import LogFileError

if TYPE_CHECKING:
    from pathlib import Path

_NAME_BYTES = 255  # of a file's name at most, where the system does not say it
_MODE = 0o644
_STDERR = 2


def check_writable(path: Path) -> None:
    """Make sure that a log can be written at `path`, without creating or changing anything.

    Raises:
        LogFileError: the path is no name of a file or too long, is a folder, its folder is missing
            or is a file, or one of the two cannot be written.
    """
    try:
        _check_folder(path)
        check_name_length(path)
        _check_file(path)
    except LogFileError:
        raise
    except UnicodeEncodeError as error:
        raise LogFileError(
            f"Log file {str(path)!r} cannot be a file's name: {error.reason}. Give another name."
        ) from error
    except OSError as error:  # a folder whose name is too long, or that may not be looked into
        raise LogFileError(
            f"Log file {str(path)!r} cannot be reached: {error.strerror}. Give another path."
        ) from error


def _check_folder(path: Path) -> None:
    folder = path.parent
    if b"\0" in os.fsencode(path):
        raise LogFileError(f"Log file {str(path)!r} has a NUL in it. Give another path.")
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


def check_name_length(path: Path, ending: str = "") -> None:
    """Make sure that the name of a file, and of those beside it, is not too long.

    Args:
        path: The file.
        ending: What the longest name beside it has more.

    Raises:
        LogFileError: it is.
    """
    size, most = len(os.fsencode(path.name)), _longest_name(path.parent) - len(ending)
    if size > most:
        beside = f", for names such as NAME{ending} beside it" if ending else ""
        raise LogFileError(
            f"The name of log file {str(path)!r} has {size} bytes. Expected at most {most}{beside}."
        )


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, ValueError, OSError):  # Windows, and file systems without a limit
        return _NAME_BYTES


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise LogFileError(f"Log file {str(path)!r} is a folder. Give the path of a file in it.")
    if path.exists() and not path.is_file():
        raise LogFileError(
            f"Log file {str(path)!r} is a device, a pipe or a socket. Give the path of a file."
        )
    target = path if path.exists() else path.parent
    if not os.access(target, os.W_OK):
        raise LogFileError(
            f"{str(target)!r} cannot be written by this user, or its file system is read-only. "
            "Change its permissions or give another path for the log file."
        )


def expand_home(filename: str | os.PathLike[str]) -> str:
    """Return the path with the user's home folder for `~`; as it is where there is none."""
    try:
        return os.path.expanduser(filename)  # noqa: PTH111 - pathlib raises where `~x` is no user
    except ValueError:  # a NUL in it, which `check_writable` refuses
        return os.fspath(filename)


def open_for_append(path: str | os.PathLike[str], flags: int = 0) -> int:
    """Return a descriptor for which every write goes to the end of the file.

    It can be read too, where this user may read the file.
    """
    flags |= os.O_APPEND | os.O_CREAT
    try:
        return open_above_stderr(path, os.O_RDWR | flags)
    except PermissionError:
        return open_above_stderr(path, os.O_WRONLY | flags)


def open_above_stderr(path: str | os.PathLike[str], flags: int) -> int:
    """Return a descriptor of a file, which is created with at most 0644; opening never waits.

    In a process whose stderr is closed, the next file that is opened gets its number, and whatever
    any library says there would stand in that file.
    """
    taken: list[int] = []
    try:
        with suppress(OSError):  # there is no such device, or no descriptor left for it
            while not taken or taken[-1] <= _STDERR:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        # Opening a pipe without a reader would wait for one; that of a file never waits.
        return os.open(path, flags | getattr(os, "O_NONBLOCK", 0), _MODE)
    finally:
        for descriptor in taken:
            os.close(descriptor)


def keep_private(new: int, old: int) -> None:
    """Give the open file `new` no right that the open file `old`, which it follows, has not."""
    has, may = (stat.S_IMODE(os.fstat(each).st_mode) for each in (new, old))
    if has & ~may and hasattr(os, "fchmod"):  # Windows has none
        os.fchmod(new, has & may)
