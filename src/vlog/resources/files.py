"""Small files of the kernel, read again and again through descriptors that stay open."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

ROOT = Path("/")
_BLOCK = 65_536


class KeptFile:
    """A file of /proc, /sys or a control group.

    The descriptor is opened at the first reading, again when the file is gone and comes back, and
    again in a forked child, whose /proc/self is another.

    Args:
        path: The file.
        is_long: Whether the kernel may hand it out in several pieces (a list with a line for each
            device). A file that it makes in one piece takes one call.

    Raises:
        OSError: from `read`, where the file is not there or cannot be read.
    """

    def __init__(self, path: Path | str, *, is_long: bool = False) -> None:
        self.path = Path(path)
        self._is_long = is_long
        self._descriptor: int | None = None
        self._file: tuple[int, int] | None = None
        self._pid = 0

    def read(self) -> bytes:
        """Return the whole content as it is now."""
        if self._descriptor is not None and self._pid == os.getpid():
            try:
                return self._content(self._descriptor)
            except OSError:
                self._close()  # a group that was deleted and made again, say
        self._close()
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        self._file = _identity(self._descriptor)
        self._pid = os.getpid()
        return self._content(self._descriptor)

    def _content(self, descriptor: int) -> bytes:
        content = os.pread(descriptor, _BLOCK, 0)
        if not self._is_long:
            return content
        parts = [content]
        size = len(content)
        while parts[-1]:
            parts.append(os.pread(descriptor, _BLOCK, size))
            size += len(parts[-1])
        return b"".join(parts)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):  # the app closed it: nothing is left to do
                if _identity(descriptor) == self._file:  # or gave its number to another file
                    os.close(descriptor)

    def __del__(self) -> None:
        self._close()


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def table_of(content: bytes) -> dict[bytes, bytes]:
    r"""Return the first number behind each name, of lines like `MemFree: 12 kB`.

    >>> table_of(b"MemFree:   12 kB\nnr_throttled 3\n")
    {b'MemFree': b'12', b'nr_throttled': b'3'}
    """
    found = {}
    for line in content.splitlines():
        words = line.split(None, 2)
        if len(words) > 1:
            found[words[0].rstrip(b":")] = words[1]
    return found
