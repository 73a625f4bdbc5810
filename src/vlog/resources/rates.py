"""How fast counters rise between two readings."""

from __future__ import annotations

import time


class Rates:
    """The rise per second of counters, by name.

    A counter has no rate at its first reading, nor when it has fallen (a device that was reset).
    """

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, float]] = {}

    def of(self, name: str, counter: float, now: float | None = None) -> float | None:
        """Return the rise of `counter` per second since it was given last; None where unknown.

        Args:
            name: Tells the counters apart.
            counter: What it says now.
            now: When it was read, in seconds of `time.perf_counter`; now, if left out.
        """
        now = time.perf_counter() if now is None else now
        before = self._before.get(name)
        self._before[name] = counter, now
        if before is None or now <= before[1] or counter < before[0]:
            return None
        return (counter - before[0]) / (now - before[1])
