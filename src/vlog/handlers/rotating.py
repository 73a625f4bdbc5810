"""The JSONL file of a run: one writer, one write per entry, rotation by size.

How the file is owned, appended to and set aside is `vlog.handlers.owned_file`. Here a record
becomes a line, a line that cannot be written waits, and old segments are looked after.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import time
from typing import TYPE_CHECKING, Any

from vlog.clock import iso_timestamp
from vlog.errors import ConfigurationError, check_flag
from vlog.gap import Gap, Origin, origin_of, reason_of
from vlog.handlers.backlog import Backlog, Retry
from vlog.handlers.error_log import (
    ERROR_LOG_NAME,
    ErrorLogHandler,
    ErrorReporter,
    tell_stderr,
)
from vlog.handlers.files import check_name_length, check_writable, expand_home
from vlog.handlers.formatters import JsonlFormatter, StandardFormatter, standard_entry
from vlog.handlers.keeper import SegmentKeeper
from vlog.handlers.owned_file import OwnedFileHandler
from vlog.interrupts import deferred_signals
from vlog.ranks import process_rank, rank_path
from vlog.record import encode, entry_of, make_record
from vlog.schema import MB
from vlog.segments import COMPRESSIONS, is_compressed, real_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_MB = 512.0
TOTAL_MB = 4096.0
BUFFER_MB = 16.0
_DEFAULTS = {"max_mb": MAX_MB, "total_mb": TOTAL_MB, "buffer_mb": BUFFER_MB}
_FORMATTERS = (JsonlFormatter, StandardFormatter)  # their lines are of the entry alone
# Of the files beside it: another rank's, of a second process, a segment that is compressed.
_LONGEST_ENDING = ".rank99999.pid4194304-999.000001.zst.part"
_KEEPER_SECONDS = 0.5  # how long closing waits for a compression that is under way
_RETRY_SECONDS = 5.0  # how long closing waits for an attempt that is under way
_SLICE_SECONDS = 0.002  # how long the thread that trains may have to wait for lines that waited


class RotatingJsonlHandler(OwnedFileHandler):
    """Append one line of JSON per record to a file that this process alone writes.

    Rank 3 of a distributed training writes `<name>.rank3.jsonl`. The file is opened, and owned by
    a lock, from the first record until `close`. If another process owns it, this one writes
    `<name>.pid<number>.jsonl` beside it and says so in the error log. What is there already is
    never truncated: a torn last line is closed by a newline.

    While the file cannot be written (a full disk, a folder that is gone), the newest lines wait
    in memory, and are written in order when it can be. The ones dropped are counted in a
    `logging_gap` entry.

    Args:
        filename: Path of the log; `~` is the user's home folder. Where it is a link, the log is
            the file that the link leads to.
        max_mb: Size in MiB at which the file becomes a segment; 0 for never.
        total_mb: Size in MiB of all segments above which the oldest are deleted.
        compress: How segments are compressed, in the background: `zstd`, `gzip` or `none`.
        buffer_mb: MiB of lines that may wait while the file cannot be written.
        shared: Whether several processes append to this one file. Each append then takes a lock;
            a process that waits for it longer than a second writes a file of its own instead.
        report: Told of what goes wrong. By default the error log beside the file is.

    Raises:
        ConfigurationError: an option has a value that it cannot take.
        LogFileError: the file cannot be written there.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        max_mb: float = MAX_MB,
        total_mb: float = TOTAL_MB,
        compress: str = "zstd",
        report: Callable[[str, BaseException | None], None] | None = None,
        *,
        buffer_mb: float = BUFFER_MB,
        shared: bool = False,
    ) -> None:
        _check_options(max_mb, total_mb, compress, buffer_mb)
        check_flag("shared", shared)
        plain = _real_path(filename)
        _check_name(plain)
        check_writable(rank_path(plain, process_rank()))
        check_name_length(plain, _LONGEST_ENDING)
        self._total_bytes = int(total_mb * MB)
        self._compression = compress
        self._error_log: ErrorLogHandler | None = None
        if report is None:
            self._error_log = ErrorLogHandler(plain.with_name(ERROR_LOG_NAME))
            report = _report_to(self._error_log)
        self._report = report
        self._max_backlog_bytes = int(buffer_mb * MB)
        self._keeper: SegmentKeeper | None = None
        self._start_afresh()
        super().__init__(plain, int(max_mb * MB), is_shared=shared, tell=self._say)
        self.setFormatter(JsonlFormatter())

    def _start_afresh(self) -> None:
        self._backlog = Backlog(self._max_backlog_bytes)
        self._retry = Retry(self._try_again)
        self._head: bytes | None = None  # the line whose turn it is, perhaps half written
        self._failure: BaseException | None = None  # why lines wait; None while all is well
        self._reason: BaseException | None = None  # why lines waited last
        self._told_loss: tuple[int, ...] = ()  # in this outage: lines that wait, and dropped ones
        self._is_busy = False
        self._is_closing = False  # as soon as nothing waits

    @property
    def _waiting(self) -> int:
        return (self._head is not None) + self._backlog.lines + self._backlog.gaps

    def take(self, entry: dict[str, Any]) -> bool:
        """Do for `entry` what `handle` does for the record with it, if nobody needs the record.

        Returns:
            Whether that is so, and it is done.
        """
        kind = type(self.formatter)
        if self.filters or kind not in _FORMATTERS or type(self) is not RotatingJsonlHandler:
            return False  # somebody's own may look at the record
        with self.lock:
            try:
                line = encode(entry if kind is JsonlFormatter else standard_entry(entry))
            except Exception:  # noqa: BLE001 - once more, with the record, which reports it
                return False
            if not self._put(line):
                self._have_wait(line, origin_of(entry))
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`; when this returns, its line is in the kernel, or waits, or is counted.

        A record that is said within another one's write is written right after that.
        """
        try:
            line = self._line(record)
        except Exception as error:  # noqa: BLE001 - anybody's formatter
            self._report(f"an entry could not be written to {self.baseFilename}", error)
            origin = _origin_of(record)
            line = self._gap_line(Gap(origin, origin, reason_of(error)))
        if not self._put(line):
            self._have_wait(line, _origin_of(record))

    def _put(self, line: bytes) -> bool:
        """Write `line`, or try to; return False if it must stand behind others."""
        if self._is_busy or self._head is not None or self._backlog.is_used:
            return False
        self._is_busy = True
        try:
            self.append(line)
        except Exception as error:  # noqa: BLE001 - stdlib's contract: a handler never raises
            self._head = line
            self._note_failure(error)
        finally:
            self._is_busy = False
        if self._backlog.is_used:
            self._write_on()
        return True

    def _have_wait(self, line: bytes, origin: Origin) -> None:
        self._is_closing = False
        self._backlog.add(line, origin, self._reason)
        self._write_on()

    def _line(self, record: logging.LogRecord) -> bytes:
        formatter = self.formatter
        if isinstance(formatter, JsonlFormatter):
            return formatter.format_line(record)
        text: str = self.format(record)
        return text.encode("utf-8", "backslashreplace") + b"\n"

    def _write_on(self) -> None:
        """Have what waits written: a little of it now, the rest by a thread; in a fault by that."""
        if self._is_busy:
            return
        if self._failure is None:
            self._drain(_SLICE_SECONDS)
        if self._waiting and not self._retry.wake():
            self._drain(math.inf)

    def _drain(self, seconds: float) -> None:
        """Write what waits, in order, for about `seconds`, or until it fails."""
        if self._is_busy:
            return
        end = time.monotonic() + seconds
        self._is_busy = True
        try:
            with deferred_signals:
                while (line := self._next()) is not None and time.monotonic() < end:
                    self.append(line)
                    self._head = None
                    if self._failure is not None:
                        self._note_recovery()
        except Exception as error:  # noqa: BLE001 - stdlib's contract: a handler never raises
            self._note_failure(error)
        finally:
            self._is_busy = False

    def _next(self) -> bytes | None:
        """Return the line whose turn it is; a gap stands where its entries would have stood."""
        if self._head is None:
            gap = self._backlog.next_gap()
            if gap is not None:
                self._head = self._gap_line(gap)
            elif self._backlog.lines:
                self._head = self._backlog.next_line()
        return self._head

    def _gap_line(self, gap: Gap) -> bytes:
        entry = gap.entry(iso_timestamp(time.time()))
        try:
            return self._line(make_record("vlog", entry))
        except Exception:  # noqa: BLE001 - the formatter whose fault the gap is, and is reported
            return encode(entry)

    def _try_again(self) -> bool:
        """Write a little of what waits, in the thread; return whether it failed."""
        lock: Any = self.lock
        if not lock.acquire(timeout=_SLICE_SECONDS):  # whoever has it may be ending the thread
            return False
        try:
            self._drain(_SLICE_SECONDS)
            if not self._waiting:
                self._retry.end()
                if self._is_closing:
                    self._is_closing = False
                    super().close()
            return self._failure is not None
        finally:
            self.release()

    def _note_failure(self, error: BaseException) -> None:
        is_new, self._failure, self._reason = self._failure is None, error, error
        if is_new:
            room = round(self._max_backlog_bytes / MB, 3)
            self._say(
                f"{self.baseFilename} cannot be written: {reason_of(error)}. Nothing stops: the "
                f"newest {room:g} MiB of entries wait until it can be",
                error,
            )
        self._retry.wake()

    def _note_recovery(self) -> None:
        self._failure, self._told_loss = None, ()
        self._say(f"{self.baseFilename} is written again", None)

    def _say(self, text: str, error: BaseException | None) -> None:
        """Tell who looks at the screen, and the error log."""
        tell_stderr(f"vlog: {text}")
        self._report(text, error)

    def filter(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        """Return whether to write `record`; a filter that raises keeps none away."""
        if not self.filters:
            return True
        try:
            wanted: bool | logging.LogRecord = super().filter(record)
        except Exception as error:  # noqa: BLE001 - anybody's filter
            self._report(f"a filter of {self.baseFilename} raised", error)
            return True
        return wanted

    def flush(self) -> None:
        """Try to write what waits."""
        self.acquire()
        try:
            if self._waiting:
                self._drain(math.inf)
        finally:
            self.release()

    def _put_right(self) -> None:
        super()._put_right()
        self._look_after_segments()

    def _look_after_segments(self) -> None:
        keeper = self._keeper
        if keeper is None or keeper.log_file != self.path:  # one is enough, however often it opens
            keeper = SegmentKeeper(self.path, self._total_bytes, self._compression, self._report)
            self._keeper = keeper
        keeper.wake()

    def doRollover(self) -> None:  # noqa: N802 - stdlib's name
        """Set the file aside as the next segment, which is compressed in the background."""
        super().doRollover()
        if self._keeper is not None:
            self._keeper.wake()

    def close(self) -> None:
        """Let go of the file, after a last attempt to write what waits.

        What still cannot be written waits on, and is tried again until the process ends.
        """
        self.acquire()
        try:
            if self._waiting:
                self._drain(math.inf)
            self._is_closing = self._waiting > 0
            if not self._is_closing:
                self._retry.stop(_RETRY_SECONDS)  # with the lock, so that it opens nothing again
            super().close()
        finally:
            self.release()
        if self._keeper is not None:
            self._keeper.wait(_KEEPER_SECONDS)
        self._report_loss()
        if self._error_log is not None:
            self._error_log.close()

    def _report_loss(self) -> None:
        told = self._told_loss
        kept, dropped = (self._head is not None) + self._backlog.lines, self._backlog.dropped
        if not self._waiting or told == (kept, dropped) or (told and not _exit.has_begun):
            return
        self._told_loss = kept, dropped
        text = f"{self.baseFilename} is not complete: {reason_of(self._failure)}"
        count = f"{kept} entries wait in memory, {dropped} were dropped"
        if _exit.has_begun:
            count = f"{kept + dropped} entries are lost: the process ends"
        tell_stderr(f"vlog: {text}. {count}")
        self._report(text, None)

    @property
    def _sizes(self) -> tuple[int, int, int]:
        return self.maxBytes, self._total_bytes, self._max_backlog_bytes

    def limit(self, max_mb: float, total_mb: float, compress: str, buffer_mb: float) -> None:
        """Take other limits, of somebody who writes the same file.

        Raises:
            ConfigurationError: as at construction.
        """
        _check_options(max_mb, total_mb, compress, buffer_mb)
        sizes = int(max_mb * MB), int(total_mb * MB), int(buffer_mb * MB)
        self.acquire()
        try:
            if (*sizes, compress) == (*self._sizes, self._compression):
                return
            self.maxBytes, self._total_bytes, self._max_backlog_bytes = sizes
            self._roll_over_at, self._compression = self.maxBytes, compress
            self._backlog.max_bytes = self._max_backlog_bytes
            self._keeper = None
            if self.stream is not None:
                self._look_after_segments()
        finally:
            self.release()

    def let_go(self) -> None:
        """Forget, in a forked child, what is the parent's: its file, its lock, its lines."""
        super().let_go()
        self._keeper = None
        self._start_afresh()  # the parent writes what waits


class _Exit:
    """Whether the process is about to end; logging closes every handler after that."""

    has_begun = False

    def begin(self) -> None:
        self.has_begun = True


_exit = _Exit()
atexit.register(_exit.begin)


def _real_path(filename: str | os.PathLike[str]) -> Path:
    """Return the absolute path; of a link, that of the file that it leads to."""
    return real_log(os.path.abspath(expand_home(filename)))  # noqa: PTH100 - folders may be links


def _origin_of(record: logging.LogRecord) -> Origin:
    entry = entry_of(record)
    return Origin(iso_timestamp(record.created)) if entry is None else origin_of(entry)


def _check_options(max_mb: float, total_mb: float, compress: str, buffer_mb: float) -> None:
    sizes = {"max_mb": max_mb, "total_mb": total_mb, "buffer_mb": buffer_mb}
    for name, value in sizes.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value < math.inf:
            raise ConfigurationError(
                f"{name} is {value!r}. Expected a number of MiB, 0 or more "
                f"(default: {_DEFAULTS[name]:g})."
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
    if is_compressed(path):
        raise ConfigurationError(
            f"Log file {str(path)!r} has the ending of a compressed file, but is written plain. "
            f"Give {path.stem!r}; its rotated segments are compressed."
        )


def _report_to(error_log: ErrorLogHandler) -> ErrorReporter:
    logger = logging.Logger("vlog.errors")  # noqa: LOG001 - its own, not one of the tree
    logger.addHandler(error_log)
    return ErrorReporter(logger)
