"""`vlog validate --repair` as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlog.cli.screen import Cell, Screen
from vlog.cli.validation_view import print_report
from vlog.units import whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlog.analysis.repair_report import Finding, RepairedFile, RepairReport

_SHOWN = 20  # findings
_STYLES = {"lost": "bold red", "torn": "yellow", "duplicate": "yellow", "mended": "green"}


def print_repair(screen: Screen, report: RepairReport) -> None:
    """Print what became of each file, what was not taken over as it was, and what is valid now."""
    for file in report.files:
        counts = ", ".join(_counts(file))
        screen.line(Cell("repaired ", "bold"), Cell(f"{file.path} into {file.new}: {counts}"))
    for finding in report.findings[:_SHOWN]:
        _print_finding(screen, finding)
    left_out = report.finding_count - min(len(report.findings), _SHOWN)
    if left_out:
        screen.line(Cell(f"  ... and {whole(left_out)} more", "yellow"))
    if report.findings_file is not None:
        screen.line(Cell(f"  {report.findings_file} names all of them", "dim"))
    for file in report.files:
        if file.validation is not None:
            print_report(screen, file.validation)


def _counts(file: RepairedFile) -> Iterator[str]:
    yield f"{whole(file.kept)} {'entry' if file.kept == 1 else 'entries'} kept"
    counts = (
        (file.mended, "of them mended"),
        (file.lost, "lost"),
        (file.torn, "torn"),
        (file.duplicates, "left out that came again"),
        (file.missing, "missing by their seq"),
    )
    yield from (f"{whole(count)} {what}" for count, what in counts if count)


def _print_finding(screen: Screen, finding: Finding) -> None:
    where = f"{finding.file}:{finding.line} (byte {whole(finding.byte)})"
    beginning = f": {finding.beginning}" if finding.beginning else ""
    screen.line(
        Cell(f"  {finding.kind:<9} ", _STYLES[finding.kind]),
        Cell(f"{where if finding.line else finding.file}: ", "cyan"),
        Cell(f"{finding.reason}{beginning}"),
    )
