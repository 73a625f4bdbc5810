"""Whether a log is what vlog writes: every line against the schema, and no entry missing.

Each file of a log is judged by itself: an entry is missing from the file of its rank.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlog.analysis.checker import check
from vlog.family import list_family
from vlog.reader import parse, read_lines
from vlog.schema import SCHEMA_VERSION
from vlog.segments import list_segments, log_of

if TYPE_CHECKING:
    from vlog.lines import Line
    from vlog.reader import LogPath

MAX_PROBLEMS = 100  # kept with their text; the others are counted
_MAX_TYPES = 200  # counted by name; rubbish can have any number of them


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a log that should not be so.

    Attributes:
        file: The file.
        line: The number of its line, from 1; 0 for the file as a whole.
        reason: What is wrong.
    """

    file: str
    line: int
    reason: str


@dataclass(slots=True)
class FileReport:
    """What `validate` found in one file and its segments.

    Attributes:
        path: The file.
        lines: Lines that are not blank, a torn last one left out.
        valid: Those without a problem.
        problems: The first problems, at most as many as were asked for.
        problem_count: All problems. A line can have two.
        types: Number of entries by their `type`, in the order of appearance.
        runs: Number of runs.
        torn_tail: A last line that was cut off. It does not make the log invalid: its writer was
            killed in the middle of it, or is at it.
    """

    path: str
    lines: int = 0
    valid: int = 0
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    types: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    torn_tail: Problem | None = None

    @property
    def is_valid(self) -> bool:
        """Whether there is no problem."""
        return self.problem_count == 0


@dataclass(slots=True)
class ValidationReport:
    """What `validate` found in a log.

    Attributes:
        path: The log.
        files: The report of each file, that of the lowest rank first.
        runs: Number of runs; one of several ranks counts once.
    """

    path: str
    files: list[FileReport]
    runs: int

    @property
    def lines(self) -> int:
        """Lines of all files that are not blank, a torn last one left out."""
        return sum(file.lines for file in self.files)

    @property
    def valid(self) -> int:
        """Those without a problem."""
        return sum(file.valid for file in self.files)

    @property
    def problems(self) -> list[Problem]:
        """The first problems of each file."""
        return [problem for file in self.files for problem in file.problems]

    @property
    def problem_count(self) -> int:
        """All problems of all files."""
        return sum(file.problem_count for file in self.files)

    @property
    def types(self) -> dict[str, int]:
        """Number of entries by their `type`."""
        return dict(sum((Counter(file.types) for file in self.files), Counter()))

    @property
    def torn_tails(self) -> list[Problem]:
        """Last lines that were cut off."""
        return [file.torn_tail for file in self.files if file.torn_tail is not None]

    @property
    def is_valid(self) -> bool:
        """Whether no file has a problem."""
        return self.problem_count == 0


def validate(
    path: LogPath, *, family: bool = True, max_problems: int = MAX_PROBLEMS
) -> ValidationReport:
    """Check every line of a log, in constant memory, each rank's file by itself.

    A file without entries has a problem. Where the oldest segments were removed, the first run
    may begin in its middle.

    Args:
        path: As for `vlog.read`.
        family: As for `vlog.read`.
        max_problems: How many problems of each file are kept with their text.

    Raises:
        LogReadError: a file cannot be opened.
    """
    log = Path(os.fsdecode(path))
    reports: list[FileReport] = []
    run_ids: set[str] = set()
    for file in list_family(log) if family else [log]:
        validation = _Validation(str(file), max_problems)
        for line in read_lines(file, family=False, on_problem=validation.add_problem):
            validation.add_line(line)
        reports.append(validation.finish())
        run_ids |= validation.run_ids
    return ValidationReport(os.fsdecode(path), reports, len(run_ids))


class _Validation:
    """A validation under way."""

    def __init__(self, path: str, max_problems: int) -> None:
        self._report = FileReport(path)
        self._max_problems = max_problems
        self._types: Counter[str] = Counter()
        self._sequences = _Sequences()

    @property
    def run_ids(self) -> set[str]:
        """The runs so far."""
        return self._sequences.run_ids

    def add_line(self, line: Line) -> None:
        """Check one line."""
        if line.raw.isspace():
            return
        try:
            entry = parse(line.raw)
        except ValueError as error:
            self._add_unreadable(line, str(error))
            return
        self._report.lines += 1
        self._count(entry)
        wrong = check(entry, line.raw)
        reasons = [wrong] if wrong else []
        reasons += self._sequences.check(entry, line)
        for reason in reasons:
            self.add_problem(line.path, line.number, reason, line.raw)
        self._report.valid += not reasons

    def _add_unreadable(self, line: Line, reason: str) -> None:
        if line.is_tail:
            size = f"{len(line.raw)} bytes"
            self._report.torn_tail = Problem(str(line.path), line.number, f"cut off after {size}")
            return
        self._report.lines += 1
        self.add_problem(line.path, line.number, f"not an entry: {reason}", line.raw)

    def _count(self, entry: dict[str, Any]) -> None:
        name = str(entry.get("type"))[:_MAX_TYPES]
        self._types[name if name in self._types or len(self._types) < _MAX_TYPES else "..."] += 1

    def add_problem(self, path: Path, line_number: int, reason: str, _raw: bytes) -> None:
        """Count a problem, and keep it while there is room."""
        self._report.problem_count += 1
        if len(self._report.problems) < self._max_problems:
            self._report.problems.append(Problem(str(path), line_number, reason))

    def finish(self) -> FileReport:
        """Return the report."""
        report = self._report
        if not report.lines and not report.problem_count:
            report.problem_count = 1
            report.problems = [Problem(report.path, 0, "no entries: the log is empty")]
        report.types = dict(self._types)
        report.runs = len(self.run_ids)
        return report


class _Sequences:
    """The `seq` that comes next, by run and rank."""

    def __init__(self) -> None:
        self._next: dict[tuple[str, int], int] = {}

    @property
    def run_ids(self) -> set[str]:
        """The runs so far."""
        return {run_id for run_id, _ in self._next}

    def check(self, entry: dict[str, Any], line: Line) -> list[str]:
        """Return what is wrong with an entry's place in its run."""
        run_id, rank, number = (entry.get(name) for name in ("run_id", "rank", "seq"))
        if not isinstance(run_id, str) or type(rank) is not int or type(number) is not int:
            return []  # the entry's own check has said so
        key = (run_id, rank)
        whose = f"of run {run_id}, rank {rank}"
        if key not in self._next:
            is_begun = not self._next and _follows_removed_segments(line)
            self._next[key] = number + 1
            return [] if is_begun else _check_first(entry, number, whose)
        expected = self._next[key]
        if number < expected:
            return [f"seq {number} {whose} comes again (seq {expected - 1} has been there)"]
        self._next[key] = number + 1
        return [_gap(expected, number, whose)] if number > expected else []


def _check_first(entry: dict[str, Any], number: int, whose: str) -> list[str]:
    reasons = [_gap(0, number, whose)] if number > 0 else []
    if "schema_version" not in entry:
        return [*reasons, f"the first entry {whose} has no `schema_version`"]
    version = entry["schema_version"]
    if type(version) is int and version > SCHEMA_VERSION:
        reasons.append(f"schema version {version} is newer than {SCHEMA_VERSION}: upgrade vlog")
    return reasons


def _gap(first: int, behind: int, whose: str) -> str:
    numbers = f"seq {first}" if behind - first == 1 else f"seq {first} to {behind - 1}"
    return f"{numbers} {whose} missing before this entry"


def _follows_removed_segments(line: Line) -> bool:
    """Return whether the log's oldest segments are gone, given its first line."""
    log = log_of(line.path)
    if log == line.path or line.number != 1:
        return False
    segments = list_segments(log)
    return bool(segments) and segments[0].number > 1
