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
from typing import TYPE_CHECKING

import zstandard

from vlog.handlers.files import MODE
from vlog.segments import COMPRESSED_SUFFIX, PART_SUFFIX, list_segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Tidy soon, in the background."""
        with self._lock:
            self._is_asked = True
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="vlog-keeper", daemon=True)
            self._thread = thread
        thread.start()  # outside: it waits until the thread, which takes the lock, is there

    def wait(self, timeout_seconds: float) -> None:
        """Wait for the work at hand, no longer than `timeout_seconds`."""
        thread = self._thread
        if thread is not None and thread.is_alive():
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
            except OSError as error:
                self._report("old segments could not be tidied", error)


def tidy(log_file: Path, total_bytes: int, suffix: str) -> None:
    """Compress what is plain, remove what a cut-short compression left, keep to the total size.

    Args:
        log_file: The log whose segments are meant.
        total_bytes: What the segments may take together.
        suffix: `.zst`, `.gz`, or empty for no compression.

    Raises:
        OSError: something could not be done; the rest is left for the next time.
    """
    for part in log_file.parent.glob(f"{glob.escape(log_file.name)}.*{PART_SUFFIX}"):
        part.unlink(missing_ok=True)
    segments = list_segments(log_file)
    sizes = {segment.path: segment.path.stat().st_size for segment in segments}
    excess = sum(sizes.values()) - total_bytes
    for segment in segments:
        if excess > 0:
            excess -= sizes[segment.path]
            segment.path.unlink(missing_ok=True)
        elif suffix and not segment.is_compressed:
            compress(segment.path, suffix)


def compress(segment: Path, suffix: str) -> None:
    """Replace `segment` by its compressed form, which appears whole or not at all."""
    part = segment.with_name(segment.name + suffix + PART_SUFFIX)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
    with segment.open("rb") as source, os.fdopen(descriptor, "wb") as target:
        if suffix == ".zst":
            zstandard.ZstdCompressor(level=3, write_checksum=True).copy_stream(source, target)
        else:
            with gzip.GzipFile(fileobj=target, mode="wb", filename="") as packed:
                shutil.copyfileobj(source, packed, 1 << 20)
        target.flush()
        os.fsync(target.fileno())
    part.replace(segment.with_name(segment.name + suffix))
    segment.unlink()
