"""The common settings: arguments override environment variables, and these the file."""

import logging
from pathlib import Path

import pytest
from outputs import ERRORS, STANDARD, VERBOSE, messages_in, refusal_of

from vlog.config import configure
from vlog.environment_settings import VARIABLES
from vlog.handlers import (
    ConsoleHandler,
    ErrorLogHandler,
    JsonlFormatter,
    RotatingJsonlHandler,
    StandardFormatter,
)
from vlog.verbosity import Verbosity


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    for name in VARIABLES.values():
        monkeypatch.delenv(name, raising=False)


def of_kind(kind, logger="vlog"):
    handlers = logging.getLogger(logger).handlers
    return [handler for handler in handlers if isinstance(handler, kind)]


def paths(formatter):
    """Return the files of the logger `vlog` that have this formatter."""
    return [
        str(handler.path.relative_to(Path.cwd()))
        for handler in of_kind(RotatingJsonlHandler)
        if type(handler.formatter) is formatter
    ]


def error_log():
    (handler,) = of_kind(ErrorLogHandler, "vlog.errors")
    return str(Path(handler.baseFilename).relative_to(Path.cwd()))


def one_log(**more):
    """Return a configuration of one log alone, where the default one has three outputs."""
    return {
        "version": 1,
        "formatters": {"mine": {"()": "vlog.handlers.JsonlFormatter"}},
        "handlers": {
            "log": {
                "class": "vlog.handlers.RotatingJsonlHandler",
                "filename": "runs/log.jsonl",
                "formatter": "mine",
            }
        },
        "loggers": {"vlog": {"level": "ULTRA", "handlers": ["log"]}},
    } | more


class TestVerbosityLevel:
    @pytest.mark.parametrize("given", ["ultra", "ULTRA", Verbosity.ULTRA])
    def test_is_the_level_of_the_logger(self, given):
        configure(verbosity_level=given)

        assert Verbosity.ULTRA == logging.getLogger("vlog").level

    def test_is_set_where_the_configuration_has_no_such_logger(self):
        configure({"version": 1}, verbosity_level="low")

        assert Verbosity.LOW == logging.getLogger("vlog").level

    def test_is_refused_if_unknown(self):
        message = refusal_of(configure, verbosity_level="hgih")

        assert message.startswith("Unknown verbosity 'hgih'. Expected one of: low, medium")


class TestLogFile:
    def test_is_the_file_of_the_log(self):
        configure(log_file="mine.jsonl")

        assert ["mine.jsonl"] == paths(JsonlFormatter)
        assert [STANDARD] == paths(StandardFormatter)

    def test_takes_along_what_stood_beside_it(self):
        Path("runs").mkdir()
        configure(log_file=Path("runs/mine.jsonl"))

        assert ["runs/mine.jsonl"] == paths(JsonlFormatter)
        assert [f"runs/{STANDARD}"] == paths(StandardFormatter)
        assert f"runs/{ERRORS}" == error_log()

    def test_leaves_an_error_log_that_stands_elsewhere(self):
        Path("runs").mkdir()
        Path("logs").mkdir()
        errors = {"class": "vlog.handlers.ErrorLogHandler", "filename": "errors.log"}
        config = one_log()
        config["handlers"]["errors"] = errors
        config["loggers"]["vlog.errors"] = {"handlers": ["errors"]}
        configure(config, log_file="logs/x.jsonl")

        assert ["logs/x.jsonl"] == paths(JsonlFormatter)
        assert "errors.log" == error_log()

    def test_may_begin_with_the_home_folder(self, monkeypatch):
        monkeypatch.setenv("HOME", str(Path.cwd()))
        configure(log_file="~/mine.jsonl")

        assert ["mine.jsonl"] == paths(JsonlFormatter)

    def test_spares_the_folder_of_the_file(self):
        """What the file says is not looked at where it is overridden."""
        configure(one_log(), log_file="here.jsonl")

        assert ["here.jsonl"] == paths(JsonlFormatter)

    def test_is_named_when_it_cannot_be_written(self):
        message = refusal_of(configure, log_file="no/x.jsonl")

        assert message.startswith("log_file: Folder ")
        assert "Create it first" in message

    @pytest.mark.parametrize(("given", "shown"), [(True, "True"), ("", "''"), (3, "3")])
    def test_is_refused_if_it_is_no_path(self, given, shown):
        message = refusal_of(configure, log_file=given)

        assert message.startswith(f"log_file is {shown}. Expected the path of a file.")

    @pytest.mark.parametrize(
        "config",
        [{"version": 1}, {"version": 1, "handlers": {"h": {"class": "logging.NullHandler"}},
                          "loggers": {"vlog": {"handlers": ["h"]}}}],
    )  # fmt: skip
    def test_is_refused_if_there_is_no_log(self, config):
        message = refusal_of(configure, config, log_file="x.jsonl")

        assert message.startswith(
            "The configuration: log_file has nothing to act on: there is no "
            "vlog.handlers.RotatingJsonlHandler on the logger 'vlog'. Change that, or leave"
        )

    def test_is_refused_if_there_are_two(self):
        log = {"class": "vlog.handlers.RotatingJsonlHandler"}
        handlers = {name: log | {"filename": f"{name}.jsonl"} for name in ("a", "b")}
        config = one_log(handlers=handlers, loggers={"vlog": {"handlers": ["a", "b"]}})

        assert "there are 2 logs (a, b) on the logger" in refusal_of(
            configure, config, log_file="x"
        )


class TestStandardLog:
    def test_is_the_file_of_the_standard_log(self):
        configure(standard_log="flat.jsonl")

        assert ["flat.jsonl"] == paths(StandardFormatter)
        assert [VERBOSE] == paths(JsonlFormatter)

    def test_is_taken_off(self):
        configure(standard_log=False)
        logging.getLogger("vlog").warning("text")

        assert [] == paths(StandardFormatter)
        assert not Path(STANDARD).exists()
        assert ["text"] == messages_in(VERBOSE)

    def test_need_not_be_writable_when_it_is_taken_off(self):
        Path("runs").mkdir()
        config = one_log()
        config["formatters"]["flat"] = {"()": "vlog.handlers.StandardFormatter"}
        config["handlers"]["flat"] = config["handlers"]["log"] | {
            "filename": "no/flat.jsonl",
            "formatter": "flat",
        }
        config["loggers"]["vlog"]["handlers"].append("flat")
        configure(config, standard_log=False)

        assert ["runs/log.jsonl"] == paths(JsonlFormatter)
        assert ["log", "flat"] == config["loggers"]["vlog"]["handlers"]

    @pytest.mark.parametrize(
        ("given", "path"), [(True, f"runs/{STANDARD}"), ("flat.jsonl", "flat.jsonl")]
    )
    def test_is_added(self, given, path):
        Path("runs").mkdir()
        configure(one_log(), standard_log=given)
        logging.getLogger("vlog").log(Verbosity.MEDIUM, "medium")
        logging.getLogger("vlog").log(Verbosity.HIGH, "high")

        assert [path] == paths(StandardFormatter)
        assert ["medium"] == messages_in(path)

    def test_goes_back_to_its_default_name(self):
        config = one_log()
        config["formatters"]["mine"] = {"()": "vlog.handlers.StandardFormatter"}
        configure(config, standard_log=True)

        assert [STANDARD] == paths(StandardFormatter)

    def test_is_refused_where_the_log_is(self):
        message = refusal_of(configure, standard_log=VERBOSE)

        assert message.startswith(f"standard_log: '{VERBOSE}' is the file of handlers.verbose")

    def test_is_refused_without_a_log(self):
        message = refusal_of(configure, {"version": 1}, standard_log=True)

        assert message.startswith(
            "The configuration: standard_log has nothing to act on: there is no"
        )


class TestConsole:
    def test_is_taken_off(self):
        configure(console=False)

        assert [] == of_kind(ConsoleHandler)

    def test_is_added(self, capsys):
        Path("runs").mkdir()
        configure(one_log(), console=True)
        logging.getLogger("vlog").log(Verbosity.LOW, "milestone")
        logging.getLogger("vlog").log(Verbosity.MEDIUM, "detail")

        assert 1 == len(of_kind(ConsoleHandler))
        assert "milestone" in (shown := capsys.readouterr().err)
        assert "detail" not in shown

    def test_stays_as_it_is(self):
        configure(console=True)

        assert 1 == len(of_kind(ConsoleHandler))

    def test_is_refused_if_it_is_no_switch(self):
        assert refusal_of(configure, console="yes").startswith("console is 'yes'. Expected True")


class TestOfAConfigurationWithMistakes:
    def test_a_file_that_is_no_path_is_told_as_ever(self):
        config = one_log()
        config["formatters"]["flat"] = {"()": "vlog.handlers.StandardFormatter"}
        config["handlers"]["flat"] = config["handlers"]["log"] | {"formatter": "flat"}
        config["loggers"]["vlog"]["handlers"].append("flat")
        for handler in config["handlers"].values():
            handler["filename"] = 3
        message = refusal_of(configure, config, log_file="x.jsonl", console=False)

        assert message.startswith("The configuration: handlers.flat.filename is 3. Expected")

    def test_what_is_referred_to_is_overridden_all_the_same(self):
        Path("runs").mkdir()
        config = one_log(mine={"handlers": ["log"]}, root="cfg://nothing", nothing={})
        config["loggers"]["vlog"] = "cfg://mine"
        configure(config, log_file="x.jsonl", standard_log=False)

        assert ["x.jsonl"] == paths(JsonlFormatter)


class TestRotation:
    def test_is_that_of_every_log(self):
        configure(max_mb=1, total_mb=2, compress="gzip")
        logs = of_kind(RotatingJsonlHandler)

        assert [(2**20, 2 * 2**20, "gzip")] * 2 == [
            (log.maxBytes, log._total_bytes, log._compression) for log in logs
        ]

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("max_mb", "big", "max_mb is 'big'. Expected a number of MiB"),
            ("total_mb", -1, "total_mb is -1. Expected a number of MiB"),
            ("compress", "zip", "compress: Unknown compression 'zip'. Expected one of: zstd"),
        ],
    )
    def test_is_named_without_a_line_of_the_file(self, option, value, message):
        assert refusal_of(configure, **{option: value}).startswith(message)

    def test_is_refused_without_a_log(self):
        message = refusal_of(configure, {"version": 1}, max_mb=1)

        assert message.startswith(
            "The configuration: max_mb has nothing to act on: there is no vlog.h"
        )


class TestEnvironment:
    def test_overrides_the_file(self, monkeypatch):
        monkeypatch.setenv("VLOG_LOG_FILE", "env.jsonl")
        monkeypatch.setenv("VLOG_VERBOSITY", "low")
        monkeypatch.setenv("VLOG_STANDARD_LOG", "false")
        monkeypatch.setenv("VLOG_CONSOLE", "false")
        monkeypatch.setenv("VLOG_MAX_MB", "3")
        configure()
        (log,) = logging.getLogger("vlog").handlers

        assert ("env.jsonl", 3 * 2**20) == (log.path.name, log.maxBytes)
        assert Verbosity.LOW == logging.getLogger("vlog").level

    def test_is_overridden_by_an_argument(self, monkeypatch):
        monkeypatch.setenv("VLOG_LOG_FILE", "env.jsonl")
        monkeypatch.setenv("VLOG_VERBOSITY", "low")
        configure(log_file="mine.jsonl", verbosity_level=None)

        assert ["mine.jsonl"] == paths(JsonlFormatter)
        assert Verbosity.LOW == logging.getLogger("vlog").level

    def test_is_named_when_its_value_is_wrong(self, monkeypatch):
        monkeypatch.setenv("VLOG_LOG_FILE", "no/env.jsonl")
        folder = refusal_of(configure)
        monkeypatch.setenv("VLOG_CONSOLE", "maybe")

        assert folder.startswith("VLOG_LOG_FILE: Folder ")
        assert refusal_of(configure).startswith("The environment variable VLOG_CONSOLE is 'maybe'")

    def test_is_named_when_it_has_nothing_to_act_on(self, monkeypatch):
        monkeypatch.setenv("VLOG_LOG_FILE", "env.jsonl")
        config = one_log(handlers={"log": {"class": "logging.NullHandler"}})

        assert refusal_of(configure, config).startswith(
            "The configuration: VLOG_LOG_FILE has nothing"
        )

    def test_is_left_to_the_runs_where_the_configuration_is_not_about_them(self, monkeypatch):
        monkeypatch.setenv("VLOG_LOG_FILE", "env.jsonl")
        configure({"version": 1, "loggers": {"app": {"level": "INFO"}}})

        assert [] == logging.getLogger("vlog").handlers

    def test_is_left_out_when_levels_alone_are_changed(self, monkeypatch):
        monkeypatch.setenv("VLOG_VERBOSITY", "low")
        configure({"version": 1, "incremental": True, "loggers": {"vlog": {"level": "ULTRA"}}})

        assert Verbosity.ULTRA == logging.getLogger("vlog").level
