"""A trend is a slope that stands out of its noise."""

import math
import random

import numpy as np
import pytest

from vlog.budget import OverheadBudget
from vlog.trends import WINDOW, Trend, Trends, slope_error, slope_of
from vlog.verbosity import CurrentVerbosity, Verbosity

NO_BUDGET = OverheadBudget(0, CurrentVerbosity(Verbosity.ULTRA))


def summary_of(values, *, detailed=True):
    trend = Trend("steps")
    for value in values:
        trend.values.append(value)
    return trend.fields(detailed)


def direction_of(values):
    return summary_of(values)["trend_direction"]


class TestDirection:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([5.0] * 10, "stable"),
            ([0.0] * 10, "stable"),
            ([float(i) for i in range(10)], "increasing"),
            ([float(-i) for i in range(10)], "decreasing"),
            ([100 - i + (-1) ** i * 0.5 for i in range(10)], "decreasing"),
            ([50 + 0.001 * i for i in range(10)], "stable"),  # it rises, by nothing that matters
            ([1.0, 2.0, 3.0], "stable"),  # too few
            ([1.0], "stable"),
        ],
    )
    def test_of_a_series(self, values, expected):
        assert expected == direction_of(values)

    @pytest.mark.parametrize("count", [4, 5, 6, 10])
    def test_of_noise_is_stable(self, count):
        dice = random.Random(7)
        noise = [[dice.gauss(100, 5) for _ in range(count)] for _ in range(2000)]
        directions = [direction_of(values) for values in noise]

        assert directions.count("stable") > 0.98 * len(directions)

    def test_of_a_noisy_ramp_is_found(self):
        dice = random.Random(7)
        ramps = [[100 + 3 * i + dice.gauss(0, 2) for i in range(10)] for _ in range(200)]
        directions = [direction_of(ramp) for ramp in ramps]

        assert directions.count("increasing") > 0.95 * len(directions)
        assert 0 == directions.count("decreasing")


class TestSlopeOf:
    def test_is_the_least_squares_slope_and_its_standard_error(self):
        dice = np.random.default_rng(3)
        values = [float(value) for value in dice.normal(10, 2, WINDOW)]
        coefficients, covariance = np.polyfit(range(WINDOW), values, 1, cov=True)
        slope = slope_of(values)
        error = slope_error(values, sum(values) / WINDOW, slope)

        assert coefficients[0] == pytest.approx(slope)
        assert math.sqrt(covariance[0][0]) == pytest.approx(error)


class TestSummary:
    def test_names_its_window_of_the_last_values(self):
        assert {
            "current": 14.0,
            "avg_last_5": 12.0,
            "trend_direction": "increasing",
            "window": "last 10 steps",
            "min_last_10": 5.0,
            "max_last_10": 14.0,
            "slope_per_sample": 1.0,
        } == summary_of(float(i) for i in range(15))

    def test_is_short_without_detail(self):
        assert {"current": 2.0, "avg_last_5": 1.5, "trend_direction": "stable"} == summary_of(
            [1.0, 2.0], detailed=False
        )

    def test_is_empty_before_the_first_value(self):
        assert {} == summary_of([])


@pytest.fixture
def trends():
    return Trends(CurrentVerbosity(Verbosity.HIGH), NO_BUDGET)


class TestTrends:
    def test_follow_the_time_of_steps(self, trends):
        for seconds in range(1, 6):
            trends.see_step(float(seconds), 0)

        trend = trends.fields()["step_time_trend"]
        assert ("increasing", 5.0, "last 5 steps") == tuple(
            trend[key] for key in ("trend_direction", "current", "window")
        )
        assert ["step_time_trend"] == list(trends.fields())

    def test_follow_the_throughput_of_each_step(self, trends):
        """Of the step, not of many."""
        for seconds in (1.0, 2.0):
            trends.see_step(seconds, 800)

        trend = trends.fields()["throughput_trend"]
        assert (400.0, 600.0) == (trend["current"], trend["avg_last_5"])

    def test_leave_out_what_is_no_finite_number(self, trends):
        for loss in (3.0, None, math.nan, 1.0, math.inf, "2", 2**2000):
            trends.see("loss_trend", loss)

        trend = trends.fields()["loss_trend"]
        assert ("last 2 logged losses", 1.0) == (trend["window"], trend["current"])

    def test_take_numbers_that_are_as_large_as_a_float_can_be(self, trends):
        for loss in (1e308, -1e308, 1e300):
            trends.see("loss_trend", loss)

        assert 1e300 == trends.fields()["loss_trend"]["current"]

    def test_are_short_where_no_detail_is_wanted(self):
        verbosity = CurrentVerbosity(Verbosity.MEDIUM)
        trends = Trends(verbosity, NO_BUDGET)
        trends.see_step(1.0, 1)
        short = ["current", "avg_last_5", "trend_direction"]
        assert short == list(trends.fields()["throughput_trend"])

        verbosity.value = Verbosity.HIGH
        assert set(short) < set(trends.fields()["step_time_trend"])
