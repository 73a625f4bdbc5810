"""Blocks with vlog on and off: what is timed, switched and compared."""

from __future__ import annotations

import pytest


@pytest.fixture
def blocks(benchmark_script):
    return benchmark_script("blocks")


class Time:
    """Stands in for `time`: it passes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(blocks, monkeypatch):
    clock = Time()
    monkeypatch.setattr(blocks, "time", clock)
    return clock


class TestMeter:
    def test_adds_up_the_time_of_calls(self, blocks, clock):
        meter = blocks.Meter()
        wait = meter.wrap(clock.passes)

        wait(2.0)
        clock.passes(5.0)
        wait(3.0)

        assert (5.0, 2) == (meter.seconds, meter.calls)

    def test_counts_a_call_inside_of_another_once(self, blocks, clock):
        meter = blocks.Meter()
        inner = meter.wrap(clock.passes)

        def outer():
            clock.passes(1.0)
            inner(2.0)

        meter.wrap(outer)()

        assert (3.0, 1) == (meter.seconds, meter.calls)

    def test_passes_nothing_on_while_it_is_off(self, blocks):
        meter, calls = blocks.Meter(), []
        call = meter.wrap(calls.append)

        meter.is_on = False
        call("off")
        meter.is_on = True
        call("on")

        assert ["on"] == calls

    def test_times_a_call_that_raises(self, blocks, clock):
        meter = blocks.Meter()

        def raises():
            clock.passes(1.0)
            raise KeyError

        for _ in range(2):
            with pytest.raises(KeyError):
                meter.wrap(raises)()

        assert (2.0, 2) == (meter.seconds, meter.calls)


class TestBlocks:
    @pytest.fixture
    def driven(self, blocks, clock):
        """Steps of 1 s, which take 0.25 s longer with vlog on; the first five are slower."""
        meter = blocks.Meter()
        hook = meter.wrap(clock.passes)
        driven = blocks.Blocks(meter, steps=3, rounds=4, warm_up=5)
        for number in range(driven.total_steps):
            driven.step_begins()
            clock.passes(1.0 if number >= 5 else 9.0)
            hook(0.25)
        driven.step_begins()
        return driven

    def test_has_every_kind_of_block_in_every_round(self, blocks, driven):
        assert [sorted(blocks.KINDS)] * 4 == [sorted(each) for each in driven.rounds]

    def test_compares_neighbours_that_are_on_and_off(self, driven):
        assert [25.0] * 4 == pytest.approx(driven.costs)
        assert [0.0] * 4 == pytest.approx(driven.controls)

    def test_gives_the_hooks_as_a_share_of_the_rest_of_the_step(self, driven):
        assert pytest.approx(25.0) == driven.hooks_percent

    def test_leaves_the_warm_up_out(self, driven):
        assert pytest.approx(1.0) == driven.step_seconds
        assert pytest.approx(4 * 3 * 1.25) == driven.on_seconds

    def test_is_on_before_and_after_the_rounds(self, blocks):
        meter = blocks.Meter()
        driven = blocks.Blocks(meter, steps=1, rounds=1, warm_up=2)
        states = []
        for _ in range(driven.total_steps + 1):
            driven.step_begins()
            states.append(meter.is_on)

        assert [True, True, True] == [*states[:2], states[-1]]
        assert 1 == sum(states[2:-1])


class TestConfidence:
    def test_is_narrow_where_values_agree_and_holds_the_median(self, blocks):
        assert (2.0, 2.0) == blocks.confidence([2.0] * 20)

        low, high = blocks.confidence([float(number) for number in range(101)])

        assert 20 < low < 50 < high < 80

    def test_takes_another_statistic(self, blocks):
        low, high = blocks.confidence([0.0] * 50 + [1.0] * 50, max)

        assert (1.0, 1.0) == (low, high)


class TestTrimmedMean:
    def test_leaves_out_a_tenth_at_either_end(self, blocks):
        assert 2.0 == blocks.trimmed_mean([-1000.0, *[2.0] * 8, 5000.0])
