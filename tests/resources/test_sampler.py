"""One source, read at its pace; what it does wrong is told, and costs nobody anything."""

import errno
import threading
import time

import pytest
from monitored import Fixed, Hanging
from processes import wait_for

from vlog.clock import SystemClock
from vlog.resources import Fields, Unavailable
from vlog.resources.sampler import Sampler
from vlog.resources.source import Lost


@pytest.fixture
def make_sampler(clock):
    samplers = []

    def make(source, *, interval_seconds=1.0, clock=clock):
        sampler = Sampler(source, clock, interval_seconds)
        samplers.append(sampler)
        return sampler

    yield make
    for sampler in samplers:
        getattr(sampler.source, "may_go_on", threading.Event()).set()
        sampler.stop(10)


def names_of(section):
    return {path: type(error).__name__ for path, error in section.gaps.items()}


class TestPace:
    def reads_at(self, sampler, clock, *seconds):
        start, counts = clock.now, []
        for when in seconds:
            clock.now = start + when
            sampler.read_if_due()
            counts.append(sampler.source.reads)
        return counts

    def test_reads_at_once_and_soon_again_and_then_at_the_interval(self, make_sampler, clock):
        sampler = make_sampler(Fixed("a", {"x": 1}))

        assert [1, 1, 2, 2, 3] == self.reads_at(sampler, clock, 0, 0.1, 0.2, 1.1, 1.2)

    def test_is_as_slow_as_the_source_asks_for(self, make_sampler, clock):
        sampler = make_sampler(Fixed("a", {"x": 1}, pace_seconds=5.0))

        assert [1, 2, 2, 3] == self.reads_at(sampler, clock, 0, 0.2, 5.1, 5.2)

    def test_looks_seldom_for_what_is_not_there(self, make_sampler, clock):
        sampler = make_sampler(Fixed("a", Unavailable("none"), {"x": 1}))

        assert [1, 1, 2, 3] == self.reads_at(sampler, clock, 0, 29, 30, 30.2)

    def test_asks_again_at_the_interval_after_a_fault(self, make_sampler, clock):
        sampler = make_sampler(Fixed("a", ValueError(), {"x": 1}))

        assert [1, 2] == self.reads_at(sampler, clock, 0, 1.0)


class TestLook:
    def test_has_the_fields_and_the_gaps_of_the_last_answer(self, make_sampler, clock):
        fields = Fields({"x": 1})
        fields.add("y", lambda: 1 / 0)
        fields.add("z", lambda: None)
        sampler = make_sampler(Fixed("a", fields))
        sampler.read()
        clock.advance(0.5)

        assert ({"x": 1}, {"y": "ZeroDivisionError"}) == (
            sampler.look().values, names_of(sampler.look())
        )  # fmt: skip
        assert clock.now - 0.5 == sampler.look().taken

    def test_leaves_out_what_cannot_be_true(self, make_sampler):
        sampler = make_sampler(Fixed("memory", {"usage_percent": 500.0, "used_gb": 2.0}))
        sampler.read()

        assert ({"used_gb": 2.0}, {"usage_percent": "ValueError"}) == (
            sampler.look().values, names_of(sampler.look())
        )  # fmt: skip

    @pytest.mark.parametrize(
        "error", [OSError(errno.EIO, "broken"), ValueError("rubbish"), Unavailable("not here")]
    )
    def test_is_empty_after_an_error_and_says_which(self, make_sampler, error):
        sampler = make_sampler(Fixed("a", error))
        sampler.read()

        assert ({}, {"": error}) == (sampler.look().values, sampler.look().gaps)

    def test_says_that_something_is_lost_only_after_more_than_a_moment(self, make_sampler, clock):
        sampler = make_sampler(Fixed("a", {"x": 1}, ValueError("rubbish")))
        sampler.read()
        worked = clock.now
        kinds = []
        for seconds in (1, 4, 1):
            clock.advance(seconds)
            sampler.read()
            kinds.append(names_of(sampler.look())[""])

        assert ["ValueError", "ValueError", "Lost"] == kinds
        assert "ValueError: rubbish" == str(sampler.look().gaps[""])
        assert worked == sampler.look().silent_since

    def test_never_calls_lost_what_was_never_there(self, make_sampler, clock):
        sampler = make_sampler(Fixed("a", Unavailable("none")))
        for _ in range(5):
            sampler.read()
            clock.advance(100)

        assert {"": "Unavailable"} == names_of(sampler.look())

    def test_gives_up_a_source_that_hangs_and_takes_it_back(self, make_sampler):
        clock = SystemClock()
        source = Hanging("a", {"x": 1}, answers=1)
        sampler = make_sampler(source, interval_seconds=0.01, clock=clock)
        sampler._patience = 0.05
        sampler.start()
        wait_for(lambda: names_of(sampler.look()), "the sampler gives it up")
        section = sampler.look()

        assert ({}, {"": "Lost"}) == (section.values, names_of(section))
        assert "it does not answer" == str(section.gaps[""])
        assert section.silent_since < clock.monotonic()
        source.answers = 1_000_000
        source.may_go_on.set()
        wait_for(lambda: sampler.look().values, "it is taken back")

    def test_shows_what_it_has_while_a_reading_is_under_way(self, make_sampler):
        source = Hanging("a", {"x": 1}, answers=1)
        sampler = make_sampler(source, interval_seconds=0.01, clock=SystemClock())
        sampler.start()
        wait_for(lambda: sampler._began is not None and sampler.answers == 1, "the second reading")

        assert {"x": 1} == sampler.look().values


class TestThread:
    def test_is_only_for_what_can_block(self, make_sampler):
        make_sampler(Fixed("a", {"x": 1}, can_block=False)).start()

        assert [] == [each for each in threading.enumerate() if each.name == "vlog-monitor-a"]

    def test_closes_the_source_when_it_ends(self, make_sampler):
        source = Fixed("a", {"x": 1}, can_block=True)
        sampler = make_sampler(source, clock=SystemClock())
        sampler.start()
        sampler.stop(10)

        assert source.is_closed

    def test_is_not_waited_for_longer_than_said(self, make_sampler):
        source = Hanging("a", {}, answers=0)
        sampler = make_sampler(source, clock=SystemClock())
        sampler.start()
        sampler.stop(0.01)

        assert sampler._thread.is_alive()

    def test_counts_its_processor_time(self, make_sampler):
        class Busy:
            name = "a"

            def read(self):
                until = time.thread_time() + 0.05
                while time.thread_time() < until:
                    pass
                return {}

        sampler = make_sampler(Busy(), clock=SystemClock())
        sampler.start()
        wait_for(lambda: sampler.answers, "an answer")
        sampler.stop(10)

        assert sampler.cpu_seconds >= 0.05


class TestLost:
    def test_is_a_fault(self):
        from vlog.resources.source import is_unavailable

        assert not is_unavailable(Lost("gone"))
