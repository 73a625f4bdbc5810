"""A damaged log into a new one: every entry that is there, and a word about what is not.

The log is read twice. The first pass learns which `seq` are there, so that the second, which
writes, knows what is missing and what comes again. The log itself is never changed.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from vlog.analysis.file_repair import FileRepair
from vlog.analysis.new_file import NewFile, check_is_free
from vlog.analysis.repair_report import Finding, RepairReport
from vlog.analysis.validate import validate
from vlog.errors import LogFileError, LogReadError
from vlog.family import list_family, split_stem, telling_fields
from vlog.reader import read_lines
from vlog.segments import is_compressed, list_segments, log_of, real_log

if TYPE_CHECKING:
    from vlog.reader import LogPath

MAX_FINDINGS = 100  # kept in the report; the others are counted, and all are in a file
_REPAIRED = "repaired"
_FINDINGS = "findings"


def repair(
    path: LogPath,
    new: LogPath | None = None,
    *,
    family: bool = True,
    max_findings: int = MAX_FINDINGS,
) -> RepairReport:
    """Mend a damaged log into a new file; the log itself stays as it is.

    Each line that is a JSON object is taken over byte for byte, from all segments in order. Saved
    are whole entries that share a line with something else (another entry, part of one, NUL bytes,
    a byte order mark), those whose strings hold bytes that are no UTF-8 (they become U+FFFD), and
    a last line without newline. An entry that comes again, the same byte for byte, is left out.
    Where a `seq` is missing, a `logging_gap` entry takes its place. Everything that is not taken
    over as it was is named in the report, and in a file `NEW.findings.jsonl`.

    The files of several ranks become one new file each. A file is there when it is whole, with
    what is said about it on the disk before it. The memory needed does not grow with the log, but
    with the number of the entries that are missing or come again.

    Args:
        path: As for `vlog.read`, but no pipe: it is read twice.
        new: The new log; None for `NAME.repaired.jsonl` beside it. Nothing may be there.
        family: Whether to repair the other ranks' and processes' files of this log too.
        max_findings: How many findings the report keeps.

    Raises:
        LogReadError: the log cannot be read.
        LogFileError: the new log cannot be written, or something of its name is there.
    """
    log = real_log(path)
    sources = list_family(log) if family else [log]
    _check_sources(sources)
    target = _default_name(log) if new is None else _checked(Path(os.fsdecode(new)))
    targets = [_name_for(source, log, target) for source in sources]
    under_way = _Repair(RepairReport(str(log), str(target)), max_findings)
    for each in (*targets, under_way.findings_path):
        check_is_free(each)
    return under_way.run(sources, targets)


class _Repair:
    """A repair under way."""

    def __init__(self, report: RepairReport, max_findings: int) -> None:
        self._report = report
        self._max_findings = max_findings
        self._files = ExitStack()  # discards what is not published at its end
        self._findings: NewFile | None = None
        self._mode = 0o644  # of the findings: that of the most private file
        target = Path(report.new)
        self.findings_path = target.with_name(f"{target.stem}.{_FINDINGS}.jsonl")

    def run(self, sources: list[Path], targets: list[Path]) -> RepairReport:
        """Write the new files and return what became of the log."""
        for source in sources:
            self._mode &= _mode_of(source)
        with self._files:
            written: list[NewFile] = []
            for source, target in zip(sources, targets, strict=True):
                file = self._new_file(target, _mode_of(source))
                mending = FileRepair(source, file, self.add_finding)
                self._report.files.append(mending.run())
                written.append(file)
            if self._findings is not None:
                self._findings.publish()
            for file in written:
                file.publish()
        for repaired in self._report.files:
            (repaired.validation,) = validate(repaired.new, family=False).files
        return self._report

    def add_finding(self, finding: Finding) -> None:
        """Write a finding down, and keep it while there is room."""
        if self._findings is None:
            self._findings = self._new_file(self.findings_path, self._mode)
            self._report.findings_file = str(self.findings_path)
        self._findings.write(orjson.dumps(asdict(finding)) + b"\n")
        self._report.finding_count += 1
        if len(self._report.findings) < self._max_findings:
            self._report.findings.append(finding)

    def _new_file(self, path: Path, mode: int) -> NewFile:
        file = NewFile(path, mode)
        self._files.callback(file.discard)
        return file


def _check_sources(sources: list[Path]) -> None:
    for source in sources:
        read_lines(source, family=False)  # raises if it cannot be read
        if source.exists() and not source.is_file():
            raise LogReadError(
                f"{source} is no file but a pipe or a device, and a log is read twice to be "
                "repaired. Write it to a file first."
            )


def _checked(target: Path) -> Path:
    """Refuse a name by which the new log would be taken for a part of another one.

    Raises:
        LogFileError: it is one.
    """
    if not target.name:
        raise LogFileError(f"{str(target)!r} is a folder. Give the path of the new log.")
    if is_compressed(target) or log_of(target) != target or telling_fields([target]):
        raise LogFileError(
            f"{target} is the name of a segment, or of one process's file. Give the new log a "
            "plain name, such as repaired.jsonl."
        )
    return target


def _default_name(log: Path) -> Path:
    """Return `run.repaired.jsonl` for `run.jsonl`; a segment's number stays in its name.

    >>> _default_name(Path("run.rank3.jsonl")).name
    'run.repaired.rank3.jsonl'
    >>> _default_name(Path("run.jsonl.000007.zst")).name
    'run.000007.repaired.jsonl'
    """
    plain = log_of(log)
    number = log.name.removeprefix(plain.name).partition(".")[2].partition(".")[0]
    stem, process = split_stem(plain)
    parts = ".".join(part for part in (stem, number, _REPAIRED) if part)
    return plain.with_name(f"{parts}{process}{plain.suffix}")


def _name_for(source: Path, log: Path, target: Path) -> Path:
    """Return the new name of one process's file of `log`, which itself becomes `target`."""
    if source == log or telling_fields([log]):
        return target
    return target.with_name(f"{target.stem}{split_stem(source)[1]}{target.suffix}")


def _mode_of(source: Path) -> int:
    """Return the permissions of a log, by those of its newest file."""
    files = [source, *(segment.path for segment in reversed(list_segments(source)))]
    return next((file.stat().st_mode for file in files if file.exists()), 0o644)
