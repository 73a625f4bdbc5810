"""Step entries carry the trends of memory, step time and loss."""

import math
from types import SimpleNamespace

import pytest

from vlog.processors import AddTrends
from vlog.resources import Reading
from vlog.schema import EventType
from vlog.verbosity import CurrentVerbosity, Verbosity


def reading(number, usage):
    return Reading(number, 0.0, {"memory": {"usage_percent": usage}}, b"")


@pytest.fixture
def monitor():
    return SimpleNamespace(latest=None)


@pytest.fixture
def add_trends(monitor):
    return AddTrends(monitor, CurrentVerbosity(Verbosity.HIGH))


def trends_of(add_trends, seconds=1.0, **fields):
    entry = {
        "type": EventType.TRAINING_STEP_COMPLETE,
        "timing": {"step_time_seconds": seconds},
        **fields,
    }
    return add_trends(None, "info", entry)["trends"]


class TestAddTrends:
    def test_has_no_trend_of_what_is_not_known(self, add_trends):
        assert ["step_time_trend"] == list(trends_of(add_trends))

    def test_follows_the_step_time(self, add_trends):
        for seconds in range(1, 6):
            trend = trends_of(add_trends, float(seconds))["step_time_trend"]

        assert ("increasing", 5.0, "last 5 steps") == tuple(
            trend[key] for key in ("trend_direction", "current", "window")
        )

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

    def test_follows_the_throughput_of_each_step(self, add_trends):
        """Tokens a second, or samples where there are none: of the step, not of many."""
        for seconds, tokens in ((1.0, 800), (2.0, 800)):
            trend = trends_of(add_trends, seconds, samples=4, tokens=tokens)["throughput_trend"]
        assert (400.0, 600.0) == (trend["current"], trend["avg_last_5"])

        assert 4.0 == trends_of(add_trends, 1.0, samples=4)["throughput_trend"]["current"]

    def test_follows_the_loss_where_it_is_logged(self, add_trends):
        trends_of(add_trends, metrics={"loss": 3.0})
        trends_of(add_trends)
        late = {"type": EventType.TRAINING_METRICS_UPDATE, "metrics": {"loss": 1.0}}
        assert late == add_trends(None, "info", dict(late))
        evaluation = {"type": EventType.EVALUATION_COMPLETE, "metrics": {"loss": 99.0}}
        add_trends(None, "info", evaluation)

        trend = trends_of(add_trends, metrics={"loss": math.nan})["loss_trend"]
        assert ("last 2 logged losses", 1.0) == (trend["window"], trend["current"])

    def test_is_short_where_no_detail_is_wanted(self, monitor):
        add_trends = AddTrends(monitor, CurrentVerbosity(Verbosity.MEDIUM))

        assert ["current", "avg_last_5", "trend_direction"] == list(
            trends_of(add_trends)["step_time_trend"]
        )
