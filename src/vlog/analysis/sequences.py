"""Whether entries are missing or come again, by their `seq`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.analysis.dropped import contradiction, is_gap, place_of
from vlog.schema import SCHEMA_VERSION
from vlog.segments import list_segments, log_of

if TYPE_CHECKING:
    from vlog.analysis.dropped import Place
    from vlog.file_lines import Line


class Sequences:
    """The `seq` that comes next, by run and rank. A `logging_gap` stands for those it names."""

    def __init__(self) -> None:
        self._next: dict[tuple[str, int], int] = {}

    @property
    def run_ids(self) -> set[str]:
        """The runs so far."""
        return {run_id for run_id, _ in self._next}

    def go_on(self, entries: list[Any]) -> bool:
        """Take in entries if each is the next of a run that is known; if not, none of them.

        Args:
            entries: Objects with a `run_id`, `rank` and `seq`; no `logging_gap` among them.
        """
        reached: dict[tuple[str, int], int] = {}
        run_id, rank = entries[0].run_id, entries[0].rank
        expected = self._next.get((run_id, rank), -1)
        for entry in entries:
            if entry.run_id != run_id or entry.rank != rank:
                reached[run_id, rank] = expected
                run_id, rank = entry.run_id, entry.rank
                expected = reached.get((run_id, rank), self._next.get((run_id, rank), -1))
            if entry.seq != expected:  # of an unknown run, too
                return False
            expected += 1
        reached[run_id, rank] = expected
        self._next |= reached
        return True

    def check(self, entry: dict[str, Any], line: Line) -> list[str]:
        """Return what is wrong with an entry's place in its run."""
        place = place_of(entry)
        if place is None:
            return []  # the entry's own check has said so
        impossible = contradiction(entry) if is_gap(entry) else None
        reasons = [] if impossible is None else [impossible]
        key = (place.run_id, place.rank)
        if key not in self._next:
            is_begun = not self._next and follows_removed_segments(line)
            self._next[key] = place.last + 1
            return reasons if is_begun else [*reasons, *_check_first(entry, place)]
        expected = self._next[key]
        self._next[key] = max(expected, place.last + 1)
        if place.first < expected:
            again = f"seq {place.first} {place.whose} comes again"
            return [*reasons, f"{again} (seq {expected - 1} has been there)"]
        return [*reasons, *_missing(expected, place)]


def _check_first(entry: dict[str, Any], place: Place) -> list[str]:
    reasons = _missing(0, place)
    if is_gap(entry):
        return reasons  # what the first entry says is among what is missing
    if "schema_version" not in entry:
        return [*reasons, f"the first entry {place.whose} has no `schema_version`"]
    version = entry["schema_version"]
    if type(version) is int and version > SCHEMA_VERSION:
        reasons.append(f"schema version {version} is newer than {SCHEMA_VERSION}: upgrade vlog")
    return reasons


def _missing(expected: int, place: Place) -> list[str]:
    if place.first <= expected:
        return []
    numbers = numbers_text(expected, place.first - 1)
    return [f"{numbers} {place.whose} missing before this entry"]


def numbers_text(first: int, last: int) -> str:
    """Return the numbers of some entries, in words."""
    return f"seq {first}" if first == last else f"seq {first} to {last}"


def follows_removed_segments(line: Line) -> bool:
    """Return whether the log's oldest segments are gone, given its first line."""
    log = log_of(line.path)
    if log == line.path or line.number != 1:
        return False
    segments = list_segments(log)
    return bool(segments) and segments[0].number > 1
