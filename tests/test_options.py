"""What is given, what the environment says, what is configured, and the defaults: in this order."""

import logging
from pathlib import Path

import pytest

import vlog
from vlog.errors import ConfigurationError
from vlog.options import DEFAULT_VERBOSITY, Recording
from vlog.output import DEFAULT_LOG_FILE
from vlog.verbosity import Verbosity


@pytest.fixture
def recording():
    made = []

    def make(verbosity_level=DEFAULT_VERBOSITY, log_file=DEFAULT_LOG_FILE, **options):
        made.append(Recording(verbosity_level, log_file, options))
        return made[-1]

    yield make
    for each in made:
        each.output.close()


class TestVerbosity:
    def test_is_high_by_default(self, recording):
        assert Verbosity.HIGH is recording().settings.verbosity

    def test_is_that_of_the_environment(self, recording, monkeypatch):
        monkeypatch.setenv("VLOG_VERBOSITY", "medium")

        assert Verbosity.MEDIUM is recording().settings.verbosity
        assert Verbosity.MEDIUM is recording(log_file="own.jsonl").settings.verbosity

    def test_is_the_argument_even_if_it_is_the_defaults_text(self, recording, monkeypatch):
        monkeypatch.setenv("VLOG_VERBOSITY", "medium")

        assert Verbosity.HIGH is recording("high").settings.verbosity

    def test_is_the_level_of_the_configured_logger(self, recording):
        vlog.configure(verbosity_level="ultra")

        assert Verbosity.ULTRA is recording().settings.verbosity
        assert Verbosity.HIGH is recording(log_file="own.jsonl").settings.verbosity

    def test_is_high_where_the_logger_has_a_level_of_another_kind(self, recording):
        vlog.configure()
        logging.getLogger("vlog").setLevel(logging.DEBUG)

        assert Verbosity.HIGH is recording().settings.verbosity


class TestFiles:
    def test_are_those_of_the_environment(self, recording, monkeypatch):
        monkeypatch.setenv("VLOG_LOG_FILE", "env.jsonl")
        monkeypatch.setenv("VLOG_CONSOLE", "no")
        output = recording().output

        assert Path.cwd() / "env.jsonl" == output.log_file
        assert output.console is None

    def test_are_those_of_the_arguments_before_it(self, recording, monkeypatch):
        monkeypatch.setenv("VLOG_LOG_FILE", "env.jsonl")
        monkeypatch.setenv("VLOG_CONSOLE", "no")
        output = recording(log_file="own.jsonl", console=True).output

        assert Path.cwd() / "own.jsonl" == output.log_file
        assert output.console is not None

    def test_are_what_is_configured_from_the_environment(self, recording, monkeypatch):
        monkeypatch.setenv("VLOG_LOG_FILE", "env.jsonl")
        vlog.configure()
        output = recording().output

        assert Path.cwd() / "env.jsonl" == output.log_file
        assert logging.getLogger("vlog").handlers[0] in output.handlers

    def test_a_variable_that_cannot_be_used_is_named(self, recording, monkeypatch):
        monkeypatch.setenv("VLOG_MAX_MB", "big")

        with pytest.raises(ConfigurationError, match="The environment variable VLOG_MAX_MB"):
            recording()


class TestOverheadBudget:
    @pytest.mark.parametrize(
        ("options", "percent"),
        [
            ({}, 1.0),
            ({"overhead_budget_percent": 0}, 0),
            ({"overhead_budget_percent": 0.25}, 0.25),
            ({"overhead_budget_percent": 100}, 100),
        ],
    )
    def test_is_one_percent_or_what_is_given(self, recording, options, percent):
        assert percent == recording(**options).settings.overhead_budget_percent

    def test_outlasts_a_switch_of_the_verbosity(self, recording):
        made = recording(overhead_budget_percent=0.5)
        made.set_verbosity(Verbosity.ULTRA)

        assert 0.5 == made.settings.overhead_budget_percent


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "part"),
        [
            ({"capture": "transformers"}, "capture is 'transformers'. Expected a list"),
            ({"capture": [1]}, r"capture is \[1\]"),
            ({"propagate": "yes"}, "propagate is 'yes'. Expected True or False"),
            ({"on_alert": 5}, "on_alert is 5. Expected a function"),
            ({"consol": True}, "Did you mean 'console'"),
            ({"overhead_budget_percent": float("nan")}, "overhead_budget_percent is nan. Expected"),
            ({"overhead_budget_percent": 100.5}, r"is 100.5. Expected percent, 0 \(for no budget"),
            ({"overhead_budget_percent": "1"}, "overhead_budget_percent is '1'"),
            ({"overhead_budget_percent": None}, "overhead_budget_percent is None"),
            ({"overhead_budget_percent": False}, "overhead_budget_percent is False"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, recording, options, part):
        with pytest.raises(ConfigurationError, match=part):
            recording(**options)

        assert [] == list(Path.cwd().iterdir())
