"""The control groups of this process while it runs: kept, and found again when they change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

from vlog.resources.cgroup.tree import find_hierarchy
from vlog.resources.files import KeptFile
from vlog.resources.source import is_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from vlog.resources.cgroup.tree import Hierarchy

RECHECK_SECONDS = 30.0  # a group may get its limit after it has got its processes

Kept = TypeVar("Kept")
Result = TypeVar("Result")


class OwnGroups(Generic[Kept]):
    """What is kept of the groups of this process; made anew when they may be others.

    They are looked for when `/proc/self/cgroup` has changed (the process was moved), when a file
    has failed (a group is gone), and every `RECHECK_SECONDS`.

    Args:
        controllers: Whose groups to look for.
        keep: Makes what is kept, of the hierarchies that there are, by controller.
        root: Where `/proc` and `/sys` are.
        monotonic: Tells when, in seconds.
    """

    def __init__(
        self,
        controllers: tuple[str, ...],
        keep: Callable[[Mapping[str, Hierarchy]], Kept],
        root: Path,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._controllers = controllers
        self._keep = keep
        self._root = root
        self._monotonic = monotonic
        self._membership = KeptFile(root / "proc/self/cgroup")
        self._known: bytes | None = None
        self._due = 0.0
        self._kept: Kept = keep({})

    def read(self, take: Callable[[Kept], Result]) -> Result:
        """Return `take` of what is kept; of what is there now, if one of its files fails.

        Raises:
            OSError: a file that is there cannot be read.
            ValueError: it says something else than the kernel would.
        """
        try:
            return take(self._current())
        except OSError:
            self._known = None
            return take(self._current())

    def _current(self) -> Kept:
        membership = _content_of(self._membership)
        now = self._monotonic()
        if membership != self._known or now >= self._due:
            self._kept = self._keep(self._find(membership))
            self._known, self._due = membership, now + RECHECK_SECONDS
        return self._kept

    def _find(self, membership: bytes) -> dict[str, Hierarchy]:
        if not membership:
            return {}
        mounts = _content_of(KeptFile(self._root / "proc/self/mountinfo", is_long=True))
        found = {
            each: find_hierarchy(each, membership, mounts, self._root) for each in self._controllers
        }
        return {name: hierarchy for name, hierarchy in found.items() if hierarchy is not None}


def _content_of(file: KeptFile) -> bytes:
    """Return its content; nothing where the kernel has no such file."""
    try:
        return file.read()
    except OSError as error:
        if is_unavailable(error):
            return b""
        raise


def kept(path: Path) -> KeptFile | None:
    """Return the file `path`, where the kernel has it."""
    return KeptFile(path) if path.exists() else None


def number_of(content: bytes, file: KeptFile) -> int:
    """Return the number that `content`, which is (a part of) what `file` said, is.

    Raises:
        ValueError: it is none.
    """
    try:
        return int(content)
    except ValueError:
        raise ValueError(f"{file.path} says {content[:40]!r}, not a number") from None


def value_of(name: bytes, content: bytes, file: KeptFile) -> int | None:
    """Return the number behind `name`, of lines like `oom_kill 0`; None where no line has it.

    Raises:
        ValueError: what stands there is no number.
    """
    _, is_there, rest = (b"\n" + content).partition(b"\n" + name + b" ")
    return number_of(rest.partition(b"\n")[0], file) if is_there else None
