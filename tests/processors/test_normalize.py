"""What a caller gave becomes JSON without secrets; what is ours is not looked at."""

import math

import torch

from vlog.processors import normalize_values, redact_secrets
from vlog.record import encode
from vlog.resources import Reading

READING = Reading(1, 2.0, {"cpu": {"usage_percent": 5.0}}, b'{"cpu":{"usage_percent":5.0}}')


class TestNormalizeValues:
    def test_names_what_is_not_finite_by_its_place_in_the_entry(self):
        entry = normalize_values(
            None, "info", {"metrics": {"loss": math.nan, "b": [math.inf]}, "epoch": math.nan}
        )

        assert {
            "metrics": {"loss": None, "b": [None]},
            "epoch": None,
            "non_finite": {"metrics.loss": "nan", "metrics.b[0]": "inf", "epoch": "nan"},
        } == entry

    def test_names_nothing_where_all_is_finite(self):
        assert {"metrics": {"loss": 1.0}} == normalize_values(
            None, "info", {"metrics": {"loss": torch.tensor(1.0)}}
        )

    def test_passes_a_reading_and_our_own_sections_as_they_are(self):
        timing = {"step_time_seconds": 1.0}
        entry = normalize_values(
            None, "info", {"timing": timing, "resource_usage": READING, "evidence": READING}
        )

        assert timing is entry["timing"]
        assert READING is entry["resource_usage"] is entry["evidence"]

    def test_makes_anything_encodable(self):
        entry = {"fields": {1: object(), "\ud800": 2**70}, "message": "\ud800", "arguments": {1j}}

        assert encode(normalize_values(None, "info", entry)).endswith(b"}\n")


class TestRedactSecrets:
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
        } == redact_secrets(None, "info", entry)

    def test_looks_under_a_secret_key_at_the_top(self):
        assert {"credentials": {"user": "<redacted>"}} == redact_secrets(
            None, "info", {"credentials": {"user": "me"}}
        )
        assert {"resource_usage": READING} == redact_secrets(
            None, "info", {"resource_usage": READING}
        )
