"""A file that is there when it is whole, and that never takes the place of another."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vlog.errors import LogFileError
from vlog.segments import PART_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MODE = 0o644


class NewFile:
    """A file under a name for the time being, until it is published.

    Args:
        path: Its name in the end.
        mode: Its permissions, those of 0644 at most.

    Raises:
        LogFileError: it cannot be written, or something of that name is there.
    """

    def __init__(self, path: Path, mode: int = _MODE) -> None:
        check_is_free(path)
        self.path = path
        self._part = path.with_name(f"{path.name}.{os.getpid()}{PART_SUFFIX}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with _write_errors(path):
            self._stream = os.fdopen(os.open(self._part, flags, mode & _MODE), "wb")

    def write(self, content: bytes) -> None:
        """Append to it.

        Raises:
            LogFileError: the disk is full, or fails.
        """
        with _write_errors(self.path):
            self._stream.write(content)

    def publish(self) -> None:
        """Give it its name, once its content is on the disk.

        Raises:
            LogFileError: it cannot be written, or something of that name has come meanwhile.
        """
        with _write_errors(self.path):
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._name()
            _sync_folder(self.path.parent)

    def _name(self) -> None:
        try:
            self.path.hardlink_to(self._part)  # unlike a rename, it fails where a file is
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            check_is_free(self.path)
            self._part.rename(self.path)
        else:
            self._part.unlink()

    def discard(self) -> None:
        """Close it, and remove it unless it is published."""
        with suppress(OSError):  # what is left in the buffer of a full disk
            self._stream.close()
        self._part.unlink(missing_ok=True)


def check_is_free(path: Path) -> None:
    """Refuse a name that is taken.

    Raises:
        LogFileError: something has it, or it cannot be a file's.
    """
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise LogFileError(f"{path} cannot be written: {error}.") from error
    raise LogFileError(f"{path} exists already, and nothing is overwritten. Give another name.")


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise LogFileError(f"{path} cannot be written: {why}. Nothing was changed.") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
