"""Entries back from a log: all that are there, or those to come."""

from __future__ import annotations

import errno
import os
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from vlog.errors import LogReadError
from vlog.family import FamilyLines, list_family
from vlog.file_lines import Line, OnProblem, whole_segment
from vlog.lines import LogLines, read_errors
from vlog.segments import is_compressed, list_segments, real_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    LogPath = str | os.PathLike[str]

_JSON_NAMES: dict[type, str] = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


def read(
    path: LogPath, *, family: bool = True, on_problem: OnProblem | None = None
) -> Iterator[dict[str, Any]]:
    """Return the entries of a log, oldest first, in constant memory.

    Where several ranks or processes wrote a file each, the plain name stands for all of them, and
    their entries are merged by time. What cannot be read is passed over: a torn last line, lines
    that are not a JSON object, damaged compressed segments. A last line that is complete but for
    its newline counts, and so does an entry behind NUL bytes that a crash of the machine left.

    Args:
        path: The log's plain file (which may be missing while segments are there). One rank's
            file, or one compressed segment, is read alone.
        family: Whether to read the other ranks' and processes' files of this log too.
        on_problem: Called for everything passed over but a torn last line.

    Raises:
        LogReadError: `path` is missing, a folder, or may not be read. Raised by this call; while
            iterating, only when the disk fails.
    """
    return _entries(read_blocks(path, family=family, on_problem=on_problem), on_problem)


def follow(
    path: LogPath,
    *,
    from_start: bool = True,
    family: bool = True,
    poll_seconds: float = 0.2,
    stop: Callable[[], bool] | None = None,
    on_problem: OnProblem | None = None,
) -> Iterator[dict[str, Any]]:
    """Return the entries of a log as they are written, across rotation, without an end.

    The file need not exist yet. An entry is returned when its newline is there. A file that
    somebody truncates or replaces is read from its start. Files of other ranks and processes are
    followed too, also those that come later; what is there at one look is merged by time.

    Args:
        path: The log's plain file.
        from_start: Whether to begin with the oldest entry instead of with the next one.
        family: As for `read`.
        poll_seconds: How long to wait before looking again.
        stop: Asked at every look; once it returns true, what is there is returned and it ends.
        on_problem: Called for lines that are not entries.

    Raises:
        LogReadError: `path` is a folder or a compressed file. Raised by this call.
    """
    log = growing_lines(path, family=family, on_problem=on_problem)
    if not from_start:
        log.skip_to_end()
    return _entries(_poll_for_ever(log, poll_seconds, stop), on_problem)


def read_lines(
    path: LogPath, *, family: bool = True, on_problem: OnProblem | None = None
) -> Iterator[Line]:
    """Return the lines of a log, oldest first, whatever is in them.

    Args:
        path: As for `read`.
        family: As for `read`.
        on_problem: Called for damaged compressed segments and lines over `MAX_LINE_BYTES`.

    Raises:
        LogReadError: As for `read`.
    """
    log_file = _as_path(path)
    _check_readable(log_file, family=family)
    if is_compressed(log_file):
        return _read_alone(log_file, on_problem)
    return FamilyLines(log_file, family=family, on_problem=on_problem).all()


def read_blocks(
    path: LogPath,
    *,
    family: bool = True,
    on_problem: OnProblem | None = None,
    of: Callable[[Line], list[Any]] | None = None,
) -> Iterator[Line]:
    """Return the lines of a log as `read_lines` does, in blocks: see `Line.lines`.

    Those of several files, which are merged, come one by one.

    Args:
        path: As for `read`.
        family: As for `read`.
        on_problem: As for `read_lines`.
        of: What to make of a block, for other processes to do it where that pays; in place of the
            lines comes what they found then: see `Line.found`.

    Raises:
        LogReadError: As for `read`.
    """
    log_file = _as_path(path)
    _check_readable(log_file, family=family)
    if is_compressed(log_file):
        return _read_alone(log_file, on_problem, in_blocks=True)
    files = list_family(log_file) if family else [log_file]
    if len(files) == 1:
        return LogLines(files[0], on_problem=on_problem, in_blocks=True, of=of).all()
    return FamilyLines(log_file, family=family, on_problem=on_problem).all()


def growing_lines(
    path: LogPath, *, family: bool = True, on_problem: OnProblem | None = None
) -> FamilyLines:
    """Return the lines of a log that may be written still, or may not exist yet.

    Args:
        path: The log's plain file.
        family: As for `read`.
        on_problem: As for `read_lines`.

    Raises:
        LogReadError: `path` is a folder or a compressed file.
    """
    log_file = _as_path(path)
    if is_compressed(log_file):
        raise LogReadError(f"{log_file} is compressed: nothing is added to it. Read it instead.")
    try:
        log_file.stat()  # `is_dir` is silent about a NUL and the like
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        raise LogReadError(f"{log_file} cannot be read: {error}.") from error
    if log_file.is_dir():
        raise LogReadError(_folder_message(log_file))
    return FamilyLines(log_file, family=family, on_problem=on_problem)


def parse(raw: bytes) -> dict[str, Any]:
    """Return the entry that a line holds.

    Raises:
        ValueError: the line is not a JSON object; says why.
    """
    entry = orjson.loads(raw)  # its JSONDecodeError is a ValueError
    if not isinstance(entry, dict):
        raise ValueError(f"a JSON object is expected, this is {_JSON_NAMES[type(entry)]}")  # noqa: TRY004
    return entry


def _read_alone(
    path: Path, on_problem: OnProblem | None, *, in_blocks: bool = False
) -> Iterator[Line]:
    with read_errors(path):
        yield from whole_segment(path, on_problem, in_blocks=in_blocks)


def _entries(blocks: Iterable[Line], on_problem: OnProblem | None) -> Iterator[dict[str, Any]]:
    for block in blocks:
        passed = 0
        try:
            for raw in block.lines or (block.raw,):
                entry = orjson.loads(raw)
                if type(entry) is not dict:
                    break
                passed += 1
                yield entry
            else:
                continue
        except orjson.JSONDecodeError:
            pass
        # Something in it is odd: what follows is taken line by line.
        yield from _entries_of_lines(islice(block.split(), passed, None), on_problem)


def _entries_of_lines(
    lines: Iterable[Line], on_problem: OnProblem | None
) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            entry = parse(line.raw)
        except ValueError as error:
            if on_problem is not None and not line.is_tail and not line.is_blank:
                on_problem(line.path, line.number, str(error), line.raw)
            continue
        yield entry


def _poll_for_ever(
    log: FamilyLines, poll_seconds: float, stop: Callable[[], bool] | None
) -> Iterator[Line]:
    try:
        while True:
            # Asked before the look: what was written before `stop` turned true is returned.
            is_last = stop is not None and stop()
            yield from log.poll()
            if is_last:
                return
            time.sleep(poll_seconds)
    finally:
        log.close()


def _as_path(path: LogPath) -> Path:
    return real_log(path)


def _folder_message(path: Path) -> str:
    return f"{path} is a folder. Give a log file in it, such as {path / 'NAME.jsonl'}."


def _check_readable(path: Path, *, family: bool) -> None:
    try:
        if path.is_dir():
            raise LogReadError(_folder_message(path))
        logs = list_family(path) if family else [path]
        files = [segment.path for log in logs for segment in list_segments(log)]
        files += [log for log in logs if log.exists()]
    except (OSError, ValueError) as error:  # a name too long, a NUL byte in it
        if isinstance(error, LogReadError):
            raise
        raise LogReadError(f"{path} cannot be read: {error}.") from error
    if not files:
        raise LogReadError(f"{path} does not exist. Give the path of a log that vlog wrote.")
    for file in files:
        if file.exists() and not os.access(file, os.R_OK):  # it may be compressed by now
            reason = os.strerror(errno.EACCES).lower()
            raise LogReadError(f"{file} cannot be read: {reason}. Ask its owner for read access.")
