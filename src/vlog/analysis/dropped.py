"""What a log says about entries that are missing: its `logging_gap` entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from vlog.analysis.fields import integer_at, text_at
from vlog.schema import EventType

if TYPE_CHECKING:
    from vlog.analysis.run_summary import Missing
    from vlog.file_lines import Line


class Place(NamedTuple):
    """Where an entry stands in its run: one number, or those that a gap stands for.

    Attributes:
        run_id: Its run.
        rank: Its rank.
        first: Its `seq`, or the first that is missing.
        last: Its `seq`.
    """

    run_id: str
    rank: int
    first: int
    last: int

    @property
    def whose(self) -> str:
        """The run and rank, in words."""
        return f"of run {self.run_id}, rank {self.rank}"


def place_of(entry: dict[str, Any]) -> Place | None:
    """Return the place of an entry in its run; None if it is of no run."""
    run_id, rank, seq = entry.get("run_id"), entry.get("rank"), entry.get("seq")
    if not isinstance(run_id, str) or type(rank) is not int or type(seq) is not int:
        return None
    first = integer_at(entry, "first_seq") if is_gap(entry) else None
    return Place(run_id, rank, seq if first is None else min(first, seq), seq)


def is_gap(entry: dict[str, Any]) -> bool:
    """Return whether an entry stands in the place of some that are missing."""
    return entry.get("type") == EventType.LOGGING_GAP


@dataclass(frozen=True, slots=True)
class Dropped:
    """Entries that are missing, and that the log says so of.

    Attributes:
        file: The file that says so.
        line: The number of the line that says so.
        count: How many entries; None if it does not say.
        reason: Why.
        run_id: Their run; None if they were of none.
        rank: Their rank.
        first_seq: `seq` of the first of them.
        last_seq: `seq` of the last of them. Not each number between them need be missing: a
            handler's level leaves entries out.
        first_time: Timestamp of the first of them.
        last_time: Timestamp of the last of them.
    """

    file: str
    line: int
    count: int | None
    reason: str
    run_id: str | None = None
    rank: int | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    first_time: str | None = None
    last_time: str | None = None


def dropped_of(entry: dict[str, Any], line: Line) -> Dropped:
    """Return what a `logging_gap` entry says."""
    return Dropped(
        str(line.path),
        line.number,
        integer_at(entry, "dropped"),
        _reason_of(entry),
        text_at(entry, "run_id"),
        integer_at(entry, "rank"),
        integer_at(entry, "first_seq"),
        integer_at(entry, "last_seq"),
        text_at(entry, "first_dropped"),
        text_at(entry, "last_dropped"),
    )


def add_missing(missing: Missing, entry: dict[str, Any]) -> None:
    """Add what a `logging_gap` entry says to what others say."""
    missing.gaps += 1
    missing.entries += integer_at(entry, "dropped") or 0
    missing.reason = _reason_of(entry)
    missing.first = missing.first or text_at(entry, "first_dropped")
    missing.last = text_at(entry, "last_dropped") or missing.last


def _reason_of(entry: dict[str, Any]) -> str:
    return text_at(entry, "reason") or text_at(entry, "message") or "no reason is given"


def contradiction(entry: dict[str, Any]) -> str | None:
    """Return what does not fit together in a `logging_gap` entry, or None."""
    first, last, seq, count = (
        integer_at(entry, name) for name in ("first_seq", "last_seq", "seq", "dropped")
    )
    if seq is None or first is None or last is None or count is None:
        return None
    if first <= last == seq and 1 <= count <= last - first + 1:
        return None
    return f"{count} entries dropped, seq {first} to {last}, in an entry of seq {seq}: impossible"
