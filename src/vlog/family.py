"""The files of all processes that wrote one log, and their lines merged by time.

Rank 0 writes `run.jsonl`, rank 3 `run.rank3.jsonl`; a process that finds its file taken writes
`run.pid4711.jsonl` or `run.rank3.pid4711.jsonl`. Each is a log by itself, with segments of its
own (see `lines`), and in order.
"""

from __future__ import annotations

import heapq
import math
import re
from datetime import datetime
from typing import TYPE_CHECKING

from vlog.lines import LogLines
from vlog.segments import SEGMENT_SUFFIX, is_compressed, names_of_files, real_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from vlog.file_lines import Line, OnProblem

_PROCESS = r"(?:\.rank(?P<rank>\d+))?(?:\.pid(?P<pid>\d+)(?:-(?P<again>\d+))?)?"
_ONE_PROCESS = re.compile(f"(?P<stem>.+?){_PROCESS}", re.ASCII)
_TIMESTAMP = re.compile(rb'\s*\{\s*"timestamp"\s*:\s*"([^"]{1,64})"')


def list_family(log_file: Path) -> list[Path]:
    """Return the files of a log by their plain names, the lowest rank first.

    One whose plain file is gone while segments of it are there is among them. The name of one
    process's file, or of a compressed segment, stands for that alone, and so does a name of
    which nothing is there. A link stands for the log that it leads to.
    """
    log_file = real_log(log_file)
    if is_compressed(log_file) or telling_fields([log_file]):
        return [log_file]
    name = re.compile(
        f"(?P<plain>{re.escape(log_file.stem)}{_PROCESS}{re.escape(log_file.suffix)})"
        f"(?:{SEGMENT_SUFFIX})?",
        re.ASCII,
    )
    found: dict[str, tuple[int, ...]] = {}
    try:
        names = names_of_files(log_file.parent, log_file.stem)
    except (OSError, ValueError):  # whoever opens the file says so
        return [log_file]
    for each in names:
        match = name.fullmatch(each)
        if match is not None:
            process = (int(match[part] or 0) for part in ("rank", "pid", "again"))
            found[match["plain"]] = tuple(process)
    ordered = sorted(found, key=lambda plain: (found[plain], plain))
    return [log_file.with_name(plain) for plain in ordered] or [log_file]


def telling_fields(files: Iterable[Path]) -> tuple[str, ...]:
    """Return the fields of an entry that tell from which of a log's files it is.

    >>> from pathlib import Path
    >>> telling_fields([Path("run.jsonl"), Path("run.rank3.jsonl")])
    ('rank',)
    """
    matches = [_ONE_PROCESS.fullmatch(file.stem) for file in files]
    found = [match for match in matches if match is not None]
    return tuple(part for part in ("rank", "pid") if any(match[part] for match in found))


def split_stem(file: Path) -> tuple[str, str]:
    """Return the stem of a log's name, and what in it tells one process's file from the others.

    >>> from pathlib import Path
    >>> split_stem(Path("run.rank3.jsonl"))
    ('run', '.rank3')
    """
    match = _ONE_PROCESS.fullmatch(file.stem)
    stem = file.stem if match is None else match["stem"]
    return stem, file.stem[len(stem) :]


class FamilyLines:
    """The lines of all files of a log, those of each file in order, the files merged by time.

    Its methods are those of `LogLines`. The time is the instant that an entry's timestamp names,
    whatever its UTC offset; a line that does not begin with one stays behind the line before it.

    Args:
        log_file: The log's plain file.
        family: Whether to read the files of other ranks and processes too.
        on_problem: As for `LogLines`.
    """

    def __init__(
        self, log_file: Path, *, family: bool = True, on_problem: OnProblem | None = None
    ) -> None:
        self._log_file = log_file
        self._family = family
        self._on_problem = on_problem
        self._logs: dict[Path, LogLines] = {}

    @property
    def files(self) -> list[Path]:
        """The files found so far, by their plain names."""
        return list(self._logs)

    def poll(self) -> Iterator[Line]:
        """Yield the complete lines that are there and have not been returned yet.

        Files that have come since the last call are read from their start.
        """
        self._find()
        return merge([log.poll() for log in self._logs.values()])

    def all(self) -> Iterator[Line]:
        """Yield every line that is there, a last one without newline too, and close the files."""
        self._find()
        return merge([log.all() for log in self._logs.values()])

    def close(self) -> None:
        """Close the files."""
        for log in self._logs.values():
            log.close()

    def skip_to_end(self) -> None:
        """Pass over what is there now."""
        self._find()
        for log in self._logs.values():
            log.skip_to_end()

    def _find(self) -> None:
        for path in list_family(self._log_file) if self._family else [self._log_file]:
            if path not in self._logs:
                self._logs[path] = LogLines(path, on_problem=self._on_problem)


def merge(files: Sequence[Iterator[Line]]) -> Iterator[Line]:
    """Return the lines of several files by time; those of one as they are, at no cost.

    It holds one line of each file. Where the clock of a file goes back, its lines keep their order.
    """
    if len(files) == 1:
        return files[0]
    timed = (_with_times(lines, place) for place, lines in enumerate(files))
    return (line for _, _, line in heapq.merge(*timed))


def _with_times(lines: Iterator[Line], place: int) -> Iterator[tuple[float, int, Line]]:
    seconds = -math.inf
    for line in lines:
        seconds = _time_of(line.raw, seconds)
        yield seconds, place, line  # never two of one place at once: lines are not compared


def _time_of(raw: bytes, otherwise: float) -> float:
    """Return seconds since the epoch of an entry whose first key is its timestamp."""
    match = _TIMESTAMP.match(raw)
    if match is None:
        return otherwise
    try:
        return datetime.fromisoformat(match[1].decode("ascii")).timestamp()
    except (ValueError, OverflowError, OSError):  # no time, or a year that has no local time
        return otherwise
