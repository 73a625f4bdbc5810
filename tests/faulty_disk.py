"""A disk that is full, or fails, when a test says so: under the log files of this process."""

from __future__ import annotations

import errno
import os
from io import FileIO

from vlog.handlers import log_files
from vlog.handlers.backlog import Retry


class FaultyDisk:
    """Stands below what the handlers open; the error log, and everything else, is not on it.

    Attributes:
        room: Bytes that can be written yet, in whole lines or not; None for any number.
        error: The number of the error that a write raises when there is no room.
        open_error: That of the error with which files cannot be opened; None while they can be.
    """

    def __init__(self, monkeypatch):
        self.room = None
        self.error = errno.ENOSPC
        self.open_error = None
        disk, open_for_append = self, log_files.open_for_append

        class File(FileIO):
            def write(self, content):
                return super().write(content[: disk.take(len(content))])

        def open_unless_it_fails(path, flags=0):
            if disk.open_error is not None:
                raise OSError(disk.open_error, os.strerror(disk.open_error))
            return open_for_append(path, flags)

        monkeypatch.setattr(log_files, "FileIO", File)
        monkeypatch.setattr(log_files, "open_for_append", open_unless_it_fails)

    def take(self, size):
        """Return how many of `size` bytes there is room for; raise if for none."""
        if self.room is None:
            return size
        size = min(size, self.room)
        if not size:
            raise OSError(self.error, os.strerror(self.error))
        self.room -= size
        return size

    def fail(self, error, room=0):
        """Let every write raise `error` when `room` bytes more are written."""
        self.error, self.room = error, room

    def mend(self):
        """Let everything work again."""
        self.room = self.open_error = None


def leave_retries_to_the_test(monkeypatch):
    """Start no thread that tries again: the test calls `_try_again`, or `flush`."""
    monkeypatch.setattr(Retry, "wake", lambda _: True)
