"""The thread that measures, and the reading that it leaves for everybody else to pick up.

The training thread never measures and never waits: it looks at `Monitor.latest`, which is one
immutable reading, encoded once.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from vlog.resources.host import HostCpu, HostMemory
from vlog.resources.process import OwnProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlog.clock import Clock

_FIRST_INTERVAL_SECONDS = 0.2  # rates need two measurements: the second one comes soon


class Source(Protocol):
    """One thing that can be measured: the extension point of the monitor."""

    name: str
    """The key of its fields in `resource_usage`."""

    def read(self) -> dict[str, Any]:
        """Measure now. Return its fields with the unit in the key; none where there are none."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of every source.

    Attributes:
        number: Its place, from 1, so that a reader can tell a new one from an old one.
        taken: When, in seconds of the monotonic clock.
        values: The fields by source. Nobody changes them.
        json: `values`, encoded.
    """

    number: int
    taken: float
    values: dict[str, dict[str, Any]]
    json: bytes


def default_sources() -> list[Source]:
    """Return a fresh instance of every source that this machine can be asked for."""
    return [HostCpu(), HostMemory(), OwnProcess()]


class Monitor:
    """Measure every source at an interval, in a thread of its own.

    A source that raises loses its own fields and nobody else's; the first error of each is
    reported, and it is asked again the next time.

    Args:
        interval_seconds: Time between two readings.
        clock: Stamps the readings.
        sources: What to measure.
        report: Told once of each source that fails: `report(what, error)`.

    Attributes:
        on_reading: Called in the monitor's thread with each new reading, if it is set.
        latest: The last reading, or None before the first one.
        busy_seconds: Time spent measuring.
    """

    def __init__(
        self,
        interval_seconds: float,
        clock: Clock,
        sources: Sequence[Source],
        report: Callable[[str, BaseException], None],
    ) -> None:
        self.on_reading: Callable[[Reading], None] | None = None
        self.latest: Reading | None = None
        self.busy_seconds = 0.0
        self._interval = interval_seconds
        self._clock = clock
        self._sources = sources
        self._report = report
        self._failing: set[str] = set()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. It dies with the process and does not survive a fork."""
        self._thread = threading.Thread(target=self._run, name="vlog-monitor", daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float = 1.0) -> None:
        """Ask the thread to end, and wait for it no longer than `timeout_seconds`."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)

    def measure(self) -> Reading:
        """Measure every source now, in the calling thread, and publish the reading."""
        started = self._clock.monotonic()
        values = {}
        encoded = {}
        for source in self._sources:
            fields, json = self._read(source)
            if fields:
                values[source.name] = fields
                encoded[source.name] = orjson.Fragment(json)
        number = 1 if self.latest is None else self.latest.number + 1
        self.latest = Reading(number, self._clock.monotonic(), values, orjson.dumps(encoded))
        self.busy_seconds += self._clock.monotonic() - started
        return self.latest

    def _read(self, source: Source) -> tuple[dict[str, Any], bytes]:
        try:
            fields = source.read()
            json = orjson.dumps(fields)
        except Exception as error:  # noqa: BLE001 - a source may raise anything, and is asked again
            if source.name not in self._failing:
                self._failing.add(source.name)
                self._report(f"resource {source.name!r} cannot be read", error)
            return {}, b""
        self._failing.discard(source.name)
        return fields, json

    def _run(self) -> None:
        interval = min(_FIRST_INTERVAL_SECONDS, self._interval)
        while True:
            reading = self.measure()
            if self.on_reading is not None:
                try:
                    self.on_reading(reading)
                except Exception as error:  # noqa: BLE001 - the next reading must still come
                    self._report("a reading could not be passed on", error)
            if self._stopped.wait(interval):
                return
            interval = self._interval
