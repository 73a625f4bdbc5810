"""`vlog validate` as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlog.cli.screen import Cell, Screen
from vlog.units import whole

if TYPE_CHECKING:
    from vlog.analysis.validate import FileReport

_LINES_IN_SIGHT = 10  # above it, the verdict may have scrolled away: it is repeated
_MAX_REASON = 500  # characters; a line of rubbish can be quoted at any length


def print_report(screen: Screen, report: FileReport) -> None:
    """Print a verdict on one line, then each problem on a line of its own."""
    lines = f"{whole(report.valid)} of {whole(report.lines)} lines are valid"
    if report.is_valid:
        runs = f"{whole(report.runs)} run{'' if report.runs == 1 else 's'}"
        screen.line(Cell("valid    ", "bold green"), Cell(f"{report.path}: {lines}, {runs}"))
    else:
        problems = (
            f"{whole(report.problem_count)} problem{'' if report.problem_count == 1 else 's'}"
        )
        screen.line(Cell("INVALID  ", "bold red"), Cell(f"{report.path}: {problems}; {lines}"))
    for problem in report.problems:
        where = f"{problem.file}:{problem.line}: " if problem.line else f"{problem.file}: "
        screen.line(Cell(f"  {where}", "cyan"), Cell(problem.reason[:_MAX_REASON]))
    left_out = report.problem_count - len(report.problems)
    if left_out:
        screen.line(Cell(f"  ... and {whole(left_out)} more", "yellow"))
    if len(report.problems) > _LINES_IN_SIGHT:
        screen.line(Cell("INVALID  ", "bold red"), Cell(f"{report.path}, as said above"))
    tail = report.torn_tail
    if tail is not None:
        screen.line(
            Cell(f"  {tail.file}:{tail.line}: ", "cyan"), Cell(f"torn last line: {tail.reason}")
        )
