"""Where the entries of a run go: its own files, or what the app configured."""

import logging
import logging.config
from pathlib import Path

import pytest
from outputs import ERRORS, STANDARD, VERBOSE, entry, messages_in, refusal_of

from vlog.config import configure
from vlog.errors import LogFileError
from vlog.handlers import RotatingJsonlHandler, StandardFormatter
from vlog.output import DEFAULT_LOG_FILE, Output, Rotation
from vlog.record import make_record


def is_free(name):
    """Return whether another handler may write the file; it writes one entry to find out."""
    rival = RotatingJsonlHandler(name, report=lambda *_: None)
    rival.handle(make_record("vlog", entry("rival")))
    rival.close()
    return rival.path == Path(name).absolute()


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

    def test_ends_where_it_began_though_the_app_configures_anew(self, make_output):
        configure()
        output = make_output()
        output.open()
        output.logger.entry(entry("before", "low"))
        configure(log_file="new.jsonl", standard_log=False, console=False)
        output.logger.entry(entry("after", "low"))
        output.close()

        assert ["before", "after"] == messages_in(VERBOSE)
        assert is_free(VERBOSE)
        output.open()
        output.logger.entry(entry("next run", "low"))

        assert ["next run"] == messages_in("new.jsonl")

    def test_rotates_as_it_is_told(self, make_output):
        output = make_output("own.jsonl", rotation=Rotation(max_mb=1 / 2**20, compress="none"))
        output.logger.entry(entry())
        output.logger.entry(entry())

        assert Path("own.jsonl.000001").exists()

    @pytest.mark.parametrize("value", ["", 5, None, b""])
    def test_refuses_what_is_no_path(self, value):
        assert f"log_file is {value!r}. Expected the path of a file." == refusal_of(Output, value)

    @pytest.mark.parametrize("name", ["a\0b", "\ud800.jsonl", "n" * 300])
    def test_refuses_a_name_that_no_file_can_have(self, name):
        with pytest.raises(LogFileError):
            Output(name)

    def test_of_the_configured_file_is_written_by_the_configured_handler(self, make_output):
        configure()
        (verbose, *_) = logging.getLogger("vlog").handlers
        verbose.setLevel("MEDIUM")
        output = make_output(VERBOSE)
        output.open()
        output.logger.entry(entry("milestone", "low"))
        output.logger.entry(entry("detail", "high"))
        logging.getLogger("vlog.app").warning("text")

        assert ["milestone", "text"] == messages_in(VERBOSE)
        assert verbose in output.handlers

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
