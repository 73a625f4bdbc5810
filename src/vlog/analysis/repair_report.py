"""What `repair` did, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlog.analysis.validate import FileReport


class Kind(StrEnum):
    """What happened to something that was not taken over as it was."""

    LOST = "lost"  # it is no entry, and no part of it is
    TORN = "torn"  # a write that a kill cut off, or what a crash of the machine left
    DUPLICATE = "duplicate"  # the same entry was there before
    MENDED = "mended"  # the entry is kept


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a log that was not taken over as it was.

    Attributes:
        kind: What happened to it.
        file: The file that it is in.
        line: The number of its line, from 1; 0 for a file as a whole.
        byte: The byte of the file, decompressed, at which it begins.
        reason: What is wrong with it.
        beginning: How it begins, redacted, and so that a terminal shows it.
    """

    kind: Kind
    file: str
    line: int
    byte: int
    reason: str
    beginning: str = ""


@dataclass(slots=True)
class RepairedFile:
    """What became of one file of a log and its segments.

    Attributes:
        path: The file.
        new: The new file.
        kept: Entries that are in the new file, the mended ones included.
        mended: Those of them that did not stand whole and alone on a line.
        missing: Entries that are not in the log, by the `seq` of the others; `logging_gap` entries
            in the new file say so.
        lost: Places where something was lost: lines, parts of lines, segments.
        torn: Lines that a kill cut off, and NUL bytes; what they held had not been written yet.
        duplicates: Entries that came again.
        validation: What `validate` says about the new file.
    """

    path: str
    new: str
    kept: int = 0
    mended: int = 0
    missing: int = 0
    lost: int = 0
    torn: int = 0
    duplicates: int = 0
    validation: FileReport | None = None

    def count(self, kind: Kind) -> None:
        """Count a finding."""
        self.lost += kind is Kind.LOST
        self.torn += kind is Kind.TORN
        self.duplicates += kind is Kind.DUPLICATE
        self.mended += kind is Kind.MENDED


@dataclass(slots=True)
class RepairReport:
    """What `repair` did.

    Attributes:
        path: The log.
        new: The new log.
        files: What became of each file, that of the lowest rank first.
        findings: The first findings, at most as many as were asked for.
        finding_count: All of them.
        findings_file: A file with all of them, a line of JSON each; None if there are none.
    """

    path: str
    new: str
    files: list[RepairedFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    finding_count: int = 0
    findings_file: str | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the new log passes `validate`."""
        reports = [file.validation for file in self.files]
        return all(report is not None and report.is_valid for report in reports)
