"""Whether a log is what vlog writes: every line against the schema, and no entry missing.

Each file of a log is judged by itself: an entry is missing from the file of its rank.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlog.analysis.checker import check, valid_entries
from vlog.analysis.dropped import dropped_of, is_gap
from vlog.analysis.sequences import Sequences
from vlog.analysis.torn import nuls_text, torn_reason
from vlog.family import list_family
from vlog.reader import parse, read_blocks
from vlog.segments import real_log

if TYPE_CHECKING:
    from pathlib import Path

    from vlog.analysis.dropped import Dropped
    from vlog.file_lines import Line
    from vlog.reader import LogPath

MAX_PROBLEMS = 100  # kept with their text (and torn lines, and gaps); the others are counted
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
        lines: Lines that are neither blank nor torn.
        valid: Those without a problem.
        problems: The first problems, at most as many as were asked for.
        problem_count: All problems. A line can have two.
        types: Number of entries by their `type`, in the order of appearance.
        runs: Number of runs.
        torn: The first lines that were cut off, and NUL bytes: what a kill in the middle of a
            write, or a crash of the machine, leaves. They do not make the log invalid. What was
            lost with them is told by the `seq` of the entries around them, where they have one.
        torn_count: All of them.
        gaps: What the first `logging_gap` entries say. They do not make the log invalid either.
        gap_count: All of them.
        dropped: How many entries are missing by what these say.
    """

    path: str
    lines: int = 0
    valid: int = 0
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    types: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    torn: list[Problem] = field(default_factory=list)
    torn_count: int = 0
    gaps: list[Dropped] = field(default_factory=list)
    gap_count: int = 0
    dropped: int = 0

    @property
    def is_valid(self) -> bool:
        """Whether there is no problem."""
        return self.problem_count == 0

    @property
    def is_complete(self) -> bool:
        """Whether it is valid, and says of no entry that it is missing."""
        return self.is_valid and self.gap_count == 0


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
        """Lines of all files that are neither blank nor torn."""
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
    def torn(self) -> list[Problem]:
        """The first torn lines of each file."""
        return [torn for file in self.files for torn in file.torn]

    @property
    def gaps(self) -> list[Dropped]:
        """The first gaps of each file."""
        return [gap for file in self.files for gap in file.gaps]

    @property
    def is_valid(self) -> bool:
        """Whether no file has a problem."""
        return self.problem_count == 0

    @property
    def is_complete(self) -> bool:
        """Whether it is valid, and says of no entry that it is missing."""
        return all(file.is_complete for file in self.files)


def validate(
    path: LogPath, *, family: bool = True, max_problems: int = MAX_PROBLEMS
) -> ValidationReport:
    """Check every line of a log, in constant memory, each rank's file by itself.

    A file without entries has a problem. An entry that is missing is one, unless a `logging_gap`
    stands in its place: such a log is valid, and not complete. Where the oldest segments were
    removed, the first run may begin in its middle.

    Args:
        path: As for `vlog.read`.
        family: As for `vlog.read`.
        max_problems: How many problems, torn lines and gaps of each file are kept with their text.

    Raises:
        LogReadError: a file cannot be opened.
    """
    log = real_log(path)
    reports: list[FileReport] = []
    run_ids: set[str] = set()
    for file in list_family(log) if family else [log]:
        validation = _Validation(str(file), max_problems)
        for block in read_blocks(file, family=False, on_problem=validation.add_problem):
            validation.add_block(block)
        reports.append(validation.finish())
        run_ids |= validation.run_ids
    return ValidationReport(os.fsdecode(path), reports, len(run_ids))


class _Validation:
    """A validation under way."""

    def __init__(self, path: str, max_problems: int) -> None:
        self._report = FileReport(path)
        self._max_problems = max_problems
        self._types: Counter[str] = Counter()
        self._sequences = Sequences()

    @property
    def run_ids(self) -> set[str]:
        """The runs so far."""
        return self._sequences.run_ids

    def add_block(self, block: Line) -> None:
        """Check the lines of a block: at once if they are plainly valid, or one by one."""
        if self._add_valid(block):
            return
        for line in block.split():
            if not self._add_valid(line):
                self._add_line(line)

    def _add_valid(self, block: Line) -> bool:
        """Count the entries of a block if nothing is wrong with any, nor missing between them."""
        entries = valid_entries(block)
        if not entries or not self._sequences.go_on(entries):
            return False
        self._report.lines += len(entries)
        self._report.valid += len(entries)
        for struct, count in Counter(map(type, entries)).items():
            self._count(struct.__name__, count)
        return True

    def _add_line(self, line: Line) -> None:
        if line.is_blank:
            return
        try:
            entry = parse(line.raw)
        except ValueError as error:
            self._add_unreadable(line, str(error))
            return
        if line.nuls:
            self._add_torn(line, f"{nuls_text(line.nuls)} in front of an entry")
        if is_gap(entry):
            self._add_gap(dropped_of(entry, line))
        self._report.lines += 1
        self._count(str(entry.get("type")))
        wrong = check(entry, line.raw)
        reasons = [wrong] if wrong else []
        reasons += self._sequences.check(entry, line)
        for reason in reasons:
            self.add_problem(line.path, line.number, reason, line.raw)
        self._report.valid += not reasons

    def _add_unreadable(self, line: Line, reason: str) -> None:
        torn = torn_reason(line)
        if torn is not None:
            self._add_torn(line, torn)
            return
        self._report.lines += 1
        self.add_problem(line.path, line.number, f"not an entry: {reason}", line.raw)

    def _add_torn(self, line: Line, reason: str) -> None:
        self._report.torn_count += 1
        if len(self._report.torn) < self._max_problems:
            self._report.torn.append(Problem(str(line.path), line.number, reason))

    def _add_gap(self, gap: Dropped) -> None:
        self._report.gap_count += 1
        self._report.dropped += gap.count or 0
        if len(self._report.gaps) < self._max_problems:
            self._report.gaps.append(gap)

    def _count(self, name: str, count: int = 1) -> None:
        name = name[:_MAX_TYPES]
        is_kept = name in self._types or len(self._types) < _MAX_TYPES
        self._types[name if is_kept else "..."] += count

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
