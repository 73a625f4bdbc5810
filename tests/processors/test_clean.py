"""What a caller gave becomes JSON without secrets; what is ours is not looked at."""

import math
from enum import StrEnum

import numpy as np
import pytest
import torch

from vlog import set_redaction
from vlog.processors import clean_values
from vlog.record import encode
from vlog.resources import Reading

READING = Reading(1, 2.0, {"cpu": {"usage_percent": 5.0}}, b'{"cpu":{"usage_percent":5.0}}')


@pytest.fixture(autouse=True)
def rules_are_put_back():
    yield
    set_redaction()


class TestValues:
    def test_names_what_is_not_finite_by_its_place_in_the_entry(self):
        entry = clean_values(
            None, "info", {"metrics": {"loss": math.nan, "b": [math.inf]}, "epoch": math.nan}
        )

        assert {
            "metrics": {"loss": None, "b": [None]},
            "epoch": None,
            "non_finite": {"metrics.loss": "nan", "metrics.b[0]": "inf", "epoch": "nan"},
        } == entry

    def test_names_nothing_where_all_is_finite(self):
        assert {"metrics": {"loss": 1.0}} == clean_values(
            None, "info", {"metrics": {"loss": torch.tensor(1.0)}}
        )

    def test_passes_a_reading_and_our_own_sections_as_they_are(self):
        timing = {"step_time_seconds": 1.0}
        entry = clean_values(
            None, "info", {"timing": timing, "resource_usage": READING, "evidence": READING}
        )

        assert timing is entry["timing"]
        assert READING is entry["resource_usage"] is entry["evidence"]

    def test_makes_anything_encodable(self):
        entry = {"fields": {1: object(), "\ud800": 2**70}, "message": "\ud800", "arguments": {1j}}

        assert encode(clean_values(None, "info", entry)).endswith(b"}\n")


class TestSecrets:
    def test_looks_at_every_text_by_key_and_by_shape(self):
        secret = "hf_" + "c3" * 17
        entry = {
            "message": f"with {secret}",
            "arguments": {"hub_token": "abc", "push": [secret]},
            "environment": {"command_line": ["python", "--hf_token", "abc"]},
            "exception": {"stack": f"login({secret})"},
            "api_keys": ["x"],
            "metrics": {"num_memory_tokens": 4},
        }

        assert {
            "message": "with <redacted>",
            "arguments": {"hub_token": "<redacted>", "push": ["<redacted>"]},
            "environment": {"command_line": ["python", "--hf_token", "<redacted>"]},
            "exception": {"stack": "login(<redacted>)"},
            "api_keys": ["<redacted>"],
            "metrics": {"num_memory_tokens": 4},
        } == clean_values(None, "info", entry)

    def test_looks_under_a_secret_key_at_the_top(self):
        assert {"credentials": {"user": "<redacted>"}} == clean_values(
            None, "info", {"credentials": {"user": "me"}}
        )
        assert {"resource_usage": READING} == clean_values(
            None, "info", {"resource_usage": READING}
        )


class TestNumbersUnderKnownNames:
    """They are passed as they are from the second time on, and nothing else is."""

    def test_are_passed_as_they_are(self):
        for loss in (2.0, 1.0):
            metrics = {"loss": loss, "tokens": 2**64 - 1}

            assert {"metrics": dict(metrics)} == clean_values(None, "entry", {"metrics": metrics})

    def test_are_looked_at_where_they_are_no_plain_numbers(self):
        for value, expected in (
            (1.0, 1.0),
            (math.inf, None),
            (2**64, f"<int: {2**64}>"),
            ("a", "a"),
        ):
            entry = clean_values(None, "entry", {"metrics": {"loss": value}})

            assert {"loss": expected} == entry["metrics"]

    def test_are_looked_at_where_a_name_only_equals_a_known_one(self):
        class Metric(StrEnum):
            LOSS = "loss"

        for name in ("loss", Metric.LOSS, np.str_("loss")):
            entry = clean_values(None, "entry", {"metrics": {name: 0.5}})

            assert b'{"metrics":{"loss":0.5}}\n' == encode(entry)

    def test_are_hidden_once_the_user_names_them(self):
        for expected in (4, "<redacted>"):
            entry = clean_values(None, "entry", {"metrics": {"badge_number": 4}})
            set_redaction(keys=["badge_number"])

            assert {"badge_number": expected} == entry["metrics"]

    def test_hides_a_secret_in_the_name_of_what_is_not_finite(self):
        secret = "hf_" + "c3" * 17
        entry = clean_values(None, "entry", {"metrics": {f"with {secret}": math.nan}})

        assert secret not in str(entry)
        assert ["nan"] == list(entry["non_finite"].values())

    def test_hides_a_secret_in_a_name_each_time(self):
        secret = "hf_" + "c3" * 17
        for _ in range(2):
            entry = clean_values(None, "entry", {"metrics": {f"with {secret}": 1.0}})

            assert {"with <redacted>": 1.0} == entry["metrics"]
