"""The ranks of a run in `vlog summary`: who is there, and who was killed or lags behind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vlog.analysis.fields import time_of
from vlog.analysis.run_summary import State
from vlog.cli.screen import Cell
from vlog.units import NONE, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vlog.analysis.run_summary import RankSummary, RunSummary
    from vlog.cli.screen import Screen

STATE_STYLES = {
    State.COMPLETE: "bold green",
    State.RUNNING: "bold blue",
    State.INTERRUPTED: "bold yellow",
    State.FAILED: "bold red",
    State.ENDED_ABNORMALLY: "bold red",
    State.UNKNOWN: "bold yellow",
}
_MAX_ROWS = 16
_MAX_ENDING = 200  # characters of what an exception says; that of the lowest rank stands above
_LAG_STEPS = 2  # ranks in step are read one apart: one has written its entry, the other not yet


def print_ranks(screen: Screen, run: RunSummary) -> None:
    """Print each rank of a run of several: those that need attention, then some of the others."""
    if len(run.ranks) < 2:
        return
    remarks = {rank.rank: remark for rank in run.ranks if (remark := _remark(rank, run.ranks))}
    ordered = sorted(run.ranks, key=lambda rank: rank.rank not in remarks)
    shown, left_out = ordered[:_MAX_ROWS], ordered[_MAX_ROWS:]
    screen.section("Ranks")
    screen.line()
    screen.table(
        ["rank", "state", "step", "last entry", "entries", "alerts"],
        [_row(rank) for rank in sorted(shown, key=lambda rank: rank.rank or 0)],
    )
    if left_out:
        states = Counter(str(rank.state) for rank in left_out)
        counts = ", ".join(f"{whole(count)} {state}" for state, count in states.items())
        screen.line(Cell(f"... and {whole(len(left_out))} more: {counts}", "dim"))
    for rank, remark in list(remarks.items())[:_MAX_ROWS]:
        screen.line(Cell(f"  rank {rank}: {remark}", "yellow"))


def _row(rank: RankSummary) -> list[Cell]:
    return [
        Cell(rank.rank),
        Cell(rank.state, STATE_STYLES[rank.state]),
        Cell(NONE if rank.step is None else whole(rank.step)),
        Cell(moment(rank.last)),
        Cell(whole(rank.entries)),
        Cell(whole(rank.alerts), "yellow" if rank.alerts else ""),
    ]


def _remark(rank: RankSummary, ranks: Sequence[RankSummary]) -> str:
    """Return what is wrong with a rank; nothing if all is well."""
    step, furthest = rank.step or 0, max(each.step or 0 for each in ranks)
    if rank.state in (State.ENDED_ABNORMALLY, State.UNKNOWN):
        return f"no end entry, last seen at step {whole(step)} ({moment(rank.last)})"
    if rank.state in (State.FAILED, State.INTERRUPTED) and rank is not ranks[0]:
        return rank.ending[:_MAX_ENDING]
    if furthest - step >= _LAG_STEPS:
        return f"at step {whole(step)}, {whole(furthest - step)} behind the furthest"
    return ""


def ranks_text(run: RunSummary) -> str:
    """Return how many ranks of a run are in its log, and which are not.

    The launcher says how many there are; those of other machines may have logs of their own.
    """
    there, size = {rank.rank for rank in run.ranks}, run.started.world_size or 0
    if len(there) >= size:
        return whole(len(there))
    text = f"{whole(len(there))} of {whole(size)} are in this log"
    missing = [rank for rank in range(min(size, len(there) + _MAX_ROWS)) if rank not in there]
    more = len(missing) < size - len(there)
    return f"{text}; no entries of {rank_names(missing)}{' and more' if more else ''}"


def rank_names(ranks: Sequence[int]) -> str:
    """Return the names of ranks, those in a row as a span.

    >>> rank_names([3])
    'rank 3'
    >>> rank_names([0, 1, 2, 5])
    'ranks 0 to 2, 5'
    """
    spans = ", ".join(_spans(sorted(ranks)))
    return f"rank{'' if len(ranks) == 1 else 's'} {spans}"


def _spans(ranks: Sequence[int]) -> Iterator[str]:
    first = 0
    for place, rank in enumerate(ranks):
        if place + 1 < len(ranks) and ranks[place + 1] == rank + 1:
            continue
        length = place - first
        yield f"{ranks[first]}{f' to {rank}' if length > 1 else f', {rank}' if length else ''}"
        first = place + 1


def moment(timestamp: str | None) -> str:
    """Return a time as people write it; a text that is none as it is."""
    when = time_of(timestamp)
    return timestamp or NONE if when is None else f"{when:%Y-%m-%d %H:%M:%S}"
