"""What stands in a log where entries are missing: how many, which, why, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from vlog.redaction import redact_text
from vlog.schema import EventType, Severity
from vlog.values import clean_text
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Mapping


class Origin(NamedTuple):
    """Which entry it was: the fields by which a gap names it. None where it has none."""

    timestamp: str
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
    return Origin(*(entry.get(name) for name in Origin._fields))  # type: ignore[arg-type]


@dataclass(slots=True)
class Gap:
    """Entries of one run that are dropped, one after the other.

    Attributes:
        first: The first of them.
        last: The last.
        reason: Why the first was dropped.
        dropped: How many.
    """

    first: Origin
    last: Origin
    reason: str
    dropped: int = 1

    def add(self, origin: Origin) -> None:
        """Count one more."""
        self.last = origin
        self.dropped += 1

    def entry(self, timestamp: str) -> dict[str, Any]:
        """Return the `logging_gap` entry; its `seq` is that of the last entry that is missing."""
        first, last = self.first, self.last
        entries = "1 entry" if self.dropped == 1 else f"{self.dropped} entries"
        entry: dict[str, Any] = {
            "timestamp": timestamp,
            "type": str(EventType.LOGGING_GAP),
            "level": str(Severity.ERROR),
            "message": f"⛔ {entries} dropped: {self.reason}",
        }
        if last.seq is not None:
            entry |= {
                "run_id": last.run_id,
                "rank": last.rank,
                "pid": last.pid,
                "seq": last.seq,
                "verbosity": Verbosity.LOW.label,
                "step": last.step,
                "epoch": last.epoch,
                "first_seq": first.seq,
                "last_seq": last.seq,
            }
        else:
            entry["verbosity"] = Verbosity.LOW.label
        return entry | {
            "dropped": self.dropped,
            "first_dropped": first.timestamp,
            "last_dropped": last.timestamp,
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
