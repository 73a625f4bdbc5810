"""A file that one process writes, or that several share: owned, appended to, set aside.

The lock is on the file itself, so there is no lock file to be left over or deleted. One writer
holds it for life: no lock is taken per entry, and nobody waits. Where a file is shared, each
append takes the lock, no longer than `WAIT_SECONDS`.

concurrent-log-handler gives the lock of a shared file, with its care for threads and fork, and
permissions. Ours is that ready bytes are written by one unbuffered call, and that a file is set
aside without an instant in which its name is free or its lines are at two places or at none: it
gets the segment's name as a second one, then a new file, locked already, takes over the first.
"""

from __future__ import annotations

import errno
import os
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

import portalocker
from concurrent_log_handler import ConcurrentRotatingFileHandler

from vlog.handlers.line_writer import LineWriter
from vlog.handlers.log_files import (
    NO_LINKS,
    UNUSABLE,
    Identity,
    candidates,
    check_names,
    identity,
    name_segment,
    names,
    new_file,
    next_path,
    open_log,
    put_right,
)
from vlog.ranks import process_rank, rank_path
from vlog.segments import segment_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO

WAIT_SECONDS = 1.0  # for the lock of a shared file; who waits longer writes a file of its own
_POLL_SECONDS = 0.001  # a shorter one costs a third more processor time, and gains none


class OwnedFileHandler(ConcurrentRotatingFileHandler):  # type: ignore[misc]  # untyped base
    """Append bytes to a file of this process's own, or to one that it shares.

    Where another process owns the file, or it cannot be had for another reason that one beside it
    does not have, this process writes `<name>.pid<number>.jsonl` beside it. What is there already
    is never truncated.

    Args:
        plain: Path of the log; rank 3 writes `<name>.rank3.jsonl`. It is opened at the first line.
        max_bytes: Size at which the file becomes a segment; 0 for never.
        is_shared: Whether several processes append to one file.
        tell: Told of what the user should know.
    """

    baseFilename: str  # noqa: N815 - stdlib's name
    stream: FileIO | None
    stream_lock: FileIO | None
    _of_this_process: ClassVar[WeakSet[OwnedFileHandler]] = WeakSet()

    def __init__(
        self,
        plain: Path,
        max_bytes: int,
        *,
        is_shared: bool,
        tell: Callable[[str, BaseException | None], None],
    ) -> None:
        self._plain = plain
        self._wanted = rank_path(plain, process_rank())
        super().__init__(str(self._wanted), maxBytes=max_bytes, backupCount=1, encoding="utf-8")
        self.maxLockAttempts = 1
        self._lines = LineWriter()
        self._wants_shared = self._is_shared = is_shared
        self._tell = tell
        self._identity: Identity | None = None  # of the open file
        self._made: Identity | None = None  # of the last file that this process created
        self._refusal: BaseException | None = None  # why a shared file could not be locked
        self._deadline = 0.0  # of the wait for that lock
        self._why: tuple[str, BaseException | None] = ("", None)  # the same in words
        self._next_segment = 1
        self._is_right = False  # a shared file, opened anew after each rotation of another process
        self._roll_over_at = max_bytes  # a size; more where the file could not be set aside
        self._of_this_process.add(self)

    @property
    def bytes_written(self) -> int:
        """Bytes written by this handler so far."""
        return self._lines.bytes_written

    @property
    def path(self) -> Path:
        """The file that is written; differs from the wanted one where that cannot be had."""
        return Path(self.baseFilename)

    def append(self, line: bytes) -> None:
        """Write `line`; when this returns, it is in the kernel.

        Raises:
            OSError: it is not, or not all of it. The same line given again is completed, if
                nothing else was written in between; whatever is given, it begins a line.
        """
        if self._creation_pid != os.getpid():  # a fork that told nobody
            self.let_go()
        stream, identity = self.stream, self._identity
        if stream is not None and not self._is_shared:  # in few calls: most lines are like this
            try:
                status = os.stat(self.baseFilename)  # noqa: PTH116 - one call per entry
            except OSError:
                status = None
            if status is not None and identity == (status.st_dev, status.st_ino):
                size = status.st_size
                if size + len(line) <= self._roll_over_at or not self._roll_over_at:
                    self._lines.write(stream, line, size, identity)
                    return
        if self._is_shared and self._lock_shared():
            try:
                self._append(line, self._size())
            finally:
                self._do_unlock()
        else:
            self._append(line, self._own())

    def _append(self, line: bytes, size: int) -> None:
        if 0 < self._roll_over_at < size + len(line) and size > 0 and not self._lines.is_cut:
            size = self._roll_over(size)
        stream: Any = self.stream
        self._lines.write(stream, line, size, self._identity)

    def _size(self) -> int:
        stream: Any = self.stream
        return os.fstat(stream.fileno()).st_size

    def _own(self) -> int:
        """Make the open file the one at the path, by which it is owned; return its size."""
        if self.stream is not None:
            try:
                status = os.stat(self.baseFilename)  # noqa: PTH116 - one call per entry
            except OSError:  # gone, or out of reach: opening it says why
                status = None
            if status is not None and self._identity == (status.st_dev, status.st_ino):
                return status.st_size
            self._close()  # somebody renamed, deleted or replaced the file: go on at the path
        self._claim()
        return self._size()

    def _claim(self) -> None:
        """Own the wanted file, or one beside it that nobody owns.

        Raises:
            OSError: none of them can be opened.
        """
        self._wanted = rank_path(self._plain, process_rank())  # a launcher may have forked since
        why = self._why
        for path in candidates(self._wanted):
            if self._wants_shared and path == self._wanted:
                continue  # the others share it still
            try:
                stream = self._take(path)
            except portalocker.AlreadyLocked:
                why = why if why[0] else (f"is being written already{self._by_us(path)}", None)
            except portalocker.LockException as error:  # it may be another's: nobody can tell
                why = ("cannot be locked", error)
            except OSError as error:
                if error.errno not in UNUSABLE or path != self._wanted:
                    raise
                why = ("cannot be written", error)
            else:
                self._use(path, stream, why)
                return
        raise OSError(errno.EAGAIN, f"{self._wanted} and all names beside it are taken")

    def _by_us(self, path: Path) -> str:
        others = [each for each in list(self._of_this_process) if each is not self]
        is_ours = any(each.path == path and each.stream is not None for each in others)
        return ", by another handler of this process" if is_ours else ""

    def _take(self, path: Path) -> FileIO:
        while True:
            stream, is_new = open_log(path)
            try:
                if is_new:
                    self._made = identity(stream)
                self._lock_for_life(stream)
            except BaseException:
                stream.close()
                raise
            if names(path, stream):
                return stream
            stream.close()  # replaced between the two steps

    def _lock_for_life(self, stream: FileIO) -> None:
        try:
            portalocker.lock(stream, portalocker.LOCK_EX | portalocker.LOCK_NB)
        except portalocker.AlreadyLocked:
            raise
        except portalocker.LockException:  # a file system without locks
            if self._made != identity(stream):
                raise

    def _use(self, path: Path, stream: FileIO, why: tuple[str, BaseException | None]) -> None:
        is_new_place = str(path) != self.baseFilename
        if is_new_place:
            self._next_segment = 1
        self.baseFilename = str(path)
        self.stream = stream
        self._identity = identity(stream)
        self._lines.opened()
        self._roll_over_at = self.maxBytes
        if is_new_place and path != self._wanted:
            reason, error = why
            beside = f"this process writes {path.name} beside it"
            self._tell(f"{self._wanted} {reason}; {beside}", error)
        if not (self._is_shared and self._is_right):
            self._put_right()
            self._is_right = True

    def _put_right(self) -> None:
        """Undo a rotation that was cut short, and go on with the numbers of the segments."""
        try:
            self._next_segment = max(self._next_segment, put_right(self.path) + 1)
        except OSError as error:  # the log can be written all the same
            self._tell(f"what an earlier process left of {self.path} cannot be put right", error)

    def _lock_shared(self) -> bool:
        """Lock the file at the path; return whether it can be shared."""
        self._refusal = None
        self._deadline = time.monotonic() + WAIT_SECONDS
        try:
            while time.monotonic() < self._deadline:
                if self._lock_at_path():
                    return True
        except RuntimeError:  # what concurrent-log-handler makes of a lock that is refused
            pass
        except OSError as error:
            if error.errno not in UNUSABLE:
                raise
            self._refusal = error
        self._close()
        self._is_shared = False
        reason = "is held by another process, or by many in turn"
        if not isinstance(self._refusal, portalocker.AlreadyLocked):
            reason = "cannot be shared"
        self._why = reason, self._refusal
        return False

    def _lock_at_path(self) -> bool:
        """Lock the open file; return whether it is the one at the path, and not set aside.

        Raises:
            RuntimeError: the lock of that one is refused.
        """
        try:
            self._do_lock()
        except RuntimeError:
            if names(self.path, self.stream_lock):
                raise
        stream = self.stream_lock
        try:
            if stream is not None and self.is_locked and names(self.path, stream):
                if self._identity is None:
                    self._use(self.path, stream, ("", None))
                return True
        except BaseException:
            self._do_unlock()
            raise
        self._do_unlock()
        self._close()
        return False

    def _open_lockfile(self) -> None:
        """Open what is to be locked, which is the log itself."""
        self.baseFilename = str(self._wanted)
        self.stream = self.stream_lock = open_log(self._wanted)[0]

    def _lock_stream_lock(self, stream_lock: FileIO) -> None:
        """Wait for the lock of a shared file, no longer than `WAIT_SECONDS` for one append.

        That of a file that was set aside is not waited for: who compresses it holds it for long.
        """
        while True:
            try:
                portalocker.lock(stream_lock, portalocker.LOCK_EX | portalocker.LOCK_NB)
            except portalocker.LockException as error:
                self._refusal = error
                is_busy = isinstance(error, portalocker.AlreadyLocked)
                is_late = time.monotonic() >= self._deadline
                if not is_busy or is_late or not names(self.path, stream_lock):
                    raise
                time.sleep(_POLL_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - or some come first always
            else:
                return

    def _roll_over(self, size: int) -> int:
        """Set the file aside; return the size of the one that is written then."""
        try:
            stream: Any = self.stream
            size += self._lines.end_line(stream, size)  # as a segment must
            self.doRollover()
        except OSError as error:  # the file grows on: an entry is worth more than a size
            if self._roll_over_at == self.maxBytes:  # once, and it is not tried at each entry
                self._tell(f"{self.baseFilename} could not be set aside as a segment", error)
            self._roll_over_at = size + self.maxBytes // 10
            return size if self.stream is not None else self._own()
        return self._size() if self._is_shared else self._own()

    def doRollover(self) -> None:  # noqa: N802 - stdlib's name
        """Set the file aside as the next segment, and go on in a new one."""
        old: Any = self.stream
        try:
            number = name_segment(self.path, old, self._next_segment, must_look=self._is_shared)
        except OSError as error:
            if error.errno not in NO_LINKS or self._is_shared:
                raise
            self._rename()
            return
        try:
            stream = self._take_over(old)
        except BaseException:
            if names(self.path, old):  # a signal may come when all is done
                segment_path(self.path, number).unlink()
            raise
        self._next_segment = number + 1
        self.stream = stream
        self._identity = identity(stream)
        if self._is_shared:
            self.stream_lock = stream
        old.close()
        self._lines.began()
        self._roll_over_at = self.maxBytes
        self.num_rollovers += 1

    def _rename(self) -> None:
        """Set the file aside where a file can have one name only: its own is free for a while."""
        segment = segment_path(self.path, self._next_segment)
        self._next_segment += 1
        if os.path.lexists(segment):
            raise FileExistsError(errno.EEXIST, "exists", str(segment))
        os.rename(self.baseFilename, segment)  # noqa: PTH104 - the name is new
        self._close()
        self.num_rollovers += 1

    def _take_over(self, old: FileIO) -> FileIO:
        """Return a new file, locked, that has taken over the path from `old`."""
        stream = new_file(self.path, old)
        try:
            self._made = identity(stream)
            self._lock_for_life(stream)
            check_names(self.path, old)  # or a file of somebody else's would be overwritten
            os.rename(next_path(self.path), self.baseFilename)  # noqa: PTH104 - atomic
        except BaseException:
            stream.close()
            next_path(self.path).unlink(missing_ok=True)
            raise
        return stream

    def _close(self) -> None:
        """Close the file, which ends its lock."""
        super()._close()
        self.stream_lock = self._identity = None
        self.is_locked = False

    def close(self) -> None:
        """Let go of the file. A later line opens one again."""
        super().close()
        self._identity = None
        self._is_right = False
        self._is_shared = self._wants_shared

    def let_go(self) -> None:
        """Forget, in a forked child, what is the parent's: its file and its lock.

        The lock itself stays with the parent: closing a copy of a descriptor does not unlock.
        """
        for stream in (self.stream, self.stream_lock):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self.stream = self.stream_lock = self._identity = self._made = None
        self._lines.forget()
        self.is_locked = self._is_right = False
        self._is_shared = self._wants_shared
        self._creation_pid = os.getpid()

    def _at_fork_reinit(self) -> None:
        # A formatter or signal handler that forks returns into the emit, which releases the lock.
        lock: Any = self.lock
        held = lock._release_save() if lock._is_owned() else None  # noqa: SLF001 - as Condition does
        super()._at_fork_reinit()
        if held is not None:
            lock._acquire_restore(held)  # noqa: SLF001
        self.let_go()
