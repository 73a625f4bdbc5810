"""The schema is whole: every event is in it once, and its JSON Schema says the same."""

import pytest

from vlog.schema import (
    END_EVENTS,
    ENVELOPE,
    EVENTS,
    RUN,
    EventType,
    Severity,
    fields_of,
    json_schema,
)
from vlog.verbosity import Verbosity

KINDS = {"string", "integer", "number", "boolean", "object", "array", "any"}
ALL = pytest.mark.parametrize("event", EVENTS.values(), ids=[str(each) for each in EVENTS])


def walk(fields):
    for field in fields:
        yield field
        yield from walk(field.fields)


class TestEvents:
    def test_are_all_defined(self):
        assert list(EventType) == list(EVENTS)
        assert set(EVENTS) >= END_EVENTS

    @ALL
    def test_have_each_field_once_and_in_no_other_place(self, event):
        own = [field.name for field in event.fields]
        common = [field.name for field in (*ENVELOPE, *RUN)]

        assert sorted(set(own)) == sorted(own)
        assert set() == set(own) & set(common)

    @ALL
    def test_have_fields_of_known_kinds_with_a_text(self, event):
        for field in walk(event.fields):
            assert field.kind in KINDS
            assert field.about
            assert event.about.endswith(".")

    def test_of_the_milestones_are_written_at_every_verbosity(self):
        low = {str(event.type) for event in EVENTS.values() if event.tier is Verbosity.LOW}

        assert low >= {
            "system_initialization", "training_initialization", "training_start",
            "epoch_complete", "model_checkpoint_save", "evaluation_complete",
            "training_complete", "training_failed", "training_interrupted", "resource_warning",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "tier"),
        [("training_step_complete", "medium"), ("step_begin", "ultra"), ("micro_batch", "ultra"),
         ("prediction_step", "ultra"), ("epoch_begin", "high")],
    )  # fmt: skip
    def test_of_steps_have_the_tier_of_the_design(self, name, tier):
        assert tier == EVENTS[EventType(name)].tier.label

    def test_that_pass_everywhere_are_those_that_warn(self):
        assert Severity.ERROR is EVENTS[EventType.TRAINING_FAILED].severity
        assert Severity.WARNING is EVENTS[EventType.RESOURCE_WARNING].severity
        assert Severity.WARNING is EVENTS[EventType.TRAINING_ANOMALY].severity

    def test_hold_the_fields_of_the_guide(self):
        names = {field.name: field for field in EVENTS[EventType.TRAINING_STEP_COMPLETE].fields}
        timing = {field.name for field in names["timing"].fields}
        trends = {field.name for field in names["trends"].fields}

        assert {"timing", "metrics", "resource_usage", "trends"} <= set(names)
        assert {
            "step_time_seconds", "avg_step_time_seconds", "eta_minutes", "estimated_completion"
        } <= timing  # fmt: skip
        assert "memory_usage_trend" in trends


class TestFieldsOf:
    def test_begins_with_what_every_entry_has(self):
        names = [field.name for field in fields_of(EVENTS[EventType.TRAINING_START])]

        assert ["timestamp", "type", "level", "message"] == names[:4]
        assert {"run_id", "rank", "pid", "seq", "verbosity", "step", "epoch"} <= set(names)
        assert "start_step" in names


class TestJsonSchema:
    def test_has_one_form_for_each_event(self):
        forms = json_schema()["oneOf"]

        assert [str(event) for event in EVENTS] == [
            form["properties"]["type"]["const"] for form in forms
        ]

    def test_says_what_is_required_and_in_which_range(self):
        form = next(
            form
            for form in json_schema()["oneOf"]
            if form["properties"]["type"]["const"] == "training_step_complete"
        )
        progress = form["properties"]["progress"]["properties"]["progress_percent"]

        assert {"timestamp", "type", "level", "message"} <= set(form["required"])
        assert ["DEBUG", "INFO", "WARNING", "ERROR"] == form["properties"]["level"]["enum"]
        assert ("number", 0, 100) == tuple(
            progress[name] for name in ("type", "minimum", "maximum")
        )
        assert ["number", "null"] == form["properties"]["epoch"]["type"]
        assert {"type": "string"} == form["properties"]["non_finite"]["additionalProperties"]
