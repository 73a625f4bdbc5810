"""What is kept of each rank of a run: how far it came, how it ended, what it warned of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.analysis.fields import integer_at, number_at, text_at, time_of
from vlog.analysis.processes import is_alive, is_this_host
from vlog.analysis.run_summary import Alert, RankSummary, State
from vlog.schema import END_EVENTS, EventType

if TYPE_CHECKING:
    from vlog.analysis.facts import Facts

_MAX_ALERTS = 200  # rubbish can have any number of them
KILLED = "did not end by itself: no end entry; killed, out of memory, power loss, or a full disk"


class RankCollector:
    """One rank of a run, while its entries come in. It stays small: a run can have thousands.

    Attributes:
        summary: What is known so far; complete after `finish`.
        alerts: Its alerts by name and subject.
        has_ended: Whether an end entry has come.
    """

    def __init__(self, rank: int | None) -> None:
        self.summary = RankSummary(rank=rank)
        self.alerts: dict[tuple[str, str | None], Alert] = {}
        self.has_ended = False

    def add(self, entry: dict[str, Any]) -> None:
        """Take in the rank's next entry."""
        summary, kind = self.summary, entry.get("type")
        summary.entries += 1
        timestamp = text_at(entry, "timestamp")
        summary.started = summary.started or timestamp
        summary.last = timestamp or summary.last
        summary.pid = summary.pid or integer_at(entry, "pid")
        step = integer_at(entry, "step")
        summary.step = step if step is not None else summary.step
        if "alert" in entry:
            self._add_alert(entry)
        if kind == EventType.SYSTEM_INITIALIZATION:
            summary.host = text_at(entry, "environment", "host", "hostname")
        elif isinstance(kind, str) and kind in END_EVENTS:
            self.has_ended = True
            summary.state, summary.ending = _ending(entry)

    def add_facts(self, facts: Facts) -> None:
        """Take in the facts of the rank's next entries, which are of one process."""
        summary = self.summary
        summary.entries += facts.count
        summary.started = summary.started or facts.first_timestamp
        summary.last = facts.last_timestamp
        summary.pid = summary.pid or facts.pid
        summary.step = facts.step

    def _add_alert(self, entry: dict[str, Any]) -> None:
        key = name, subject = str(entry["alert"]), text_at(entry, "subject")
        if key not in self.alerts and len(self.alerts) >= _MAX_ALERTS:
            return
        alert = self.alerts.setdefault(key, Alert(name, subject))
        alert.is_active = entry.get("type") != EventType.ALERT_RESOLVED
        if not alert.is_active:
            seconds = number_at(entry, "active_seconds") or 0.0
            alert.active_seconds = (alert.active_seconds or 0.0) + seconds
            return
        alert.count += 1
        self.summary.alerts += 1
        alert.level = alert.level or text_at(entry, "level")
        alert.message = alert.message or text_at(entry, "message")
        if alert.first_step is None:
            alert.first_step = integer_at(entry, "step")

    def finish(self, *, is_superseded: bool) -> RankSummary:
        """Return the summary.

        Args:
            is_superseded: Whether the rank's process has begun another run since.
        """
        if not self.has_ended:
            self._finish_without_end(is_superseded=is_superseded)
        return self.summary

    def _finish_without_end(self, *, is_superseded: bool) -> None:
        summary = self.summary
        began = time_of(summary.started)
        if not is_this_host(summary.host):
            where = f"; it ran on {summary.host}" if summary.host else ""
            summary.state, summary.ending = State.UNKNOWN, f"no end entry{where}"
        elif (
            summary.pid and began and not is_superseded and is_alive(summary.pid, began.timestamp())
        ):
            summary.state, summary.ending = State.RUNNING, f"process {summary.pid} is alive"
        else:
            summary.state, summary.ending = State.ENDED_ABNORMALLY, KILLED


def _ending(entry: dict[str, Any]) -> tuple[State, str]:
    if entry["type"] == EventType.TRAINING_COMPLETE:
        return State.COMPLETE, "the training ended by itself"
    if entry["type"] == EventType.TRAINING_INTERRUPTED:
        return State.INTERRUPTED, text_at(entry, "reason") or "no reason is given"
    kind, message = (text_at(entry, "exception", name) for name in ("type", "message"))
    if kind is None:
        return State.FAILED, text_at(entry, "message") or "no exception is given"
    return State.FAILED, f"{kind}: {message}" if message else kind
