"""The environment variables: what they may be, and what they become."""

import pytest
from outputs import refusal_of

from vlog import Verbosity
from vlog.environment_settings import VARIABLES, from_environment


class TestFromEnvironment:
    @pytest.mark.parametrize(
        ("name", "text", "option", "value"),
        [
            ("VLOG_VERBOSITY", "ultra", "verbosity_level", Verbosity.ULTRA),
            ("VLOG_VERBOSITY", " LOW ", "verbosity_level", Verbosity.LOW),
            ("VLOG_LOG_FILE", "a b/x.jsonl", "log_file", "a b/x.jsonl"),
            ("VLOG_STANDARD_LOG", "flat.jsonl", "standard_log", "flat.jsonl"),
            ("VLOG_STANDARD_LOG", "True", "standard_log", True),
            ("VLOG_STANDARD_LOG", "no", "standard_log", False),
            ("VLOG_CONSOLE", "1", "console", True),
            ("VLOG_CONSOLE", "OFF", "console", False),
            ("VLOG_MAX_MB", "0", "max_mb", 0.0),
            ("VLOG_MAX_MB", "0.5", "max_mb", 0.5),
            ("VLOG_TOTAL_MB", "1e3", "total_mb", 1000.0),
            ("VLOG_COMPRESS", "GZIP", "compress", "gzip"),
        ],
    )
    def test_returns_the_value_of_each_variable(self, name, text, option, value):
        assert {option: value} == from_environment({name: text})
        assert name == VARIABLES[option]

    def test_reads_the_environment_of_the_process(self, monkeypatch):
        before = from_environment()
        monkeypatch.setenv("VLOG_MAX_MB", "7")

        assert before | {"max_mb": 7.0} == from_environment()

    def test_takes_an_empty_variable_as_not_set(self):
        assert {} == from_environment(dict.fromkeys(VARIABLES.values(), " "))

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("VLOG_VERBOSITY", "loud", "low, medium, high or ultra"),
            ("VLOG_CONSOLE", "maybe", "true or false"),
            ("VLOG_MAX_MB", "big", "a number of MiB, 0 or more"),
            ("VLOG_MAX_MB", "-1", "a number of MiB, 0 or more"),
            ("VLOG_TOTAL_MB", "nan", "a number of MiB, 0 or more"),
            ("VLOG_TOTAL_MB", "inf", "a number of MiB, 0 or more"),
            ("VLOG_COMPRESS", "zip", "zstd, gzip or none"),
        ],
    )
    def test_refuses_what_is_not_allowed(self, name, text, expected):
        message = f"The environment variable {name} is {text!r}. Expected {expected}."

        assert message == refusal_of(from_environment, {name: text})

    def test_refuses_a_misspelled_name(self):
        message = refusal_of(from_environment, {"VLOG_VERBOSITY_LEVEL": "high"})

        assert message.startswith("Unknown environment variable 'VLOG_VERBOSITY_LEVEL'. Did you")
        assert "'VLOG_VERBOSITY'" in message

    @pytest.mark.parametrize("name", ["VLOG_verbosity", "vlog_verbosity", "Vlog_Verbosty"])
    def test_refuses_a_name_in_small_letters(self, name):
        message = refusal_of(from_environment, {name: "high"})

        assert f"Unknown environment variable {name!r}. Did you mean 'VLOG_VERBOSITY'?" in message

    def test_passes_over_variables_of_other_programs(self):
        assert {} == from_environment({"VLOG_FLAGS": "-sv", "VLOG": "1", "PATH": "/bin"})
