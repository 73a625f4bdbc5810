"""Where entries go: by arguments, by the packaged logging.yaml, by anybody's dictConfig."""

import logging
import logging.config
import queue
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from outputs import ERRORS, STANDARD, VERBOSE, entry, messages_in, refusal_of

import vlog
from vlog.config import configure, default_configuration


def use_configure():
    assert vlog.configure() is None


def use_file():
    Path("mine.yaml").write_text(default_configuration())
    configure("mine.yaml")


def use_dict_config():
    logging.config.dictConfig(yaml.safe_load(default_configuration()))


class TestDefaultConfiguration:
    @pytest.mark.parametrize("apply", [use_configure, use_file, use_dict_config])
    def test_writes_the_three_logs_of_the_guide(self, apply, make_output):
        apply()
        output = make_output()
        output.logger.entry(entry("milestone", "low"))
        output.logger.entry(entry("detail", "ultra"))
        logging.getLogger("vlog.something").warning("text")
        output.report("it broke")

        assert ["milestone", "detail", "text"] == messages_in(VERBOSE)
        assert ["milestone", "text"] == messages_in(STANDARD)
        assert "it broke" in Path(ERRORS).read_text()
        assert Path.cwd() / VERBOSE == output.log_file

    def test_creates_nothing_by_itself(self):
        configure()

        assert [] == list(Path.cwd().iterdir())

    def test_is_the_file_that_stands_in_the_checkout(self):
        """`logging.yaml` at the top is a link to the one in the package."""
        packaged = Path(vlog.__file__).with_name("logging.yaml")

        assert packaged.read_text() == default_configuration()

    def test_names_the_verbosity_of_runs_as_the_level_of_the_logger(self):
        configure()

        assert vlog.Verbosity.HIGH == logging.getLogger("vlog").level


class TestDictConfig:
    @pytest.mark.parametrize(
        "parts",
        [
            """
formatters:
  jsonl: {(): vlog.handlers.JsonlFormatter}
handlers:
  a: {class: logging.StreamHandler, level: HIGH, formatter: jsonl, stream: ext://sys.stdout}
root: {level: ULTRA, handlers: [a]}
""",
            """
handlers:
  a: {class: vlog.handlers.RotatingJsonlHandler, level: HIGH, filename: stdout.jsonl}
root: {level: ULTRA, handlers: [a]}
""",
        ],
        ids=["only a formatter", "only a handler"],
    )
    def test_knows_the_level_names_in_a_process_that_never_imported_vlog(self, parts):
        script = (
            "import logging, logging.config, sys, yaml\n"
            f"logging.config.dictConfig(yaml.safe_load('''version: 1\n{parts}'''))\n"
            "logging.getLogger('a').log(14, 'high'); logging.getLogger('a').log(13, 'deeper')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
        )
        written = done.stdout or Path("stdout.jsonl").read_text()

        assert ("", 0) == (done.stderr, done.returncode)
        assert '"message":"high"' in written
        assert "deeper" not in written


def configuration(**parts):
    return {
        "version": 1,
        "handlers": {"h": {"class": "vlog.handlers.RotatingJsonlHandler", "filename": "x.jsonl"}},
        "loggers": {"vlog": {"level": "HIGH", "handlers": ["h"]}},
    } | parts


class TestConfigure:
    def test_takes_a_dict_and_the_level_names(self):
        given = configuration()
        configure(given)
        logging.getLogger("vlog").log(14, "high")
        logging.getLogger("vlog").log(13, "deeper")

        assert ["high"] == messages_in("x.jsonl")
        assert configuration() == given

    def test_leaves_other_loggers_on_unless_told_otherwise(self):
        app = logging.getLogger("app.of.somebody")
        configure(configuration())
        before = app.disabled
        configure(configuration(disable_existing_loggers=True))
        after, app.disabled = app.disabled, False

        assert (False, True) == (before, after)

    def test_changes_levels_alone_when_incremental(self):
        configure(configuration())
        configure(
            {
                "version": 1,
                "incremental": True,
                "handlers": {"h": {"level": "LOW"}},
                "loggers": {"vlog": {"level": "ULTRA"}},
            }
        )
        logger = logging.getLogger("vlog")
        logger.log(24, "low")
        logger.log(18, "medium")

        assert (6, ["low"]) == (logger.level, messages_in("x.jsonl"))

    @pytest.mark.parametrize(
        "parts",
        [
            {"handlers": {"h": {"()": logging.NullHandler}}},
            {"handlers": {"h": {"()": "logging.NullHandler", ".": {"anything": 1}}}},
            {"handlers": {"h": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}}},
            {"handlers": {"h": {"class": "logging.StreamHandler", "level": "cfg://levels.mine"}},
             "levels": {"mine": "LOW"}},
            {"handlers": {"h": "cfg://mine"}, "mine": {"class": "logging.NullHandler"}},
            {"handlers": {"h": {"class": "logging.FileHandler", "filename": "/dev/null"}}},
            {"handlers": {"h": {"class": "logging.handlers.MemoryHandler", "capacity": 9,
                                "target": "a"},
                          "a": {"class": "logging.NullHandler"}}},
            {"handlers": {"h": {"class": "foreign_handlers.Foreign", "colour": "red"}}},
            {"handlers": {"h": {"class": "logging.NullHandler", "filters": ["f"]}},
             "filters": {"f": {"name": "vlog"}}},
            {"handlers": {"h": {"class": "logging.NullHandler", "filters": [bool]}}},
            {"handlers": {"h": {"class": "logging.handlers.QueueHandler",
                                "queue": queue.SimpleQueue()}}},
            {"x-mine": 1, "handlers": {"h": {"class": "logging.NullHandler", "level": 15}}},
            {"formatters": {"a": {"format": "{message}", "style": "{", "validate": True},
                            "b": {"class": "vlog.handlers.JsonlFormatter"},
                            "c": {"()": "vlog.handlers.JsonlFormatter", "json_indent": False}}},
        ],
        ids=["factory", "dotted factory", "ext", "cfg", "cfg part", "device", "memory",
             "foreign options", "filter", "filter object", "queue", "anchors", "formatters"],
    )  # fmt: skip
    def test_takes_what_dict_config_takes(self, parts):
        configure(configuration(**parts))

        assert 1 == len(logging.getLogger("vlog").handlers)

    def test_refuses_what_is_neither_a_file_nor_a_dict(self):
        assert "The configuration is 3. Expected the path of a YAML file" in refusal_of(
            configure, 3
        )

    def test_refuses_an_unknown_override(self):
        message = refusal_of(configure, log_fiel="x.jsonl")

        assert message.startswith("Unknown override 'log_fiel'. Did you mean 'log_file'?")


class TestLoggerOfRuns:
    def test_a_name_that_is_nearly_its_is_refused(self):
        near = {
            "version": 1,
            "handlers": {
                "h": {"class": "vlog.handlers.RotatingJsonlHandler", "filename": "x.jsonl"}
            },
            "loggers": {"vlg": {"handlers": ["h"]}},
        }

        assert "loggers.vlg: Did you mean 'vlog'?" in refusal_of(configure, near)
        configure({**near, "loggers": {"vlog": {"handlers": ["h"]}, "vlg": {}}})
