"""Step entries carry the trends of memory, step time and loss."""

from types import SimpleNamespace

import pytest

from vlog.budget import OverheadBudget
from vlog.processors import AddTrends
from vlog.resources import Reading
from vlog.schema import EventType
from vlog.trends import Trends
from vlog.verbosity import CurrentVerbosity, Verbosity

NO_BUDGET = OverheadBudget(0, CurrentVerbosity(Verbosity.ULTRA))


def reading(number, usage):
    return Reading(number, 0.0, {"memory": {"usage_percent": usage}}, b"")


@pytest.fixture
def monitor():
    return SimpleNamespace(latest=None)


@pytest.fixture
def trends():
    return Trends(CurrentVerbosity(Verbosity.HIGH), NO_BUDGET)


@pytest.fixture
def add_trends(trends, monitor):
    return AddTrends(trends, monitor, NO_BUDGET)


def trends_of(add_trends):
    return add_trends(None, "info", {"type": str(EventType.TRAINING_STEP_COMPLETE)})["trends"]


class TestAddTrends:
    def test_has_no_trend_of_what_is_not_known(self, add_trends):
        assert {} == trends_of(add_trends)

    def test_leaves_other_entries_as_they_are(self, add_trends):
        update = {"type": str(EventType.TRAINING_METRICS_UPDATE)}

        assert dict(update) == add_trends(None, "info", update)

    def test_takes_each_reading_once(self, add_trends, monitor):
        monitor.latest = reading(1, 50.0)
        for _ in range(3):
            trends_of(add_trends)
        monitor.latest = reading(2, 60.0)
        trend = trends_of(add_trends)["memory_usage_trend"]

        assert ("last 2 readings", 60.0, 55.0) == tuple(
            trend[key] for key in ("window", "current", "avg_last_5")
        )

    def test_does_without_memory_in_a_reading(self, add_trends, monitor):
        monitor.latest = Reading(1, 0.0, {"cpu": {}}, b"")

        assert "memory_usage_trend" not in trends_of(add_trends)

    def test_follows_processor_and_the_fullest_gpu(self, add_trends, monitor):
        for number in range(1, 6):
            devices = [{"memory_usage_percent": 10.0}, {"memory_usage_percent": 50.0 + number}, {}]
            values = {"cpu": {"usage_percent": 70.0}, "gpu": {"devices": devices}}
            monitor.latest = Reading(number, 0.0, values, b"")
            trends = trends_of(add_trends)

        assert (70.0, "stable") == tuple(
            trends["cpu_usage_trend"][key] for key in ("current", "trend_direction")
        )
        assert (55.0, "increasing") == tuple(
            trends["gpu_memory_usage_trend"][key] for key in ("current", "trend_direction")
        )

    def test_leaves_them_out_to_keep_the_budget_and_follows_them_all_the_same(self, monitor):
        budget = OverheadBudget(1, CurrentVerbosity(Verbosity.HIGH))
        trends = Trends(CurrentVerbosity(Verbosity.HIGH), budget)
        add_trends = AddTrends(trends, monitor, budget)
        budget.sheds_trends = True
        monitor.latest = reading(1, 50.0)
        trends.see_step(1.0, 0)
        step = {"type": str(EventType.TRAINING_STEP_COMPLETE)}
        assert "trends" not in add_trends(None, "info", dict(step))

        budget.sheds_trends = False
        trends.see_step(3.0, 0)
        told = trends_of(add_trends)
        assert 50.0 == told["memory_usage_trend"]["current"]
        assert 2.0 == told["step_time_trend"]["avg_last_5"]
