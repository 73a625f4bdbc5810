"""The thread that measures, and the reading that it leaves for everybody else to pick up.

The training thread never measures and never waits: it looks at `Monitor.latest`, which is one
immutable reading, encoded once.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

import orjson

from vlog.clock import SystemClock, iso_timestamp
from vlog.resources.reading import Missing, Reading
from vlog.resources.sampler import FIRST_INTERVAL_SECONDS, Sampler, reason_of
from vlog.resources.source import Lost, is_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vlog.clock import Clock
    from vlog.resources.source import Source

_POLL_SECONDS = 0.02
_HANG_SECONDS = 5.0
_TICK_SECONDS = 1.0


class Monitor:
    """Measure every source at its pace, and publish what they say at an interval.

    A source that can block has a thread of its own, the others share the monitor's. One that
    raises, hangs or says what cannot be true loses its own fields and nobody else's; the first
    error of each is reported, and it is asked again.

    Args:
        interval_seconds: Time between two readings.
        clock: Stamps the readings.
        sources: What to measure.
        report: Told once of each fault: `report(what, error)`. What a machine has not got is none.
        hidden: Sections that alerts see and entries do not carry.

    Attributes:
        on_reading: Called in the monitor's thread with each new reading, if it is set.
        on_tick: Called there at each second or so, whatever the interval is, if it is set.
        latest: The last reading, or None before the first one.
    """

    def __init__(
        self,
        interval_seconds: float,
        clock: Clock,
        sources: Sequence[Source],
        report: Callable[[str, BaseException], None],
        *,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self.on_reading: Callable[[Reading], None] | None = None
        self.on_tick: Callable[[], None] | None = None
        self.latest: Reading | None = None
        self._interval = interval_seconds
        self._clock = clock
        self._report = report
        self._hidden = hidden
        self._samplers = [Sampler(source, clock, interval_seconds) for source in sources]
        self._missing: Mapping[str, Missing] = {}
        self._noticed: dict[str, float] = {}
        self._reported: set[str] = set()
        self._own_cpu_seconds = 0.0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far."""
        return self._own_cpu_seconds + sum(each.cpu_seconds for each in self._samplers)

    def start(self) -> None:
        """Start the threads. They die with the process and do not survive a fork."""
        thread = threading.Thread(target=self._run, name="vlog-monitor", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the process may have no more of them
            self._report("the monitor's thread cannot be started: nothing is measured", error)
            self._start_samplers()
        else:
            self._thread = thread

    def stop(self, timeout_seconds: float = 1.0) -> None:
        """Ask the threads to end, and wait for them no longer than `timeout_seconds`."""
        deadline = time.monotonic() + timeout_seconds
        self._stopped.set()
        for sampler in self._samplers:
            sampler.stop(0.0)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(max(deadline - time.monotonic(), 0.0))
        for sampler in self._samplers:  # not before: the monitor's thread starts theirs
            sampler.stop(max(deadline - time.monotonic(), 0.0))

    def settle(self, timeout_seconds: float) -> Reading:
        """Wait until every source has answered twice, and return a reading of that.

        Args:
            timeout_seconds: Wait no longer than this for those that do not answer.
        """
        deadline = time.monotonic() + timeout_seconds
        enough: int | None = None
        while time.monotonic() < deadline:
            if enough is None and all(each.has_settled for each in self._samplers):
                enough = 0 if self.latest is None else self.latest.number
            if enough is not None and self.latest is not None and self.latest.number > enough:
                break
            time.sleep(_POLL_SECONDS)
        return self.measure() if self.latest is None else self.latest

    def measure(self) -> Reading:
        """Read what cannot block, in the calling thread, and publish a reading of everything."""
        for sampler in self._samplers:
            if not sampler.can_block:
                sampler.read_if_due(self._interval / 2)
        self.latest = self._compose()
        return self.latest

    def _compose(self) -> Reading:
        """Return a reading of what every source said last."""
        now = self._clock.monotonic()
        values: dict[str, dict[str, Any]] = {}
        gaps: dict[str, tuple[Exception, float | None]] = {}
        for sampler in self._samplers:
            section, name = sampler.look(), sampler.source.name
            if section.values:
                age = round(now - section.taken, 1)
                values[name] = {**section.values, "age_seconds": age} if age else section.values
            for path, error in section.gaps.items():
                gaps[f"{name}.{path}" if path else name] = error, section.silent_since
        self._note(gaps, now)
        number = 1 if self.latest is None else self.latest.number + 1
        written = {name: values[name] for name in values if name not in self._hidden}
        return Reading(number, now, values, orjson.dumps(written), self._missing)

    def _note(self, gaps: dict[str, tuple[Exception, float | None]], now: float) -> None:
        """Keep what is missing and since when; report the faults among it that are new."""
        missing = {}
        self._noticed = {path: self._noticed.get(path, now) for path in gaps}
        for path, (error, silent_since) in gaps.items():
            is_lost, known = isinstance(error, Lost), self._missing.get(path)
            if isinstance(error, TimeoutError):  # a part that hangs, of a section that goes on
                is_lost = is_lost or now - self._noticed[path] > _HANG_SECONDS
            if known is None or known.is_lost != is_lost:
                seconds_ago = now - silent_since if silent_since is not None else 0.0
                since = iso_timestamp(self._clock.wall() - seconds_ago)
                known = Missing(reason_of(error), known.since if known else since, is_lost)
            missing[path] = known
            if not is_unavailable(error) and path not in self._reported:
                self._reported.add(path)
                self._report(f"resource {path!r} cannot be read", error)
        self._reported &= missing.keys()
        if missing != self._missing:
            self._missing = missing

    def adjust(self, interval_seconds: float, hidden: frozenset[str]) -> None:
        """Go on with another interval and other hidden sections, from the next reading on.

        A source that can block is read at the new pace after its next reading.
        """
        self._interval, self._hidden = interval_seconds, hidden
        for sampler in self._samplers:
            sampler.adjust(interval_seconds)

    def _start_samplers(self) -> None:
        for sampler in self._samplers:
            sampler.start()

    def _run(self) -> None:
        self._start_samplers()  # here, so that the training waits for one thread alone
        longest = FIRST_INTERVAL_SECONDS
        while not self._stopped.is_set():
            began = self._clock.monotonic()
            reading = self.measure()
            if self.on_reading is not None:
                self._tell(self.on_reading, reading)
            self._own_cpu_seconds = time.thread_time()
            self._wait(began, longest)
            longest = math.inf
        for sampler in self._samplers:
            if not sampler.can_block:
                sampler.close()

    def _wait(self, began: float, longest: float) -> None:
        """Wait for the interval, with a tick now and then; one that comes meanwhile counts.

        Args:
            began: When the last reading began, in monotonic seconds.
            longest: Wait no more seconds than this.
        """
        while not self._stopped.is_set():
            rest = began + min(longest, self._interval) - self._clock.monotonic()
            self._stopped.wait(min(max(rest, 0.0), _TICK_SECONDS))
            if self.on_tick is not None:
                self._tell(self.on_tick)
            if rest <= _TICK_SECONDS:
                return

    def _tell(self, listener: Callable[..., None], *what: Any) -> None:
        try:
            listener(*what)
        except Exception as error:  # noqa: BLE001 - the next reading must still come
            self._report("a reading could not be passed on", error)


def measure_once(
    sources: Sequence[Source],
    report: Callable[[str, BaseException], None],
    timeout_seconds: float = 3.0,
) -> Reading:
    """Return one reading with everything in it, rates too.

    It takes half a second, or up to `timeout_seconds` where a source does not answer.
    """
    monitor = Monitor(FIRST_INTERVAL_SECONDS, SystemClock(), sources, report)
    monitor.start()
    try:
        return monitor.settle(timeout_seconds)
    finally:
        monitor.stop(timeout_seconds=1.0)
