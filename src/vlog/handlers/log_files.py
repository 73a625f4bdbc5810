"""The steps by which the file of a log is opened, told from others, and set aside.

Each leaves the folder in a state that the next owner of the log can put right.
"""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from typing import TYPE_CHECKING

from vlog.handlers.files import keep_private, open_for_append
from vlog.segments import (
    COMPRESSED_SUFFIX,
    PART_SUFFIX,
    is_same_file,
    last_number,
    segment_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The path is none for a log, but one beside it may be: a folder, a link, a pipe, a file that this
# user may not write.
UNUSABLE = {errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM}
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

Identity = tuple[int, int]


def open_log(path: Path) -> tuple[FileIO, bool]:
    """Return the file, and whether it was created.

    Raises:
        OSError: it cannot be opened, or is none. A link that stands there is not followed: where
            the log was given as one, its path is that of the file already.
    """
    flags = getattr(os, "O_NOFOLLOW", 0)
    try:
        return _checked(open_for_append(path, flags | os.O_EXCL)), True
    except FileExistsError:
        return _checked(open_for_append(path, flags)), False


def _checked(descriptor: int) -> FileIO:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ENXIO, "a device, a pipe or a socket, where a file is expected")
    return FileIO(descriptor, "ab+")


def identity(stream: FileIO) -> Identity:
    """Return what tells an open file from all others."""
    status = os.fstat(stream.fileno())
    return status.st_dev, status.st_ino


def names(path: Path, stream: FileIO | None) -> bool:
    """Return whether `path` is a name of the open file."""
    if stream is None:
        return False
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False


def check_names(path: Path, stream: FileIO) -> None:
    """Make sure that `path` is a name of the open file.

    Raises:
        OSError: it is one of another, or of none.
    """
    if not names(path, stream):
        raise OSError(errno.ESTALE, f"{path} was replaced meanwhile")


def candidates(wanted: Path) -> Iterator[Path]:
    """Yield the path that a process wants, and those beside it that it may have instead."""
    yield wanted
    own = f"{wanted.stem}.pid{os.getpid()}"
    yield wanted.with_name(f"{own}{wanted.suffix}")
    for number in range(2, 1000):
        yield wanted.with_name(f"{own}-{number}{wanted.suffix}")


def put_right(log_file: Path) -> int:
    """Undo a rotation that was cut short; return the number of the newest segment, 0 for none.

    Args:
        log_file: The log, whose lock the caller holds.
    """
    next_path(log_file).unlink(missing_ok=True)
    newest = last_number(log_file)
    segment = segment_path(log_file, newest)
    if newest and is_same_file(segment, log_file):
        segment.unlink()
        newest -= 1
    return newest


def next_path(log_file: Path) -> Path:
    """Return the path of the file that is about to take over that of the log."""
    return log_file.with_name(f"{log_file.name}.next{PART_SUFFIX}")


def name_segment(log_file: Path, stream: FileIO, number: int, *, must_look: bool) -> int:
    """Give the open file of a log the name of a segment too; return the segment's number.

    Args:
        log_file: The log.
        stream: Its file.
        number: The number to begin with.
        must_look: Whether other processes may have made segments since that was known. Looking
            takes as long as the folder is large.

    Raises:
        OSError: it cannot be done.
    """
    while True:
        if must_look:
            newest = last_number(log_file)
            if newest and names(segment_path(log_file, newest), stream):
                return newest  # an earlier attempt was cut short by a signal
            number = max(number, newest + 1)
        if _link(log_file, segment_path(log_file, number)):
            break
        number += must_look  # what stands there is no segment
        must_look = True
    try:
        check_names(segment_path(log_file, number), stream)
    except OSError:
        segment_path(log_file, number).unlink()  # of a file that is not ours to set aside
        raise
    return number


def _link(log_file: Path, segment: Path) -> bool:
    """Give the log a second name; return whether nobody had that, compressed or not."""
    if any(os.path.lexists(f"{segment}{suffix}") for suffix in COMPRESSED_SUFFIX.values()):
        return False
    try:
        os.link(log_file, segment)
    except FileExistsError:
        return False
    return True


def new_file(log_file: Path, old: FileIO) -> FileIO:
    """Return a new file at `next_path`, no more readable by others than `old`."""
    path = next_path(log_file)
    path.unlink(missing_ok=True)  # left over by somebody who was killed
    stream = FileIO(open_for_append(path, os.O_EXCL), "ab+")
    keep_private(stream.fileno(), old.fileno())
    return stream
