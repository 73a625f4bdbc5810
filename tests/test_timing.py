"""The arithmetic of phases, windows, schedules and the end to come."""

import random
import statistics
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlog.timing import (
    DATA_WAIT,
    EVALUATION,
    LOGGING,
    OPTIMIZER,
    PHASES,
    WARM_UP_STEPS,
    Pace,
    PhaseLedger,
    Schedule,
    StepTimes,
    Tally,
    Window,
    eta_seconds,
)

SECONDS = st.floats(1e-4, 1e3)


class TestPhaseLedger:
    def test_gives_the_time_since_the_last_mark_to_the_phase(self, clock):
        ledger = PhaseLedger(clock)
        clock.advance(2)
        ledger.mark(DATA_WAIT)
        clock.advance(3)
        ledger.mark(OPTIMIZER)

        assert {"data_wait_seconds": 2.0, "optimizer_seconds": 3.0} == ledger.as_fields()

    def test_phases_add_up_exactly_to_what_elapsed(self, clock):
        ledger = PhaseLedger(clock)
        started = clock.monotonic()
        dice = random.Random(1)
        marks = [partial(ledger.mark, phase) for phase in PHASES]
        marks += [lambda phase=phase: ledger.pass_by(phase, clock.monotonic()) for phase in PHASES]
        for _ in range(1000):
            clock.advance(dice.randrange(1, 100) / 64)  # sums of 64ths are exact in a float
            dice.choice([ledger.enter, ledger.leave, *marks])()

        ledger.leave()
        assert clock.monotonic() - started == sum(ledger.totals.values())

    def test_counts_its_own_time_as_logging_and_as_overhead(self, clock):
        ledger = PhaseLedger(clock)
        clock.advance(1)
        ledger.mark(LOGGING)
        clock.advance(0.5)
        ledger.leave()

        assert 1.5 == ledger.totals[LOGGING]
        assert 0.5 == ledger.overhead_seconds

    def test_marks_stand_where_it_was_entered(self, clock):
        ledger = PhaseLedger(clock)
        clock.advance(2)
        ledger.enter()
        clock.advance(0.25)
        assert 2.0 == ledger.mark(OPTIMIZER)
        clock.advance(0.25)
        assert 0.0 == ledger.mark(DATA_WAIT)
        ledger.leave()

        assert {"optimizer_seconds": 2.0, "logging_seconds": 0.5} == ledger.as_fields()
        assert 0.5 == ledger.overhead_seconds

    def test_leaves_what_no_mark_has_named_to_the_next_one(self, clock):
        ledger = PhaseLedger(clock)
        clock.advance(2)
        ledger.enter()
        clock.advance(0.5)
        ledger.leave()
        clock.advance(1)

        assert 3.0 == ledger.mark(OPTIMIZER)
        assert 0.5 == ledger.overhead_seconds == ledger.totals[LOGGING]

    def test_is_entered_once_and_left_by_who_entered_it(self, clock):
        ledger = PhaseLedger(clock)
        assert ledger.enter()
        clock.advance(1)
        assert not ledger.enter()
        clock.advance(1)
        assert 2.0 == ledger.overhead_so_far()
        ledger.leave()
        assert ledger.enter()

        assert 2.0 == ledger.overhead_seconds

    def test_is_passed_by_without_being_entered(self, clock):
        ledger = PhaseLedger(clock)
        clock.advance(2)
        entered = clock.monotonic()
        clock.advance(0.5)
        ledger.pass_by(OPTIMIZER, entered)
        ledger.enter()
        clock.advance(1)
        ledger.pass_by(DATA_WAIT, clock.monotonic())  # inside: the time is vlog's
        ledger.leave()

        assert {"optimizer_seconds": 2.0, "logging_seconds": 1.5} == ledger.as_fields()
        assert 1.5 == ledger.overhead_seconds

    def test_begins_anew_where_it_was_entered(self, clock):
        ledger = PhaseLedger(clock)
        ledger.enter()
        clock.advance(1)
        ledger.restart()
        clock.advance(0.5)
        ledger.leave()

        assert 0.5 == ledger.overhead_seconds == sum(ledger.totals.values())

    def test_take_returns_what_was_not_taken_before(self, clock):
        ledger = PhaseLedger(clock)
        taken = []
        for seconds in (1, 2):
            clock.advance(seconds)
            ledger.mark(EVALUATION)
            taken.append(ledger.take(EVALUATION))

        assert [1.0, 2.0, 0.0] == [*taken, ledger.take(EVALUATION)]
        assert 3.0 == ledger.totals[EVALUATION]

    def test_restart_forgets_everything(self, clock):
        ledger = PhaseLedger(clock)
        clock.advance(1)
        ledger.leave()
        clock.advance(5)
        ledger.restart()
        clock.advance(2)
        ledger.mark(DATA_WAIT)

        assert {"data_wait_seconds": 2.0} == ledger.as_fields()
        assert 0.0 == ledger.overhead_seconds
        assert 2.0 == ledger.take(DATA_WAIT)


class TestWindow:
    @given(st.lists(SECONDS, min_size=1, max_size=40), st.integers(1, 10))
    def test_agrees_with_numpy_about_the_last_values(self, values, size):
        window = Window(size)
        for value in values:
            window.add(value)
        last = np.array(values[-size:])

        assert len(last) == len(window)
        assert (last.min(), last.max()) == (window.min, window.max)
        assert np.median(last) == pytest.approx(window.median)
        assert np.mean(last) == pytest.approx(window.mean, abs=1e-9)
        # The sum of squares keeps about half the digits of the largest value it has seen.
        assert np.std(last) == pytest.approx(window.std, abs=1e-6 * max(values))

    def test_is_zero_when_empty(self):
        window = Window()

        assert (0, 0.0, 0.0, 0.0, 0.0, 0.0) == (
            len(window), window.mean, window.median, window.std, window.min, window.max
        )  # fmt: skip

    def test_holds_equal_values_apart(self):
        window = Window(2)
        for value in (1.0, 1.0, 2.0):
            window.add(value)

        assert (1.0, 1.5, 2.0) == (window.min, window.median, window.max)


class TestStepTimes:
    @given(st.lists(SECONDS, min_size=1, max_size=500))
    def test_agrees_with_statistics_over_the_whole_run(self, values):
        times = StepTimes()
        for value in values:
            times.add(value)

        assert len(values) == times.count
        assert statistics.fmean(values) == pytest.approx(times.mean)
        assert statistics.pstdev(values) == pytest.approx(times.std, abs=1e-9 * max(values))
        assert (min(values), max(values)) == (times.min, times.max)

    def test_recent_is_the_last_two_hundred(self):
        times = StepTimes()
        for value in range(1000):
            times.add(float(value))

        assert (800.0, 999.0) == (times.recent.min, times.recent.max)
        assert 0.0 == times.min


class TestPace:
    def test_leaves_out_warm_up_once_there_are_other_steps(self):
        pace = Pace()
        for _ in range(WARM_UP_STEPS):
            pace.add(60.0, samples=6, tokens=60)
        assert 60.0 == pace.seconds_per_step

        pace.add(1.0, samples=6, tokens=60)
        pace.add(3.0, samples=2, tokens=20)

        assert 2.0 == pace.seconds_per_step
        assert (2.0, 20.0) == (pace.samples_per_second, pace.tokens_per_second)

    def test_has_no_rate_of_what_is_not_counted(self):
        pace = Pace()
        assert 0.0 == pace.seconds_per_step == pace.samples_per_second

        pace.add(1.0, samples=4, tokens=0)

        assert (4.0, 0.0) == (pace.samples_per_second, pace.tokens_per_second)

    def test_follows_the_last_two_hundred_steps(self):
        pace = Pace()
        for seconds in [9.0] * 300 + [1.0] * 200:
            pace.add(seconds, samples=1, tokens=1)

        assert pytest.approx(1.0) == pace.seconds_per_step


class TestSchedule:
    @given(
        st.integers(1, 60), st.integers(1, 20), st.booleans(), st.data()
    )  # fmt: skip
    def test_counts_the_evaluations_and_checkpoints_to_come(self, total, every, at_end, data):
        """The same as walking through the steps; what belongs to `step` itself is to come."""
        step = data.draw(st.integers(1, total))
        schedule = Schedule(total, every, every, at_end, at_end)
        walked = sum(
            each % every == 0 or (at_end and each == total) for each in range(step, total + 1)
        )

        assert walked == schedule.remaining_evaluations(step)
        assert walked == schedule.remaining_saves(step)
        assert total - step == schedule.remaining_steps(step)

    def test_counts_nothing_without_an_end(self):
        schedule = Schedule(None, 10, 10, evaluates_at_end=True, saves_at_end=True)

        assert (None, 0, 0) == (
            schedule.remaining_steps(3),
            schedule.remaining_evaluations(3),
            schedule.remaining_saves(3),
        )

    def test_has_no_less_than_nothing_to_come(self):
        assert 0 == Schedule(total_steps=10).remaining_steps(12)
        assert 0 == Schedule(total_steps=10).remaining_evaluations(3)


class TestEtaSeconds:
    def test_adds_steps_evaluations_and_checkpoints(self):
        schedule = Schedule(100, evaluate_every=25, save_every=50)

        # After step 60: 40 steps, evaluations at 75 and 100, one checkpoint at 100.
        assert 40 * 2.0 + 2 * 30.0 + 1 * 7.0 == eta_seconds(schedule, 60, 2.0, 30.0, 7.0)

    def test_is_nothing_at_the_end(self):
        assert 0.0 == eta_seconds(Schedule(10), 10, 2.0, 30.0, 7.0)

    def test_is_unknown_without_an_end(self):
        assert eta_seconds(Schedule(), 10, 2.0, 30.0, 7.0) is None


class TestTally:
    def test_counts_and_averages(self):
        tally = Tally()
        assert 0.0 == tally.mean

        tally.add(1.0)
        tally.add(2.0)

        assert (2, 3.0, 1.5) == (tally.count, tally.total, tally.mean)
