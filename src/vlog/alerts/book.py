"""Which alerts are on: each crossing is told once, and once that it is over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an alert.

    Attributes:
        is_raised: True at the crossing, False when it is over.
        active_seconds: How long it was on; 0.0 at the crossing.
    """

    is_raised: bool
    active_seconds: float


class AlertBook:
    """Which alerts are on, of which subject, since when, and how many there were.

    Attributes:
        raised: Number of alerts so far.
    """

    def __init__(self) -> None:
        self._since: dict[tuple[str, str | None], float] = {}
        self.raised = 0

    @property
    def active(self) -> frozenset[tuple[str, str | None]]:
        """Name and subject of the alerts that are on."""
        return frozenset(self._since)

    def update(self, name: str, subject: str | None, is_on: bool, now: float) -> Transition | None:
        """Note the alert's state at `now` (monotonic seconds) and return a change of it.

        Args:
            name: The alert's.
            subject: What it is about, where there are several: a device, a file system.
            is_on: Whether it is on.
            now: Monotonic seconds.
        """
        key = name, subject
        if is_on and key not in self._since:
            self._since[key] = now
            self.raised += 1
            return Transition(is_raised=True, active_seconds=0.0)
        if not is_on and key in self._since:
            return Transition(is_raised=False, active_seconds=round(now - self._since.pop(key), 6))
        return None
