"""The JSONL file of a run: one writer, one write per entry, rotation by size.

concurrent-log-handler opens the file and its lock, notices when somebody renamed or replaced the
file, and takes care of fork and permissions. Ours is what differs: the lock is taken once and
held for life instead of once per entry, an entry is one unbuffered write of ready bytes, and a
segment keeps the number that rotation gives it (see `vlog.segments`).
"""

from __future__ import annotations

import logging
import math
import os
import sys
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import portalocker
from concurrent_log_handler import ConcurrentRotatingFileHandler

from vlog.errors import ConfigurationError
from vlog.handlers.error_log import (
    ERROR_LOG_NAME,
    ErrorLogHandler,
    ErrorReporter,
    tell_stderr,
)
from vlog.handlers.files import (
    MODE,
    check_name_length,
    check_writable,
    expand_home,
    open_for_append,
)
from vlog.handlers.formatters import JsonlFormatter
from vlog.handlers.keeper import SegmentKeeper
from vlog.ranks import process_rank, rank_path
from vlog.schema import MB
from vlog.segments import COMPRESSED_SUFFIX, COMPRESSIONS, list_segments, segment_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_MB = 512.0
TOTAL_MB = 4096.0
# Of the files beside it: another rank's, of a second process, a segment that is compressed.
_LONGEST_ENDING = ".rank99999.pid4194304-999.000001.zst.part"
_CLOSE_SECONDS = 5.0  # how long closing waits for a compression that is under way


class RotatingJsonlHandler(ConcurrentRotatingFileHandler):  # type: ignore[misc]  # untyped base
    """Append one line of JSON per record to a file that this process alone writes.

    Rank 3 of a distributed training writes `<name>.rank3.jsonl`. The file is opened, and owned by
    a lock, from the first record until `close`. If another process owns it, this one writes
    `<name>.pid<number>.jsonl` beside it and says so in the error log. What is there already is
    never truncated: a torn last line is closed by a newline.

    Args:
        filename: Path of the log; `~` is the user's home folder.
        max_mb: Size in MiB at which the file becomes a segment; 0 for never.
        total_mb: Size in MiB of all segments above which the oldest are deleted.
        compress: How segments are compressed, in the background: `zstd`, `gzip` or `none`.
        report: Told of what goes wrong. By default the error log beside the file is.

    Raises:
        ConfigurationError: an option has a value that it cannot take.
        LogFileError: the file cannot be written there.
    """

    stream: Any
    stream_lock: Any

    def __init__(
        self,
        filename: str | os.PathLike[str],
        max_mb: float = MAX_MB,
        total_mb: float = TOTAL_MB,
        compress: str = "zstd",
        report: Callable[[str, BaseException | None], None] | None = None,
    ) -> None:
        _check_options(max_mb, total_mb, compress)
        expanded = expand_home(filename)
        self._plain = Path(os.path.abspath(expanded))  # noqa: PTH100 - links stay links
        _check_name(self._plain)
        self._wanted = rank_path(self._plain, process_rank())
        check_writable(self._wanted)
        check_name_length(self._plain, _LONGEST_ENDING)
        super().__init__(
            str(self._wanted), maxBytes=int(max_mb * MB), backupCount=1, encoding="utf-8"
        )
        self.setFormatter(JsonlFormatter())
        self.bytes_written = 0
        self._total_bytes = int(total_mb * MB)
        self._compression = compress
        self._error_log: ErrorLogHandler | None = None
        if report is None:
            self._error_log = ErrorLogHandler(self._wanted.with_name(ERROR_LOG_NAME))
            report = _report_to(self._error_log)
        self._report = report
        self._identity: tuple[int, int] | None = None
        self._is_torn = False
        self._next_segment = 1
        self._keeper: SegmentKeeper | None = None

    @property
    def path(self) -> Path:
        """The file that is written; differs from `filename` where another process owns that."""
        return Path(self.baseFilename)

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`; when this returns, its line is in the kernel or the failure reported."""
        try:
            self._write(self._line(record))
        except Exception:  # noqa: BLE001 - stdlib's contract: a handler never raises
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - stdlib's
        """Report the error at hand and the record that is lost by it."""
        self._is_torn = True  # perhaps: the next write looks
        self._report(f"an entry could not be written to {self.baseFilename}", sys.exc_info()[1])

    def _line(self, record: logging.LogRecord) -> bytes:
        formatter = self.formatter
        if isinstance(formatter, JsonlFormatter):
            return formatter.format_line(record)
        text: str = self.format(record)
        return text.encode("utf-8", "backslashreplace") + b"\n"

    def _write(self, line: bytes) -> None:
        size = self._ready()
        if 0 < self.maxBytes < size + len(line) and size > 0:
            self._roll_over()
        if self._is_torn:
            line = self._close_torn_line() + line
        written = self.stream.write(line)
        self.bytes_written += written
        if written != len(line):
            raise OSError(f"only {written} of {len(line)} bytes were written")

    def _ready(self) -> int:
        """Make the open file the one at the path, and return its size."""
        if self.stream_lock is None:
            self._claim()
        try:
            status = os.stat(self.baseFilename)  # noqa: PTH116 - one call per entry
        except FileNotFoundError:
            status = None
        if status is not None and self._identity == (status.st_dev, status.st_ino):
            return status.st_size
        # First use, or somebody renamed, deleted or replaced the file: go on at the path.
        self._identity = None
        self._close()
        self.stream = self.do_open()
        status = os.fstat(self.stream.fileno())
        self._identity = status.st_dev, status.st_ino
        self._is_torn = status.st_size > 0
        return status.st_size

    def _close_torn_line(self) -> bytes:
        self._is_torn = False
        with Path(self.baseFilename).open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return b""
            file.seek(-1, os.SEEK_END)
            return b"" if file.read(1) == b"\n" else b"\n"

    def do_open(self, mode: str | None = None) -> Any:  # noqa: ARG002 - the base's signature
        """Open the log unbuffered, so that one `write` is one system call."""
        return FileIO(open_for_append(self.baseFilename), "ab")

    def _claim(self) -> None:
        """Own the wanted file, or one beside it that nobody owns."""
        self._wanted = rank_path(self._plain, process_rank())  # a launcher may have forked since
        unlockable: BaseException | None = None
        for path in _candidates(self._wanted):
            self.baseFilename = str(path)
            self.lockFilename = self.getLockFilename(None)
            self._open_lockfile()
            try:
                portalocker.lock(self.stream_lock, portalocker.LOCK_EX | portalocker.LOCK_NB)
            except portalocker.AlreadyLocked:
                self.stream_lock.close()
                self.stream_lock = None
                continue
            except portalocker.LockException as error:  # a file system without locks
                unlockable = error
                if path == self._wanted:  # perhaps another process writes it: nobody can tell
                    self.stream_lock.close()
                    continue
                break  # a name with our pid is ours without a lock
            self.is_locked = True
            break
        if self.path != self._wanted:
            why = "is being written already" if unlockable is None else "cannot be locked"
            text = f"{self._wanted} {why}; this process writes {self.path.name} beside it"
            self._report(text, unlockable)
            tell_stderr(f"vlog: {text}")
        segments = list_segments(self.path)
        self._next_segment = segments[-1].number + 1 if segments else 1
        self._keeper = SegmentKeeper(self.path, self._total_bytes, self._compression, self._report)
        if segments:
            self._keeper.wake()

    def _open_lockfile(self) -> None:
        descriptor = os.open(self.lockFilename, os.O_RDWR | os.O_CREAT, MODE)
        self.stream_lock = os.fdopen(descriptor, "r+")

    def _roll_over(self) -> None:
        try:
            self.doRollover()
        except OSError as error:  # the file grows on: an entry is worth more than a size
            self._report(f"{self.baseFilename} could not be set aside as a segment", error)
        self._ready()

    def doRollover(self) -> None:  # noqa: N802 - stdlib's name
        """Set the file aside as the next segment: one rename, whatever their number."""
        while any(
            os.path.lexists(f"{segment_path(self.path, self._next_segment)}{suffix}")
            for suffix in ("", *COMPRESSED_SUFFIX.values())
        ):
            self._next_segment += 1  # somebody else's file: a rename would overwrite it
        segment = segment_path(self.path, self._next_segment)
        os.rename(self.baseFilename, segment)  # noqa: PTH104 - atomic; the name is new
        self._next_segment += 1
        self._identity = None
        self.num_rollovers += 1
        if self._keeper is not None:
            self._keeper.wake()

    def close(self) -> None:
        """Let go of the file and its lock. A later record opens it again."""
        self.acquire()
        try:
            super().close()
            self._identity = None
        finally:
            self.release()
        if self._keeper is not None:
            self._keeper.wait(_CLOSE_SECONDS)
        if self._error_log is not None:
            self._error_log.close()

    def _at_fork_reinit(self) -> None:
        """Let go, in a forked child, of what is the parent's: its file, its lock, its thread.

        The lock itself stays with the parent: closing a copy of a descriptor does not unlock.
        """
        super()._at_fork_reinit()
        for stream in (self.stream, self.stream_lock):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self.stream = self.stream_lock = self._identity = self._keeper = None


def _check_options(max_mb: float, total_mb: float, compress: str) -> None:
    for name, value in (("max_mb", max_mb), ("total_mb", total_mb)):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value < math.inf:
            raise ConfigurationError(
                f"{name} is {value!r}. Expected a number of MiB, 0 or more "
                f"(default: {MAX_MB if name == 'max_mb' else TOTAL_MB:g})."
            )
    if total_mb < max_mb:
        raise ConfigurationError(
            f"total_mb is {total_mb:g}, less than max_mb ({max_mb:g}): every segment would be "
            "deleted at once. Expected max_mb or more."
        )
    if compress not in COMPRESSIONS:
        raise ConfigurationError(
            f"Unknown compression {compress!r}. Expected one of: {', '.join(COMPRESSIONS)}."
        )


def _check_name(path: Path) -> None:
    if path.suffix in COMPRESSED_SUFFIX.values():
        raise ConfigurationError(
            f"Log file {str(path)!r} has the ending of a compressed file, but is written plain. "
            f"Give {path.stem!r}; its rotated segments are compressed."
        )


def _candidates(wanted: Path) -> Iterator[Path]:
    yield wanted
    own = f"{wanted.stem}.pid{os.getpid()}"
    yield wanted.with_name(f"{own}{wanted.suffix}")
    for number in range(2, 1000):
        yield wanted.with_name(f"{own}-{number}{wanted.suffix}")


def _report_to(error_log: ErrorLogHandler) -> ErrorReporter:
    logger = logging.Logger("vlog.errors")  # noqa: LOG001 - its own, not one of the tree
    logger.addHandler(error_log)
    return ErrorReporter(logger)
