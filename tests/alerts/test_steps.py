"""Slow steps are found by robust statistics, and never in noise."""

import itertools
import math
import random

import pytest

from vlog.alerts import Limits, SlowSteps, StepCost, is_non_finite


class TestIsNonFinite:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [(math.nan, True), (math.inf, True), (-math.inf, True), (1.0, False), (1, False),
         (2**2000, False), ("nan", False), (None, False)],
    )  # fmt: skip
    def test_of_anything(self, value, expected):
        assert expected is is_non_finite(value)


class Run:
    """Steps at the times that they take, and the alert as it changes."""

    def __init__(self, **limits):
        self.pace = SlowSteps(Limits(**limits))
        self.now = 0.0
        self.changes = []
        self.finding = None

    def steps(self, count, seconds, work=0, parts=None):
        for _ in range(count):
            took = seconds() if callable(seconds) else seconds
            self.now += took
            cost = StepCost(took, work, **(parts or {"data_wait_seconds": took}))
            finding = self.pace.add(cost, self.now)
            is_on = finding is not None and finding.is_on
            was_on = self.changes[-1] if self.changes else False
            if is_on != was_on:
                self.changes.append(is_on)
                if is_on:
                    self.finding = finding
        return self


class TestSlowSteps:
    def test_are_told_once_and_are_over_when_they_are_not_slow(self):
        run = Run().steps(300, 0.1)
        run.steps(200, 0.3).steps(200, 0.1)

        assert [True, False] == run.changes

    def test_must_last_as_long_as_they_are_told(self):
        run = Run(after_seconds=10).steps(300, 0.1)

        assert [] == run.steps(30, 0.3).changes
        assert [True] == run.steps(60, 0.3).changes

    def test_are_not_the_first_steps(self):
        assert [] == Run().steps(5, 60.0).steps(500, 0.1).changes

    @pytest.mark.parametrize("seconds", [0.004, 0.1, 9.0, 12.0, 60.0])
    @pytest.mark.parametrize("work", [0, 8, 4096])
    def test_are_not_steps_that_are_long_and_always_were(self, seconds, work):
        dice = random.Random(5)
        run = Run(after_seconds=10).steps(1000, lambda: seconds * dice.uniform(0.9, 1.1), work=work)

        assert [] == run.changes

    def test_are_not_noise(self):
        """Log-normal step times with heavy stragglers: 20,000 of them."""
        dice = random.Random(5)
        run = Run(after_seconds=5).steps(
            20_000, lambda: 0.1 * dice.lognormvariate(0, 0.3) * (10 if dice.random() < 0.02 else 1)
        )

        assert [] == run.changes

    def test_are_slow_for_the_same_work(self):
        """Longer batches take longer, shorter ones do less in a second: neither is an anomaly."""
        run = Run(after_seconds=1).steps(200, 0.1, work=1000).steps(200, 0.4, work=4000)
        assert [] == run.changes
        assert [] == run.steps(200, 0.05, work=100).changes

        assert [True] == run.steps(200, 0.8, work=4000).changes

    def test_may_be_every_fourth_step(self):
        run, number = Run(after_seconds=1), itertools.count()
        run.steps(300, 0.1)

        assert [True] == run.steps(200, lambda: 1.0 if next(number) % 4 == 0 else 0.1).changes

    def test_are_not_every_tenth_step_that_always_was(self):
        number = itertools.count()

        assert [] == Run().steps(3000, lambda: 1.0 if next(number) % 10 == 0 else 0.1).changes

    def test_may_come_by_a_slow_drift(self):
        times = itertools.count()

        assert True in Run().steps(6000, lambda: 0.1 * (1 + next(times) / 600)).changes

    def test_are_no_news_when_a_pace_comes_again(self):
        """A loader with two paces, 60 steps each."""
        number = itertools.count()
        run = Run(after_seconds=5).steps(
            6000, lambda: 0.3 if next(number) // 60 % 2 == 0 else 1.0, work=64
        )

        assert len(run.changes) <= 2

    def test_may_be_one_that_stands_still(self):
        run = Run(after_seconds=10).steps(100, 0.1, work=4096).steps(1, 60.0, work=4096)

        assert [True] == run.changes
        assert [True, False] == run.steps(1, 0.1, work=4096).changes

    def test_name_the_part_that_grew(self):
        run = Run(after_seconds=1)
        run.steps(200, 0.1, 8, parts={"data_wait_seconds": 0.01, "forward_backward_seconds": 0.09})
        run.steps(100, 0.4, 8, parts={"data_wait_seconds": 0.31, "forward_backward_seconds": 0.09})
        found = run.finding

        assert found.message.startswith("Steps take 0.")
        assert found.message.endswith("times as long as usual (0.1 s); data_wait grew most")
        assert 0.15 == found.threshold < found.value
        assert "data_wait_seconds" == found.evidence["grew_most"]
        assert 0.01 == found.evidence["usual"]["parts"]["data_wait_seconds"]
        assert 80.0 == found.evidence["usual"]["work_per_second"]

    def test_are_the_pace_when_they_have_lasted(self):
        run = Run(after_seconds=1).steps(200, 0.1).steps(1000, 0.3)
        assert [True, False] == run.changes

        assert [True, False, True] == run.steps(200, 0.9).changes
