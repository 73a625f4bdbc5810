"""An entry of the caller's own overwrites nothing of ours."""

import pytest

from vlog.own_entry import own_entry
from vlog.schema import EVENTS, EventType, Severity


class TestOwnEntry:
    def test_of_a_known_type_keeps_the_fields_of_that_type(self):
        kind, fields = own_entry(
            {
                "type": "evaluation_complete",
                "message": "done",
                "metrics": {"eval_loss": 1.0},
                "seq": 99,
                "run_id": "mine",
                "color": "red",
            }
        )

        assert EventType.EVALUATION_COMPLETE is kind
        assert {
            "message": "done",
            "level": Severity.INFO,
            "metrics": {"eval_loss": 1.0},
            "fields": {"seq": 99, "run_id": "mine", "color": "red"},
        } == fields

    def test_of_an_unknown_type_is_a_log_record_that_names_it(self):
        kind, fields = own_entry({"type": "note", "level": "warning", "message": 5, "a": 1})

        assert EventType.LOG_RECORD is kind
        assert {
            "message": "5",
            "level": Severity.WARNING,
            "fields": {"type": "note", "a": 1},
        } == fields

    def test_without_anything_is_an_empty_log_record(self):
        assert (EventType.LOG_RECORD, {"message": "", "level": Severity.INFO}) == own_entry({})

    def test_with_fields_of_its_own_keeps_them_in_one_piece(self):
        _, fields = own_entry({"fields": {"a": 1}, "b": 2})

        assert {"fields": {"a": 1}, "b": 2} == fields["fields"]

    def test_takes_any_key_and_any_type(self):
        kind, fields = own_entry({"type": ["x"], 5: "five", None: "nothing"})

        assert EventType.LOG_RECORD is kind
        assert {"type": ["x"], "5": "five", "None": "nothing"} == fields["fields"]

    @pytest.mark.parametrize("kind", EventType)
    def test_has_the_severity_of_its_type_where_it_names_none(self, kind):
        assert EVENTS[kind].severity is own_entry({"type": str(kind)})[1]["level"]

    @pytest.mark.parametrize(
        ("level", "expected"),
        [("error", "ERROR"), ("CRITICAL", "ERROR"), ("fatal", "ERROR"), ("warn", "WARNING")],
    )
    def test_knows_the_level_names_of_the_stdlib(self, level, expected):
        assert expected == own_entry({"level": level})[1]["level"]

    def test_keeps_a_level_that_nobody_knows(self):
        assert {"message": "", "level": Severity.INFO, "fields": {"level": "LOUD"}} == own_entry(
            {"level": "LOUD"}
        )[1]
