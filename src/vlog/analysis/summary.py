"""What a log says about its runs, in one pass and bounded memory."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlog.analysis.collector import RunCollector, count_name
from vlog.analysis.fields import integer_at, text_at
from vlog.reader import read
from vlog.schema import EventType
from vlog.segments import list_segments

if TYPE_CHECKING:
    from vlog.analysis.run_summary import RunSummary
    from vlog.reader import LogPath


@dataclass(slots=True)
class LogFile:
    """A file of a log and its size."""

    path: str
    bytes: int


@dataclass(slots=True)
class Summary:
    """A log in numbers. `orjson.dumps` and `dataclasses.asdict` take it as it is.

    Attributes:
        path: The log.
        files: Its files, oldest first.
        entries: Number of entries.
        unreadable_lines: Lines and damaged segments that were passed over; a torn last line is
            not counted.
        types: Number of entries by `type`.
        runs: The runs, in the order of their first entries.
    """

    path: str
    files: list[LogFile] = field(default_factory=list)
    entries: int = 0
    unreadable_lines: int = 0
    types: dict[str, int] = field(default_factory=dict)
    runs: list[RunSummary] = field(default_factory=list)

    @property
    def last_run(self) -> RunSummary | None:
        """The run that began last; None in a log without runs."""
        return self.runs[-1] if self.runs else None


def summarize(path: LogPath) -> Summary:
    """Return what a log says about its runs.

    Entries without `run_id` (of the standard log) make up runs of their own, up to each end
    entry; an application's log records belong to none.

    Args:
        path: As for `vlog.read`.

    Raises:
        LogReadError: the log cannot be opened.
    """
    collection = _Collection(os.fsdecode(path))
    for entry in read(path, on_problem=collection.add_problem):
        collection.add(entry)
    return collection.finish()


class _Collection:
    """The runs of a log while its entries come in."""

    def __init__(self, path: str) -> None:
        self._summary = Summary(path)
        self._types: Counter[str] = Counter()
        self._collectors: dict[tuple[str | None, int], RunCollector] = {}
        self._nameless = 0  # runs without `run_id` that have ended

    def add(self, entry: dict[str, Any]) -> None:
        """Take in the next entry."""
        self._summary.entries += 1
        count_name(self._types, str(entry.get("type")))
        run_id, rank = text_at(entry, "run_id"), integer_at(entry, "rank")
        if run_id is None:
            if entry.get("type") != EventType.LOG_RECORD:
                self._add_nameless(entry)
            return
        self._collector(run_id, rank or 0).add(entry)

    def _add_nameless(self, entry: dict[str, Any]) -> None:
        if self._collector(None, self._nameless).has_ended:
            self._nameless += 1
        self._collector(None, self._nameless).add(entry)

    def _collector(self, run_id: str | None, number: int) -> RunCollector:
        key = (run_id, number)
        if key not in self._collectors:
            self._collectors[key] = RunCollector(run_id, None if run_id is None else number)
        return self._collectors[key]

    def add_problem(self, _path: Path, _line_number: int, _reason: str, _raw: bytes) -> None:
        """Count what could not be read."""
        self._summary.unreadable_lines += 1

    def finish(self) -> Summary:
        """Return the summary."""
        summary = self._summary
        summary.types = dict(self._types)
        summary.files = _files(Path(summary.path))
        later_pids: set[int | None] = set()
        for collector in reversed(self._collectors.values()):
            pid = collector.summary.started.pid
            summary.runs.insert(0, collector.finish(is_superseded=pid in later_pids))
            later_pids.add(pid)
        return summary


def _files(path: Path) -> list[LogFile]:
    paths = [*(segment.path for segment in list_segments(path)), path]
    return [LogFile(str(each), each.stat().st_size) for each in paths if each.is_file()]
