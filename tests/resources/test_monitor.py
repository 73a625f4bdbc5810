"""The monitor measures beside the run; a source that fails harms nobody else."""

import threading
from dataclasses import FrozenInstanceError

import orjson
import pytest

from vlog.resources import Monitor, default_sources

DEADLINE = 10.0
SHORT = 0.001


class Fixed:
    def __init__(self, name, *results):
        self.name = name
        self._results = list(results)

    def read(self):
        result = self._results.pop(0) if len(self._results) > 1 else self._results[0]
        if isinstance(result, Exception):
            raise result
        return result


@pytest.fixture
def reports():
    return []


@pytest.fixture
def make_monitor(clock, reports):
    """Make monitors, and stop them in the end."""
    monitors = []

    def make(*sources, interval_seconds=SHORT, clock=clock):
        monitor = Monitor(
            interval_seconds, clock, sources, lambda what, error: reports.append((what, error))
        )
        monitors.append(monitor)
        return monitor

    yield make
    for monitor in monitors:
        monitor.stop(DEADLINE)


def see_readings(monitor, count, act=lambda: None):
    """Start the monitor, wait for `count` readings, and return the list that they go to."""
    seen, enough = [], threading.Event()

    def take(reading):
        seen.append(reading)
        if len(seen) >= count:
            enough.set()
        act()

    monitor.on_reading = take
    monitor.start()
    assert enough.wait(DEADLINE)
    return seen


def monitor_threads():
    return [thread for thread in threading.enumerate() if thread.name == "vlog-monitor"]


class TestMeasure:
    def test_publishes_one_reading_of_every_source(self, make_monitor, clock):
        monitor = make_monitor(Fixed("a", {"x_gb": 1.5}), Fixed("b", {}), Fixed("c", {"y": 2}))
        assert monitor.latest is None

        reading = monitor.measure()

        assert {"a": {"x_gb": 1.5}, "c": {"y": 2}} == reading.values == orjson.loads(reading.json)
        assert (1, clock.monotonic()) == (reading.number, reading.taken)
        assert reading is monitor.latest

    def test_numbers_its_readings_and_leaves_the_old_ones(self, make_monitor):
        monitor = make_monitor(Fixed("a", {"x": 1}, {"x": 2}))
        first = monitor.measure()

        assert 2 == monitor.measure().number
        assert {"a": {"x": 1}} == first.values
        with pytest.raises(FrozenInstanceError):
            first.number = 5

    def test_counts_the_time_that_it_takes(self, make_monitor, clock):
        class Slow:
            name = "slow"

            def read(self):
                clock.advance(0.25)
                return {"x": 1}

        monitor = make_monitor(Slow(), Slow())
        monitor.measure()
        clock.advance(100)
        monitor.measure()

        assert 1.0 == monitor.busy_seconds


class TestFailingSource:
    def test_loses_only_its_own_fields_and_is_reported_once(self, make_monitor, reports):
        error = OSError("gone")
        monitor = make_monitor(Fixed("bad", error), Fixed("good", {"x": 1}))
        for _ in range(3):
            assert {"good": {"x": 1}} == monitor.measure().values

        assert [("resource 'bad' cannot be read", error)] == reports

    def test_is_read_again_when_it_comes_back(self, make_monitor, reports):
        bad, worse = OSError("gone"), OSError("gone again")
        monitor = make_monitor(Fixed("a", bad, {"x": 1}, worse))

        assert [{}, {"a": {"x": 1}}, {}] == [monitor.measure().values for _ in range(3)]
        assert [bad, worse] == [error for _, error in reports]

    def test_may_return_what_is_no_json(self, make_monitor, reports):
        monitor = make_monitor(Fixed("bad", {"x": object()}), Fixed("good", {"x": 1}))
        reading = monitor.measure()

        assert {"good": {"x": 1}} == reading.values == orjson.loads(reading.json)
        assert ["resource 'bad' cannot be read"] == [what for what, _ in reports]


class TestThread:
    def test_measures_again_and_again_until_it_is_stopped(self, make_monitor):
        monitor = make_monitor(Fixed("a", {"x": 1}))
        seen = see_readings(monitor, 3)
        monitor.stop(DEADLINE)

        assert [] == monitor_threads()
        assert list(range(1, len(seen) + 1)) == [reading.number for reading in seen]
        assert seen[-1] is monitor.latest

    def test_ends_at_once_however_long_its_interval_is(self, make_monitor):
        monitor = make_monitor(Fixed("a", {"x": 1}), interval_seconds=3600.0)
        see_readings(monitor, 2)  # the second one comes soon: rates need two
        monitor.stop(DEADLINE)

        assert [] == monitor_threads()

    def test_outlives_a_listener_that_raises(self, make_monitor, reports):
        error = ZeroDivisionError()

        def fail():
            raise error

        see_readings(make_monitor(Fixed("a", {"x": 1})), 3, act=fail)

        assert ("a reading could not be passed on", error) == reports[0]

    def test_may_be_stopped_by_its_own_listener(self, make_monitor):
        monitor = make_monitor()
        see_readings(monitor, 1, act=monitor.stop)
        monitor.stop(DEADLINE)

        assert [] == monitor_threads()

    def test_may_be_stopped_before_it_starts(self, make_monitor):
        monitor = make_monitor()
        monitor.stop()

        assert monitor.latest is None


class TestDefaultSources:
    def test_are_those_of_the_schema_and_fresh_each_time(self):
        assert ["cpu", "memory", "process"] == [source.name for source in default_sources()]
        assert set(map(id, default_sources())).isdisjoint(map(id, default_sources()))
