"""What stands in a log where entries are missing: how many, which, why, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from vlog.redaction import redact_text
from vlog.schema import EVENTS, EventType
from vlog.values import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping


class Origin(NamedTuple):
    """Which entry it was: the fields by which a gap names it. None where it has none."""

    timestamp: str | None
    run_id: str | None = None
    rank: int | None = None
    pid: int | None = None
    seq: int | None = None
    step: int | None = None
    epoch: float | None = None

    @property
    def run(self) -> tuple[str | None, int | None]:
        """The run and rank that it is of; entries of different ones have gaps of their own."""
        return self.run_id, self.rank


def origin_of(entry: Mapping[str, Any]) -> Origin:
    """Return the origin of an entry."""
    return Origin(*(entry.get(name) for name in Origin._fields))


@dataclass(slots=True)
class Gap:
    """Entries of one run that are dropped, one after the other.

    Attributes:
        first: The first of them.
        last: The last.
        reason: Why the first was dropped.
        dropped: How many.
        what: What became of them, in a word.
    """

    first: Origin
    last: Origin
    reason: str
    dropped: int = 1
    what: str = "dropped"

    def add(self, origin: Origin) -> None:
        """Count one more."""
        self.last = origin
        self.dropped += 1

    def entry(self, timestamp: str | None) -> dict[str, Any]:
        """Return the `logging_gap` entry; its `seq` is that of the last entry that is missing."""
        first, last, event = self.first, self.last, EVENTS[EventType.LOGGING_GAP]
        entries = "1 entry" if self.dropped == 1 else f"{self.dropped} entries"
        run, place, numbers, times = {}, {}, {}, {}
        if last.seq is not None:
            run = {"run_id": last.run_id, "rank": last.rank, "pid": last.pid, "seq": last.seq}
            place = {"step": last.step, "epoch": last.epoch}
            numbers = {"first_seq": first.seq, "last_seq": last.seq}
        if first.timestamp is not None:
            times = {"first_dropped": first.timestamp, "last_dropped": last.timestamp}
        return {
            "timestamp": timestamp,
            "type": str(EventType.LOGGING_GAP),
            "level": str(event.severity),
            "message": f"⛔ {entries} {self.what}: {self.reason}",
            **run,
            "verbosity": event.tier.label,
            **place,
            "dropped": self.dropped,
            **numbers,
            **times,
            "reason": self.reason,
        }


def reason_of(error: BaseException | None) -> str:
    """Return an error in one line, without its path: that stands beside it."""
    if error is None:
        return "unknown"
    text = str(error)
    if isinstance(error, OSError) and error.errno and error.strerror:
        text = f"[Errno {error.errno}] {error.strerror}"
    return redact_text(clean_text(f"{type(error).__name__}: {' '.join(text.split())}"))[:500]
