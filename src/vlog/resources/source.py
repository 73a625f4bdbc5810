"""What can be measured: the extension point of the monitor, and fields that stand alone."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_NOT_HERE = frozenset(
    {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOSYS, errno.EOPNOTSUPP, errno.EACCES,
     errno.EPERM, errno.ENOTDIR}
)  # fmt: skip


class Unavailable(Exception):  # noqa: N818 - it is an answer, not an error
    """This machine has not got what was asked for. It is nobody's fault, and may come later."""


class Lost(Exception):  # noqa: N818 - the same
    """What was read before cannot be read any more, and not only for a moment."""


def is_unavailable(error: BaseException) -> bool:
    """Return whether `error` says that something is not there, rather than that it broke."""
    if isinstance(error, OSError):
        return error.errno in _NOT_HERE
    return isinstance(error, Unavailable)


class Fields:
    """The fields of one section, each of which stands alone.

    Attributes:
        values: What was read, by key.
        gaps: Why something was not read, by key; see `is_unavailable`.
    """

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.values: dict[str, Any] = {} if values is None else values
        self.gaps: dict[str, Exception] = {}

    def add(self, name: str, read: Callable[..., Any], *args: Any) -> None:
        """Read the field `name`; None leaves it out without a gap (a first rate, say)."""
        try:
            value = read(*args)
        except Exception as error:  # noqa: BLE001 - it costs this field, and is told
            self.gaps[name] = error
            return
        if value is not None:
            self.values[name] = value

    def merge(self, name: str, read: Callable[..., dict[str, Any]], *args: Any) -> None:
        """Read several fields at once; `name` stands for them if they cannot be read."""
        try:
            self.values.update(read(*args))
        except Exception as error:  # noqa: BLE001 - it costs these fields, and is told
            self.gaps[name] = error


class Source(Protocol):
    """One section of `resource_usage`.

    A source may also have these attributes:

    - `can_block` (default True): whether `read` may wait for something (a driver, a network file
      system). Such a source has a thread of its own.
    - `pace_seconds` (default 0.0): it is read no more often than this.
    - `cpu_seconds`: processor time of threads of its own.
    - `close()`: called when nobody reads it any more.
    """

    name: str
    """The key of its section."""

    def read(self) -> dict[str, Any] | Fields:
        """Measure now. Return the fields with their unit in the key.

        Raises:
            Unavailable: this machine has nothing of the section.
        """
        ...
