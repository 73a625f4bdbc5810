"""Step entries carry the latest reading, as often as the verbosity says."""

from types import SimpleNamespace

import pytest

from vlog.budget import OverheadBudget
from vlog.processors import AddResources
from vlog.resources import Missing, Reading
from vlog.schema import EventType
from vlog.verbosity import CurrentVerbosity, Verbosity

NO_BUDGET = OverheadBudget(0, CurrentVerbosity(Verbosity.ULTRA))


@pytest.fixture
def monitor(clock):
    return SimpleNamespace(latest=Reading(1, clock.monotonic(), {"cpu": {}}, b'{"cpu":{}}'))


def step_entry(step):
    return {"type": EventType.TRAINING_STEP_COMPLETE, "step": step}


class TestAddResources:
    @pytest.mark.parametrize(
        ("verbosity", "expected"),
        [
            (Verbosity.LOW, []),
            (Verbosity.MEDIUM, [5, 10]),
            (Verbosity.HIGH, list(range(1, 11))),
            (Verbosity.ULTRA, list(range(1, 11))),
        ],
    )
    def test_adds_the_reading_as_often_as_the_verbosity_says(
        self, clock, monitor, verbosity, expected
    ):
        add_resources = AddResources(monitor, clock, CurrentVerbosity(verbosity), NO_BUDGET)
        entries = [add_resources(None, "info", step_entry(step)) for step in range(1, 11)]

        assert expected == [entry["step"] for entry in entries if "resource_usage" in entry]

    def test_passes_the_reading_itself_and_tells_its_age(self, clock, monitor):
        clock.advance(1.25)
        entry = AddResources(monitor, clock, CurrentVerbosity(Verbosity.HIGH), NO_BUDGET)(
            None, "info", step_entry(1)
        )

        assert monitor.latest is entry["resource_usage"]
        assert 1.25 == entry["resource_age_seconds"]

    def test_adds_one_reading_in_10_s_where_the_budget_has_them_left_out(self, clock, monitor):
        """So few cost nothing, and the whole run is told of."""
        budget = OverheadBudget(1, CurrentVerbosity(Verbosity.HIGH))
        add_resources = AddResources(monitor, clock, CurrentVerbosity(Verbosity.HIGH), budget)
        found = []
        for step in range(50):  # of 0.5 s, with a reading each second
            if step == 10:
                budget.sheds_resources = True
            if step % 2 == 0:
                monitor.latest = Reading(step, clock.monotonic(), {"cpu": {}}, b'{"cpu":{}}')
            if "resource_usage" in add_resources(None, "info", step_entry(step)):
                found.append(step)
            clock.advance(0.5)

        assert [*range(10), 28, 48] == found  # the one before was taken at step 8

    def test_never_tells_a_negative_age(self, clock, monitor):
        """A reading may be taken between the processor's two looks."""
        clock.advance(-1)
        entry = AddResources(monitor, clock, CurrentVerbosity(Verbosity.HIGH), NO_BUDGET)(
            None, "info", step_entry(1)
        )

        assert 0.0 == entry["resource_age_seconds"]

    def test_leaves_other_entries_and_a_monitor_without_reading(self, clock, monitor):
        add_resources = AddResources(monitor, clock, CurrentVerbosity(Verbosity.ULTRA), NO_BUDGET)
        other = {"type": EventType.TRAINING_START, "start_step": 0}
        assert dict(other) == add_resources(None, "info", other)

        monitor.latest = None
        assert step_entry(1) == add_resources(None, "info", step_entry(1))

    def test_says_what_is_missing_at_first_and_whenever_that_changes(self, clock, monitor):
        add_resources = AddResources(monitor, clock, CurrentVerbosity(Verbosity.HIGH), NO_BUDGET)
        gone = Missing("it does not answer", "2026-01-10T11:30:00+00:00", is_lost=True)
        nothing, lost, found = {}, {"gpu": gone}, []
        for step, missing in enumerate([nothing, nothing, lost, lost, nothing], 1):
            monitor.latest = Reading(step, clock.monotonic(), {}, b"{}", missing)
            found.append(add_resources(None, "info", step_entry(step)).get("resource_missing"))

        told = {"why": "it does not answer", "since": "2026-01-10T11:30:00+00:00", "is_lost": True}
        assert [{}, None, {"gpu": told}, None, {}] == found
