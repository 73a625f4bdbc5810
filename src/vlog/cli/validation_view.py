"""`vlog validate` as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlog.analysis.sequences import numbers_text
from vlog.cli.screen import Cell, Screen
from vlog.units import whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlog.analysis.dropped import Dropped
    from vlog.analysis.validate import FileReport, Problem

_LINES_IN_SIGHT = 10  # above it, the verdict may have scrolled away: it is repeated
_MAX_REASON = 500  # characters; a line of rubbish can be quoted at any length


def print_report(screen: Screen, report: FileReport) -> None:
    """Print a verdict on one line, then each problem, gap and torn line on a line of its own."""
    lines = f"{whole(report.valid)} of {whole(report.lines)} lines are valid"
    if report.is_valid:
        runs = f"{whole(report.runs)} run{'' if report.runs == 1 else 's'}"
        style = "bold green" if report.is_complete else "bold yellow"
        lines += f", {runs}{_not_complete(report)}"
        screen.line(Cell("valid    ", style), Cell(f"{report.path}: {lines}"))
    else:
        problems = (
            f"{whole(report.problem_count)} problem{'' if report.problem_count == 1 else 's'}"
        )
        screen.line(Cell("INVALID  ", "bold red"), Cell(f"{report.path}: {problems}; {lines}"))
    _print_problems(screen, report.problems, report.problem_count)
    if len(report.problems) > _LINES_IN_SIGHT:
        screen.line(Cell("INVALID  ", "bold red"), Cell(f"{report.path}, as said above"))
    for gap in report.gaps:
        screen.line(Cell(f"  {gap.file}:{gap.line}: ", "cyan"), Cell(_gap(gap)[:_MAX_REASON]))
    _print_rest(screen, report.gap_count - len(report.gaps))
    _print_problems(screen, report.torn, report.torn_count, "torn: ")


def _print_problems(
    screen: Screen, problems: Sequence[Problem], count: int, prefix: str = ""
) -> None:
    for problem in problems:
        where = f"{problem.file}:{problem.line}: " if problem.line else f"{problem.file}: "
        screen.line(Cell(f"  {where}", "cyan"), Cell(f"{prefix}{problem.reason[:_MAX_REASON]}"))
    _print_rest(screen, count - len(problems))


def _print_rest(screen: Screen, left_out: int) -> None:
    if left_out:
        screen.line(Cell(f"  ... and {whole(left_out)} more", "yellow"))


def _not_complete(report: FileReport) -> str:
    return "" if report.is_complete else f"; not complete: {_entries(report.dropped)} missing"


def _entries(count: int | None) -> str:
    return "1 entry" if count == 1 else f"{whole(count)} entries" if count else "some entries"


def _gap(gap: Dropped) -> str:
    """Return which entries are missing, and why."""
    numbers = run = ""
    if gap.first_seq is not None and gap.last_seq is not None:
        numbers = f", {numbers_text(gap.first_seq, gap.last_seq)}"
    if gap.run_id is not None:
        run = f" of run {gap.run_id}, rank {gap.rank}"
    times = f", {gap.first_time} to {gap.last_time}" if gap.first_time and gap.last_time else ""
    return f"{_entries(gap.count)} missing{numbers}{run}{times}: {gap.reason}"
