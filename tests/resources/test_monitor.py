"""The monitor measures beside the run; a source that fails harms nobody else."""

import threading
from dataclasses import FrozenInstanceError

import orjson
import pytest
from monitored import Fixed, Hanging, reading
from processes import wait_for

from vlog.clock import SystemClock, iso_timestamp
from vlog.resources import Fields, Missing, Monitor, Unavailable, default_sources, measure_once
from vlog.schema import RESOURCE_USAGE

DEADLINE = 10.0
SHORT = 0.001


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

    def test_tells_how_old_a_section_is_that_is_read_at_a_slower_pace(self, make_monitor, clock):
        monitor = make_monitor(
            Fixed("a", {"x": 1}), Fixed("slow", {"y": 2}, pace_seconds=60.0), interval_seconds=1.0
        )
        for _ in range(3):
            reading = monitor.measure()
            clock.advance(2.0)

        assert {"a": {"x": 1}, "slow": {"y": 2, "age_seconds": 2.0}} == reading.values

    def test_hides_a_section_from_entries_alone(self, reports, clock):
        sources = [Fixed("a", {"x": 1}), Fixed("b", {"y": 2})]
        monitor = Monitor(1.0, clock, sources, reports.append, hidden=frozenset({"b"}))
        reading = monitor.measure()

        assert {"a": {"x": 1}, "b": {"y": 2}} == reading.values
        assert {"a": {"x": 1}} == orjson.loads(reading.json)


class TestFailingSource:
    def test_loses_only_its_own_fields_and_is_reported_once(self, make_monitor, reports):
        error = OSError("gone")
        monitor = make_monitor(Fixed("bad", error), Fixed("good", {"x": 1}))
        for _ in range(3):
            assert {"good": {"x": 1}} == monitor.measure().values

        assert [("resource 'bad' cannot be read", error)] == reports

    def test_is_read_again_when_it_comes_back(self, make_monitor, reports, clock):
        bad, worse = OSError("gone"), OSError("gone again")
        monitor = make_monitor(Fixed("a", bad, {"x": 1}, worse))
        found = []
        for _ in range(3):
            found.append(monitor.measure().values)
            clock.advance(1)

        assert [{}, {"a": {"x": 1}}, {}] == found
        assert [bad, worse] == [error for _, error in reports]

    def test_may_return_rubbish(self, make_monitor, reports):
        monitor = make_monitor(
            Fixed("bad", {"x": object(), "y": 1}), Fixed("worse", 3), Fixed("good", {"x": 1})
        )
        reading = monitor.measure()

        assert {"bad": {"y": 1}, "good": {"x": 1}} == reading.values == orjson.loads(reading.json)
        assert ["resource 'bad.x' cannot be read", "resource 'worse' cannot be read"] == [
            what for what, _ in reports
        ]


class TestMissing:
    def test_names_what_is_not_read_and_since_when(self, make_monitor, clock):
        monitor = make_monitor(Fixed("a", Unavailable("no such thing")), Fixed("b", {"x": 1}))
        since = iso_timestamp(clock.wall())
        readings = [monitor.measure()]
        clock.advance(50)
        readings.append(monitor.measure())

        assert [{"a": Missing("no such thing", since)}] * 2 == [each.missing for each in readings]
        assert readings[0].missing is readings[1].missing  # so that a change is seen at once

    def test_reports_no_fault_where_a_machine_has_not_got_something(self, make_monitor, reports):
        make_monitor(
            Fixed("a", Unavailable("none")), Fixed("b", FileNotFoundError(2, "x"))
        ).measure()

        assert [] == reports

    def test_is_empty_again_when_it_comes_late(self, make_monitor, clock):
        monitor = make_monitor(Fixed("a", Unavailable("none yet"), {"x": 1}))
        monitor.measure()
        clock.advance(31)
        reading = monitor.measure()

        assert ({"a": {"x": 1}}, {}) == (reading.values, reading.missing)

    def test_tells_what_was_there_and_is_gone_from_when_it_worked_last(self, make_monitor, clock):
        monitor = make_monitor(Fixed("a", {"x": 1}, OSError(5, "bus error")))
        monitor.measure()
        worked = iso_timestamp(clock.wall())
        for _ in range(3):
            clock.advance(3)
            reading = monitor.measure()

        assert {
            "a": Missing("OSError: [Errno 5] bus error", worked, is_lost=True)
        } == reading.missing

    def test_tells_a_part_that_hangs_for_long_as_one_that_is_gone(self, make_monitor, clock):
        fields = Fields({"x": 1})
        fields.gaps["part"] = TimeoutError("/mnt does not answer")
        monitor = make_monitor(Fixed("a", fields))
        found = []
        for _ in range(3):
            found.append(monitor.measure().missing["a.part"].is_lost)
            clock.advance(4)

        assert [False, False, True] == found


class TestHangingSource:
    def test_holds_up_nobody_and_is_named(self, make_monitor):
        hanging = Hanging("hangs", {"y": 1}, answers=1)
        monitor = make_monitor(hanging, Fixed("good", {"x": 1}), clock=SystemClock())
        monitor._samplers[0]._patience = 0.05
        monitor.start()
        wait_for(lambda: "hangs" in (monitor.latest or reading()).missing, "it is named")
        before = monitor.latest.number
        wait_for(lambda: monitor.latest.number > before + 5, "the others go on")
        latest = monitor.latest
        hanging.answers = 10**9
        hanging.may_go_on.set()

        assert {"good"} == set(latest.values)
        assert latest.missing["hangs"].is_lost
        wait_for(lambda: "hangs" in monitor.latest.values, "it comes back")


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

    def test_takes_up_a_shorter_interval_while_it_waits(self, make_monitor, clock, monkeypatch):
        monkeypatch.setattr("vlog.resources.monitor._TICK_SECONDS", SHORT)
        monitor = make_monitor(Fixed("a", {"x": 1}, {"x": 2}, {"x": 3}), interval_seconds=3600.0)
        see_readings(monitor, 1)
        clock.advance(1)
        wait_for(lambda: monitor.latest.number == 2, "it comes soon", seconds=DEADLINE)
        monitor.adjust(0.5, frozenset())
        clock.advance(1)

        wait_for(lambda: monitor.latest.number == 3, "it comes", seconds=DEADLINE)
        assert {"a": {"x": 3}} == monitor.latest.values

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

    def test_counts_the_processor_time_of_all_threads(self, make_monitor):
        monitor = make_monitor(Fixed("a", {"x": 1}), clock=SystemClock())
        see_readings(monitor, 5)

        assert 0 < monitor.cpu_seconds

    def test_closes_its_sources(self, make_monitor):
        sources = [Fixed("a", {"x": 1}), Fixed("b", {"x": 1}, can_block=True)]
        monitor = make_monitor(*sources, clock=SystemClock())
        see_readings(monitor, 2)
        monitor.stop(DEADLINE)

        assert [True, True] == [source.is_closed for source in sources]

    def test_does_without_threads_where_there_can_be_no_more(
        self, make_monitor, reports, monkeypatch
    ):
        def refuse(_thread):
            raise RuntimeError("can't start new thread")

        monitor = make_monitor(Fixed("a", {"x": 1}), Fixed("b", {"x": 1}, can_block=True))
        monkeypatch.setattr(threading.Thread, "start", refuse)
        monitor.start()
        reading = monitor.measure()
        monitor.stop(0.0)

        assert {"a": {"x": 1}} == reading.values
        assert "RuntimeError: can't start new thread" == reading.missing["b"].why
        assert "nothing is measured" in reports[0][0]


class TestMeasureOnce:
    def test_has_everything_that_answers(self, reports):
        sources = [
            Fixed("a", {"x": 1}, {"x": 2}),
            Fixed("b", {"x": 3}, can_block=True),
            Fixed("c", Unavailable("none")),
        ]
        found = measure_once(sources, lambda *what: reports.append(what))

        assert {"a": 2, "b": 3} == {name: each["x"] for name, each in found.values.items()}
        assert ["c"] == list(found.missing)
        assert [] == reports

    def test_does_without_what_hangs(self, reports):
        hanging = Hanging("hangs", {}, answers=0)
        found = measure_once([hanging, Fixed("a", {"x": 1})], reports.append, timeout_seconds=0.5)
        hanging.may_go_on.set()

        assert {"a": {"x": 1}} == found.values


class TestDefaultSources:
    def test_are_those_of_the_schema_and_fresh_each_time(self):
        names = [source.name for source in default_sources()]

        assert [section.name for section in RESOURCE_USAGE.fields] == names
        assert set(map(id, default_sources())).isdisjoint(map(id, default_sources()))

    def test_are_psutil_s_where_there_is_no_proc(self, tmp_path):
        sources = default_sources(root=tmp_path)

        assert [
            section.name for section in RESOURCE_USAGE.fields if section.name != "pressure"
        ] == [source.name for source in sources]
        assert "vlog.resources.portable" == type(sources[0]).__module__
