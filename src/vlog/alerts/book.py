"""Which alerts are on: each crossing is told once, and once that it is over."""

from __future__ import annotations

from dataclasses import dataclass

Key = tuple[str, str | None]


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
        self._since: dict[Key, float] = {}
        self._changing: dict[Key, float] = {}  # since when it looks otherwise than it is noted
        self.raised = 0

    @property
    def active(self) -> frozenset[Key]:
        """Name and subject of the alerts that are on."""
        return frozenset(self._since)

    @property
    def is_quiet(self) -> bool:
        """Whether none is on, nor perhaps about to be."""
        return not self._since and not self._changing

    def update(
        self, key: Key, is_on: bool, now: float, after_seconds: float = 0.0
    ) -> Transition | None:
        """Note the alert's state at `now` and return a change of it.

        Args:
            key: Its name, and what it is about, where there are several: a device, a disk.
            is_on: Whether it is on.
            now: Monotonic seconds.
            after_seconds: How long it must be otherwise before that is a change.
        """
        if is_on == (key in self._since):
            self._changing.pop(key, None)
            return None
        if now - self._changing.setdefault(key, now) < after_seconds:
            return None
        del self._changing[key]
        if is_on:
            self._since[key] = now
            self.raised += 1
            return Transition(is_raised=True, active_seconds=0.0)
        return Transition(is_raised=False, active_seconds=round(now - self._since.pop(key), 6))
