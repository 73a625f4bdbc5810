"""Slow steps are found by robust statistics, and never in noise."""

import math
import random

import pytest

from vlog.alerts import Limits, StepCost, StepPace, is_non_finite
from vlog.alerts.steps import is_slow, is_stall
from vlog.timing import Window


def window(values):
    found = Window()
    for value in values:
        found.add(value)
    return found


class TestIsNonFinite:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [(math.nan, True), (math.inf, True), (-math.inf, True), (1.0, False), (1, False),
         (2**2000, False), ("nan", False), (None, False)],
    )  # fmt: skip
    def test_of_anything(self, value, expected):
        assert expected is is_non_finite(value)


class TestIsSlow:
    USUAL = (1.0, 1.1, 0.9, 1.05) * 10

    @pytest.mark.parametrize(
        ("recent", "usual", "expected"),
        [
            ([2.0] * 5, USUAL, True),
            ([1.4] * 5, USUAL, False),  # less than the factor
            ([1.0, 1.0, 9.0, 1.0, 9.0], USUAL, False),  # outliers
            ([2.0] * 5, USUAL[:19], False),  # too few to know what is usual
            ([2.0] * 5, (0.1, 1.0, 2.0, 3.0) * 10, False),  # within the noise
            ([], USUAL, False),
        ],
    )
    def test_of_a_few_steps(self, recent, usual, expected):
        assert expected is is_slow(recent, window(usual), 1.5)


class TestIsStall:
    def test_is_ten_times_as_long_and_long(self):
        usual = window([1.0] * 30)

        assert [False, True, False] == [
            is_stall(9.9, usual, 5.0), is_stall(10.1, usual, 5.0), is_stall(10.1, usual, 10.0)
        ]  # fmt: skip
        assert not is_stall(100.0, window([1.0] * 5), 5.0)


class Run:
    """Steps at the times that they take, and the alert as it changes."""

    def __init__(self, **limits):
        self.pace = StepPace(Limits(**limits))
        self.now = 0.0
        self.changes = []
        self.finding = None

    def steps(self, count, seconds, work=0, parts=None):
        for _ in range(count):
            took = seconds() if callable(seconds) else seconds
            self.now += took
            finding = self.pace.add(
                StepCost(took, work, parts or {"data_wait_seconds": took}), self.now
            )
            was_on = self.changes[-1] if self.changes else False
            if finding.is_on != was_on:
                self.changes.append(finding.is_on)
                if finding.is_on:
                    self.finding = finding
        return self


class TestStepPace:
    def test_is_on_once_while_steps_are_slow_and_over_when_they_are_not(self):
        run = Run().steps(300, 0.1)
        run.steps(100, 0.3).steps(100, 0.1)

        assert [True, False] == run.changes

    def test_waits_as_long_as_it_is_told(self):
        run = Run(after_seconds=10).steps(300, 0.1)

        assert [] == run.steps(30, 0.3).changes
        assert [True] == run.steps(20, 0.3).changes

    def test_takes_no_notice_of_the_first_steps(self):
        assert [] == Run().steps(5, 60.0).steps(500, 0.1).changes

    def test_takes_no_notice_of_noise(self):
        """Steps of a log-normal distribution with heavy stragglers: 20,000 of them."""
        dice = random.Random(5)
        run = Run(after_seconds=5).steps(
            20_000, lambda: 0.1 * dice.lognormvariate(0, 0.2) * (10 if dice.random() < 0.02 else 1)
        )

        assert [] == run.changes

    def test_compares_the_time_for_the_same_work(self):
        """Batches of four times as many tokens take four times as long, and are no anomaly."""
        run = Run().steps(200, 0.1, work=1000)

        assert [] == run.steps(200, 0.4, work=4000).changes
        assert [True] == run.steps(200, 0.4, work=1000).changes

    def test_sees_one_step_that_stands_still(self):
        run = Run(after_seconds=10).steps(100, 0.1).steps(1, 60.0)

        assert [True] == run.changes
        assert [True, False] == run.steps(1, 0.1).changes

    def test_names_the_part_that_grew(self):
        run = Run(after_seconds=1)
        run.steps(100, 0.1, parts={"data_wait_seconds": 0.01, "forward_backward_seconds": 0.09})
        run.steps(100, 0.4, parts={"data_wait_seconds": 0.31, "forward_backward_seconds": 0.09})
        found = run.finding

        assert "Steps take 0.4 s, usual were 0.1 s; data_wait grew most" == found.message
        assert (0.4, 0.15) == (found.value, found.threshold)
        assert "data_wait_seconds" == found.evidence["grew_most"]
        assert 0.01 == found.evidence["usual"]["parts"]["data_wait_seconds"]

    def test_calls_a_pace_usual_that_has_lasted(self):
        run = Run(after_seconds=1).steps(200, 0.1).steps(1000, 0.3)
        assert [True, False] == run.changes

        assert [True, False, True] == run.steps(200, 0.9).changes
