"""The housekeeping of rotated segments: compressed and, over the total size, deleted.

It runs in a thread of its own, never in the one that logs. Everything it does can be cut short at
any instant: what is left is found and put right the next time.
"""

from __future__ import annotations

import glob
import gzip
import os
import shutil
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING

import portalocker
import zstandard

from vlog.family import list_family, telling_fields
from vlog.handlers.files import keep_private, open_above_stderr
from vlog.handlers.log_files import put_right
from vlog.segments import COMPRESSED_SUFFIX, PART_SUFFIX, is_compressed, list_segments, log_of
from vlog.threads import counted_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_UNTIDY = "old segments could not be tidied"


class SegmentKeeper:
    """Tidy the segments of one log whenever it is told that there is a new one.

    Args:
        log_file: The log.
        total_bytes: Size of all segments above which the oldest are deleted.
        compression: `zstd`, `gzip` or `none`.
        report: Told of what cannot be done; it is tried again the next time.
    """

    def __init__(
        self,
        log_file: Path,
        total_bytes: int,
        compression: str,
        report: Callable[[str, BaseException], None],
    ) -> None:
        self._log_file = log_file
        self._total_bytes = total_bytes
        self._suffix = COMPRESSED_SUFFIX.get(compression, "")
        self._report = report
        self._lock = threading.RLock()  # a signal handler may wake it while it is being woken
        self._is_asked = False
        self._is_first = True
        self._thread: threading.Thread | None = None
        self._waited_for: threading.Thread | None = None

    @property
    def log_file(self) -> Path:
        """The log."""
        return self._log_file

    def wake(self) -> None:
        """Tidy soon, in the background."""
        with self._lock:
            self._is_asked = True
            if self._thread is not None:
                return
            thread = counted_thread(self._run, "vlog-keeper")
            self._thread = thread
        try:
            thread.start()  # outside: it waits until the thread, which takes the lock, is there
        except RuntimeError as error:  # no more threads, or the interpreter is about to end
            self._thread = None
            self._report(_UNTIDY, error)

    def wait(self, timeout_seconds: float) -> None:
        """Wait for the work at hand, no longer than `timeout_seconds`, and for none twice."""
        thread = self._thread
        if thread is not None and thread is not self._waited_for and thread.is_alive():
            self._waited_for = thread
            thread.join(timeout_seconds)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._is_asked:
                    self._thread = None
                    return
                self._is_asked = False
            try:
                tidy(self._log_file, self._total_bytes, self._suffix)
                if self._is_first:
                    self._is_first = False
                    tidy_orphans(self._log_file, self._total_bytes, self._suffix)
            except FileNotFoundError:
                pass  # the folder is gone, with all that was to be tidied
            except Exception as error:  # noqa: BLE001 - or no segment would be tidied ever after
                self._report(_UNTIDY, error)


def tidy(log_file: Path, total_bytes: int, suffix: str) -> None:
    """Compress what is plain, remove what a cut-short compression left, keep to the total size.

    Args:
        log_file: The log whose segments are meant.
        total_bytes: What the segments may take together.
        suffix: `.zst`, `.gz`, or empty for no compression.

    Raises:
        OSError: something could not be done; the rest is left for the next time.
    """
    segments = list_segments(log_file)
    sizes = {segment.path: _size_of(segment.path) for segment in segments}
    excess = sum(sizes.values()) - total_bytes
    for segment in segments:
        if excess > 0:
            excess -= sizes[segment.path]
            segment.path.unlink(missing_ok=True)
        elif suffix and not segment.is_compressed:
            _compress_alone(segment.path, suffix)
    for part in log_file.parent.glob(f"{glob.escape(log_file.name)}.[0-9]*{PART_SUFFIX}"):
        compressed = part.with_name(part.name.removesuffix(PART_SUFFIX))
        is_ours = log_of(compressed) == log_file and is_compressed(compressed)
        if is_ours and not (suffix and compressed.with_suffix("").exists()):
            part.unlink(missing_ok=True)  # its segment is compressed, deleted, or stays plain


def tidy_orphans(log_file: Path, total_bytes: int, suffix: str) -> None:
    """Tidy the files beside a log whose processes were killed: nobody else will.

    Args:
        log_file: The log. A rank's file has a next owner, and is left to that.
        total_bytes: As for `tidy`.
        suffix: As for `tidy`.

    Raises:
        OSError: something could not be done.
    """
    for path in list_family(log_file):
        is_beside = path != log_file and "pid" in telling_fields([path])
        stream = _open(path) if is_beside and os.access(path, os.W_OK) else None
        if stream is None:
            continue
        with stream:
            if _lock(stream):  # its process does not live
                put_right(path)
                tidy(path, total_bytes, suffix)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another process that shares the log was here first
        return 0


def _compress_alone(segment: Path, suffix: str) -> None:
    """Compress a segment, unless another process that shares the log does or still writes it."""
    source = _open(segment)
    if source is None:
        return
    with source:
        # On a file system without locks there is one writer.
        if _lock(source) is not False and segment.exists():
            with suppress(FileNotFoundError):  # deleted by another one: too much in all
                compress(segment, suffix)


def _open(path: Path) -> IO[bytes] | None:
    """Open a file for its lock; None if it is gone."""
    try:
        return os.fdopen(open_above_stderr(path, os.O_RDWR), "r+b")
    except FileNotFoundError:
        return None


def _lock(stream: IO[bytes]) -> bool | None:
    """Lock a file until it is closed; return whether it is, None where there are no locks."""
    try:
        portalocker.lock(stream, portalocker.LOCK_EX | portalocker.LOCK_NB)
    except portalocker.AlreadyLocked:
        return False
    except portalocker.LockException:
        return None
    return True


def compress(segment: Path, suffix: str) -> None:
    """Replace `segment` by its compressed form, which appears whole or not at all.

    Raises:
        OSError: it could not be compressed, or has grown meanwhile.
    """
    part = segment.with_name(segment.name + suffix + PART_SUFFIX)
    try:
        _pack(segment, part, suffix)
        part.replace(segment.with_name(segment.name + suffix))
    except BaseException:
        part.unlink(missing_ok=True)  # the log may need its room
        raise
    segment.unlink()


def _pack(segment: Path, part: Path, suffix: str) -> None:
    part.unlink(missing_ok=True)  # left by a kill; or a link that somebody put there
    descriptor = open_above_stderr(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with segment.open("rb") as source, os.fdopen(descriptor, "wb") as target:
        keep_private(target.fileno(), source.fileno())
        if suffix == ".zst":
            zstandard.ZstdCompressor(level=3, write_checksum=True).copy_stream(source, target)
        else:
            with gzip.GzipFile(fileobj=target, mode="wb", filename="") as packed:
                shutil.copyfileobj(source, packed, 1 << 20)
        target.flush()
        os.fsync(target.fileno())
        if source.tell() != os.fstat(source.fileno()).st_size:
            raise OSError(f"{segment} has grown while it was compressed")
