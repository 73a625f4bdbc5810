"""What a log says about its runs, in one pass and bounded memory."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlog.analysis.collector import count_name
from vlog.analysis.dropped import add_missing, is_gap
from vlog.analysis.facts import Facts, facts_of
from vlog.analysis.fields import integer_at, text_at
from vlog.analysis.quick_entries import quick_parts_of
from vlog.analysis.run_collector import RunCollector
from vlog.analysis.run_summary import Missing
from vlog.family import list_family
from vlog.file_lines import Line
from vlog.reader import parse, read_blocks
from vlog.schema import EventType
from vlog.segments import list_segments, log_of

if TYPE_CHECKING:
    from vlog.analysis.run_summary import RunSummary
    from vlog.reader import LogPath

# What comes before a run, or from elsewhere; the standard log has no `run_id` to tell it by.
_OF_NO_RUN = frozenset(
    {
        EventType.CONFIGURATION_LOADED,
        EventType.DATASET_READY,
        EventType.MODEL_LOADED,
        EventType.LOG_RECORD,
    }
)


@dataclass(slots=True)
class LogFile:
    """A file of a log and its size.

    Attributes:
        path: The file.
        bytes: Its size.
        is_segment: Whether rotation set it aside.
    """

    path: str
    bytes: int
    is_segment: bool = False


@dataclass(slots=True)
class Summary:
    """A log in numbers. `orjson.dumps` and `dataclasses.asdict` take it as it is.

    Attributes:
        path: The log.
        files: Its files: rank by rank, the segments of each, oldest first, before its plain file.
        entries: Number of entries.
        unreadable_lines: Lines and damaged segments that were passed over; a torn last line is
            not counted.
        types: Number of entries by `type`.
        runs: The runs, in the order of their first entries.
        missing: Entries of no run that are missing, as the log says.
    """

    path: str
    files: list[LogFile] = field(default_factory=list)
    entries: int = 0
    unreadable_lines: int = 0
    types: dict[str, int] = field(default_factory=dict)
    runs: list[RunSummary] = field(default_factory=list)
    missing: Missing = field(default_factory=Missing)

    @property
    def last_run(self) -> RunSummary | None:
        """The run that began last; None in a log without runs."""
        return self.runs[-1] if self.runs else None


def summarize(path: LogPath, *, may_fork: bool = False) -> Summary:
    """Return what a log says about its runs.

    Entries without `run_id` (of the standard log) make up runs of their own, up to each end
    entry; an application's log records, and what comes before a run, belong to none.

    Args:
        path: As for `vlog.read`.
        may_fork: Whether several processes, forked from this one, may read a plain file of 64 MB
            or more, as `vlog summary` has it. None is forked beside other threads.

    Raises:
        LogReadError: the log cannot be opened.
    """
    collection = _Collection(os.fsdecode(path))
    of = _parts_of if may_fork else None
    for block in read_blocks(path, on_problem=collection.add_problem, of=of):
        collection.add_block(block)
    return collection.finish()


def _parts_of(block: Line) -> list[Facts | Line]:
    """Return facts of entries that can be had quickly, and lines that are to be looked at."""
    parts = quick_parts_of(block)
    return [part if isinstance(part, Line) else facts_of(part) for part in parts]


class _Collection:
    """The runs of a log while its entries come in."""

    def __init__(self, path: str) -> None:
        self._summary = Summary(path)
        self._types: Counter[str] = Counter()
        self._runs: dict[object, RunCollector] = {}
        self._nameless: Counter[Path] = Counter()  # runs without `run_id` that have ended, by log

    def add_block(self, block: Line) -> None:
        """Take in the next lines."""
        for part in _parts_of(block) if block.found is None else block.found:
            if isinstance(part, Facts):
                self._add_facts(part)
            else:
                self._add_line(part)

    def _add_facts(self, facts: Facts) -> None:
        self._summary.entries += facts.count
        for name, count in facts.types.items():
            count_name(self._types, name, count)
        self._run(facts.run_id, facts.run_id, facts.rank).add_facts(facts)

    def _add_line(self, line: Line) -> None:
        try:
            entry = parse(line.raw)
        except ValueError:
            self._summary.unreadable_lines += not line.is_tail and not line.is_blank
            return
        self._summary.entries += 1
        count_name(self._types, str(entry.get("type")))
        run_id, rank = text_at(entry, "run_id"), integer_at(entry, "rank")
        if run_id is None and text_at(entry, "after_run") in self._runs:
            run_id = text_at(entry, "after_run")  # an evaluation of what that run has trained
        if run_id is not None:
            self._run(run_id, run_id, rank or 0).add(entry, rank or 0)
        elif is_gap(entry):
            add_missing(self._summary.missing, entry)
        elif text_at(entry, "type") not in _OF_NO_RUN:
            self._add_nameless(log_of(line.path), entry)

    def _add_nameless(self, log: Path, entry: dict[str, Any]) -> None:
        if self._run((log, self._nameless[log])).has_ended:
            self._nameless[log] += 1
        self._run((log, self._nameless[log])).add(entry)

    def _run(self, key: object, run_id: str | None = None, rank: int = 0) -> RunCollector:
        if key not in self._runs:
            self._runs[key] = RunCollector(run_id, rank)
        return self._runs[key]

    def add_problem(self, _path: Path, _line_number: int, _reason: str, _raw: bytes) -> None:
        """Count what could not be read."""
        self._summary.unreadable_lines += 1

    def finish(self) -> Summary:
        """Return the summary."""
        summary = self._summary
        summary.types = dict(self._types)
        summary.files = _files(Path(summary.path))
        superseded: set[tuple[str | None, int | None]] = set()
        for run in reversed(self._runs.values()):
            summary.runs.insert(0, run.finish(superseded))
            superseded |= run.processes
        return summary


def _files(path: Path) -> list[LogFile]:
    found = []
    for log in list_family(path):
        parts = [*((segment.path, True) for segment in list_segments(log)), (log, False)]
        found += [
            LogFile(str(part), part.stat().st_size, is_segment)
            for part, is_segment in parts
            if part.is_file()
        ]
    return found
