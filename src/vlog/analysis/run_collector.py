"""One run of all ranks: its course as the lowest rank tells it, and each rank's end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.analysis.dropped import add_missing, is_gap
from vlog.analysis.quick_collector import QuickCollector
from vlog.analysis.rank_collector import RankCollector
from vlog.analysis.run_summary import Missing

if TYPE_CHECKING:
    from vlog.analysis.facts import Facts
    from vlog.analysis.run_summary import Alert, RunSummary

    Process = tuple[str | None, int | None]


class RunCollector:
    """A run, while the entries of its ranks come in, in any order of the ranks.

    Args:
        run_id: Its name; None for entries that name none.
        rank: The rank of the first entry.
    """

    def __init__(self, run_id: str | None, rank: int = 0) -> None:
        self._run_id = run_id
        self._ranks: dict[int, RankCollector] = {}
        self._missing = Missing()
        self._follow_course_of(rank)

    def _follow_course_of(self, rank: int) -> None:
        self._lowest = rank
        self._course = QuickCollector(self._run_id, None if self._run_id is None else rank)

    @property
    def has_ended(self) -> bool:
        """Whether each rank has its end entry."""
        return bool(self._ranks) and all(rank.has_ended for rank in self._ranks.values())

    def add(self, entry: dict[str, Any], rank: int = 0) -> None:
        """Take in the next entry of `rank`."""
        self._rank(rank).add(entry)
        if is_gap(entry):
            add_missing(self._missing, entry)
        if rank == self._lowest:
            self._course.add(entry)

    def add_facts(self, facts: Facts) -> None:
        """Take in the facts of the next entries, which are of one process."""
        self._rank(facts.rank).add_facts(facts)
        if facts.rank == self._lowest:
            self._course.add_facts(facts)

    def _rank(self, rank: int) -> RankCollector:
        if rank not in self._ranks:
            self._ranks[rank] = RankCollector(None if self._run_id is None else rank)
            if rank < self._lowest:
                self._follow_course_of(rank)
        return self._ranks[rank]

    @property
    def processes(self) -> set[Process]:
        """Host and number of each rank's process."""
        summaries = (rank.summary for rank in self._ranks.values())
        return {(each.host, each.pid) for each in summaries}

    def finish(self, superseded: set[Process]) -> RunSummary:
        """Return the summary.

        Args:
            superseded: The processes that have begun another run since.
        """
        ranks = [self._ranks[rank] for rank in sorted(self._ranks)]
        ends = [
            rank.finish(is_superseded=(rank.summary.host, rank.summary.pid) in superseded)
            for rank in ranks
        ]
        summary = self._course.finish()
        summary.ranks = ends
        summary.state, summary.ending = ends[0].state, ends[0].ending
        summary.alerts = _joined(ranks)
        summary.missing = self._missing
        return summary


def _joined(ranks: list[RankCollector]) -> list[Alert]:
    """Return the alerts of all ranks; one that several raised as its lowest rank told it."""
    alerts: dict[tuple[str, str | None], Alert] = {}
    for rank in ranks:
        for key, alert in rank.alerts.items():
            alerts.setdefault(key, alert).ranks.append(rank.summary.rank or 0)
    return list(alerts.values())
