"""Where entries go: by arguments, by the packaged logging.yaml, by anybody's dictConfig."""

import logging
import logging.config
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


def configuration(**parts):
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"h": {"class": "vlog.handlers.RotatingJsonlHandler", "filename": "x.jsonl"}},
        "loggers": {"vlog": {"level": "HIGH", "handlers": ["h"]}},
    } | parts


class TestConfigure:
    def test_takes_a_dict_and_the_level_names(self):
        configure(configuration())
        logging.getLogger("vlog").log(14, "high")
        logging.getLogger("vlog").log(13, "deeper")

        assert ["high"] == messages_in("x.jsonl")

    def test_refuses_a_file_that_is_not_there(self):
        message = refusal_of(configure, "nowhere.yaml")

        assert message.startswith("nowhere.yaml cannot be read: No such file or directory.")
        assert "`vlog init` writes one" in message

    @pytest.mark.parametrize("content", [b"version: [1", b"a: b: c", b"\xff\xfe", b"\ttab: 1"])
    def test_refuses_what_is_no_yaml(self, content):
        Path("bad.yaml").write_bytes(content)

        assert refusal_of(configure, "bad.yaml").startswith("bad.yaml is not valid YAML: ")

    @pytest.mark.parametrize(("content", "kind"), [("", "NoneType"), ("- 1", "list"), ("x", "str")])
    def test_refuses_what_is_no_mapping(self, content, kind):
        Path("bad.yaml").write_text(content)
        message = refusal_of(configure, "bad.yaml")

        assert f"bad.yaml holds a {kind}. Expected a mapping with `version: 1`" in message

    def test_runs_no_code_from_the_file(self):
        Path("bad.yaml").write_text("!!python/object/apply:os.mkdir [made]")

        assert "is not valid YAML" in refusal_of(configure, "bad.yaml")
        assert not Path("made").exists()

    @pytest.mark.parametrize(
        ("parts", "cause"),
        [
            ({"version": 2}, "Unsupported version: 2"),
            ({"loggers": {"vlog": {"handlers": ["nope"]}}}, "Unable to add handler 'nope'"),
            ({"loggers": {"vlog": {"level": "LOUD", "handlers": []}}}, "Unknown level: 'LOUD'"),
            ({"handlers": {"h": {"class": "no.Handler"}}}, "No module named 'no'"),
            (
                {"handlers": {"h": {"class": "vlog.handlers.RotatingJsonlHandler",
                                    "filename": "x.jsonl", "max_mb": -1}}},
                "max_mb is -1. Expected a number of MiB, 0 or more (default: 512).",
            ),
        ],
        ids=["version", "handler", "level", "class", "option"],
    )  # fmt: skip
    def test_refuses_a_bad_one_and_keeps_what_worked(self, parts, cause):
        configure()
        message = refusal_of(configure, configuration(**parts))
        logging.getLogger("vlog").warning("still here")

        assert message.startswith("The configuration cannot be applied: ")
        assert cause in message
        assert ["still here"] == messages_in(VERBOSE) == messages_in(STANDARD)
