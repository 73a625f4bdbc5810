"""Where entries go: by arguments, by the packaged logging.yaml, by anybody's dictConfig."""

import json
import logging
import logging.config
from pathlib import Path

import pytest
import yaml

import vlog
from vlog.config import (
    DEFAULT_LOG_FILE,
    Output,
    Rotation,
    configure,
    default_configuration,
    process_rank,
    rank_path,
    refuse_unknown,
)
from vlog.errors import ConfigurationError, LogFileError
from vlog.handlers import RotatingJsonlHandler, StandardFormatter
from vlog.record import make_record

VERBOSE, STANDARD, ERRORS = (
    "verbose_training_logs.jsonl", "training_logs.jsonl", "verbose_logging_errors.log"
)  # fmt: skip


def entry(message="go", verbosity="high", level="INFO"):
    return {"type": "training_start", "level": level, "message": message, "verbosity": verbosity}


def messages_in(name):
    path = Path(name)
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["message"] for line in lines]


def refusal_of(call, *args, **options):
    with pytest.raises(ConfigurationError) as refusal:
        call(*args, **options)
    return str(refusal.value)


def is_free(name):
    """Return whether another handler may write the file; it writes one entry to find out."""
    rival = RotatingJsonlHandler(name, report=lambda *_: None)
    rival.handle(make_record("vlog", entry("rival")))
    rival.close()
    return rival.path == Path(name).absolute()


@pytest.fixture
def make_output():
    outputs = []

    def make(*args, **options):
        outputs.append(Output(*args, **options))
        return outputs[-1]

    yield make
    for output in outputs:
        output.close()


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


class TestOutput:
    def test_of_a_given_file_wins_over_what_is_configured(self, make_output):
        configure()
        output = make_output("own.jsonl")
        output.logger.entry(entry())

        assert ["go"] == messages_in("own.jsonl")
        assert [] == messages_in(VERBOSE)
        assert Path("own.jsonl").stat().st_size == output.bytes_written

    def test_by_default_writes_the_default_file(self, make_output):
        output = make_output(DEFAULT_LOG_FILE)
        output.logger.entry(entry())
        output.report("it broke")

        assert ["go"] == messages_in(VERBOSE)
        assert "it broke" in Path(ERRORS).read_text()
        assert not Path(STANDARD).exists()

    def test_writes_the_standard_log_beside_when_asked(self, make_output):
        make_output("own.jsonl", standard_log=True).logger.entry(entry("a", "low"))
        make_output("own.jsonl", standard_log="flat.jsonl").logger.entry(entry("b", "medium"))
        make_output("own.jsonl", standard_log="flat.jsonl").logger.entry(entry("c", "high"))

        assert ["a"] == messages_in(STANDARD)
        assert ["b"] == messages_in("flat.jsonl")
        assert ["a", "b", "c"] == messages_in("own.jsonl")

    def test_is_outside_the_reach_of_the_app(self, make_output):
        """A dictConfig of the app disables the loggers that it does not name."""
        output = make_output("own.jsonl")
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
        output.logger.entry(entry())

        assert ["go"] == messages_in("own.jsonl")

    def test_of_one_path_is_one_file_until_the_last_has_closed(self, make_output):
        first, second = make_output("own.jsonl"), make_output("./own.jsonl")
        for output in (first, second):
            output.open()
            output.logger.entry(entry())
        first.close()
        assert not is_free("own.jsonl")

        second.close()

        assert ["go", "go"] == messages_in("own.jsonl")
        assert is_free("own.jsonl")

    def test_of_another_rank_is_a_file_of_its_own_without_standard_log(
        self, make_output, monkeypatch
    ):
        monkeypatch.setenv("RANK", "3")
        make_output("own.jsonl", standard_log=True).logger.entry(entry("a", "low"))

        assert ["own.rank3.jsonl"] == [path.name for path in Path.cwd().glob("*.jsonl")]

    def test_rotates_as_it_is_told(self, make_output):
        output = make_output("own.jsonl", rotation=Rotation(max_mb=1 / 2**20, compress="none"))
        output.logger.entry(entry())
        output.logger.entry(entry())

        assert Path("own.jsonl.000001").exists()

    @pytest.mark.parametrize("value", ["", 5, None, b""])
    def test_refuses_what_is_no_path(self, value):
        assert f"log_file is {value!r}. Expected the path of a file." == refusal_of(Output, value)

    def test_refuses_a_file_that_cannot_be_written(self):
        with pytest.raises(LogFileError, match="does not exist"):
            Output("nowhere/own.jsonl")

    def test_refuses_one_file_for_both_logs(self):
        assert "Give two files" in refusal_of(Output, "own.jsonl", standard_log="own.jsonl")

    def test_refuses_a_file_that_another_one_has_as_the_other_kind(self, make_output):
        make_output("a.jsonl", standard_log="flat.jsonl")

        assert "cannot be a verbose and a standard log at once" in refusal_of(Output, "flat.jsonl")

    def test_refuses_a_standard_log_beside_what_is_configured(self):
        configure()
        message = refusal_of(Output, DEFAULT_LOG_FILE, standard_log=True)

        assert StandardFormatter.__name__ in message
        assert "or give both files" in message


class TestRank:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [("RANK", "2", 2), ("OMPI_COMM_WORLD_RANK", "1", 1), ("RANK", "x", 0), ("RANK", "", 0)],
    )
    def test_is_what_the_launcher_says(self, monkeypatch, name, value, expected):
        monkeypatch.setenv(name, value)

        assert expected == process_rank()

    def test_is_part_of_the_name_but_for_the_first(self):
        path = Path("/a/run.v1.jsonl")

        assert path == rank_path(path, 0)
        assert Path("/a/run.v1.rank3.jsonl") == rank_path(path, 3)


class TestRefuseUnknown:
    def test_names_the_nearest_option_and_all(self):
        assert (
            "Unknown option 'standrad_log'. Did you mean 'standard_log'? "
            "Expected one of: log_file, standard_log, rotation, console."
        ) == refusal_of(refuse_unknown, {"standrad_log": 1}, Output)

    def test_takes_what_is_known(self):
        refuse_unknown({}, Output)
        assert "Did you mean" not in refusal_of(refuse_unknown, {"zzz": 1}, Output)
