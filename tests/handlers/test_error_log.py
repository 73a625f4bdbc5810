"""The error log takes what went wrong, redacted and without a flood."""

import logging
import os
import stat

import pytest

from vlog.errors import LogFileError
from vlog.handlers import ErrorLogHandler, ErrorReporter


@pytest.fixture
def logger():
    return logging.Logger("errors")  # noqa: LOG001 - its own, not one of the tree


@pytest.fixture
def error_log(logger, tmp_path):
    handler = ErrorLogHandler(tmp_path / "errors.log")
    logger.addHandler(handler)
    yield tmp_path / "errors.log"
    handler.close()


class TestErrorLogHandler:
    def test_creates_the_file_at_the_first_error(self, logger, error_log):
        assert not error_log.exists()
        logger.error("it broke")

        line = error_log.read_text()
        assert line.endswith(f"ERROR pid={os.getpid()} it broke\n")

    def test_appends(self, logger, error_log):
        error_log.write_text("before\n")
        logger.error("it broke")

        assert error_log.read_text().startswith("before\n")
        assert 2 == error_log.read_text().count("\n")

    def test_redacts_message_and_stack(self, logger, error_log):
        secret = "hf_" + "a1" * 17
        try:
            raise ValueError(f"bad token {secret}")  # noqa: TRY301 - to be caught here
        except ValueError:
            logger.exception("with password=%s", "hunter22")

        text = error_log.read_text()
        assert "ValueError: bad token <redacted>" in text
        assert "password=<redacted>" in text
        assert "Traceback" in text
        assert secret not in text

    def test_writes_what_is_no_utf8(self, logger, error_log):
        logger.error("bad name \udcff")

        assert "bad name \\udcff" in error_log.read_text()

    def test_is_of_at_most_0644_under_the_umask(self, logger, error_log):
        before = os.umask(0o027)
        try:
            logger.error("it broke")
        finally:
            os.umask(before)

        assert 0o640 == stat.S_IMODE(error_log.stat().st_mode)

    def test_says_once_on_stderr_that_it_cannot_write(self, logger, error_log, capsys):
        error_log.mkdir()
        logger.error("first password=hunter22")
        logger.error("second")

        said = capsys.readouterr().err
        assert f"vlog: {error_log} cannot be written either" in said
        assert "vlog: first password=<redacted>" in said
        assert "second" not in said

    def test_refuses_a_missing_folder(self, tmp_path):
        with pytest.raises(LogFileError, match="does not exist"):
            ErrorLogHandler(tmp_path / "nowhere" / "errors.log")


class Listener(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)

    @property
    def messages(self):
        return [record.getMessage() for record in self.records]


class TestErrorReporter:
    @pytest.fixture
    def listener(self, logger):
        listener = Listener()
        logger.addHandler(listener)
        return listener

    def test_reports_the_1st_2nd_4th_and_8th_of_a_kind(self, logger, listener):
        report = ErrorReporter(logger)
        for _ in range(9):
            report("full disk")

        assert [
            "full disk",
            "full disk (2 times so far)",
            "full disk (4 times so far)",
            "full disk (8 times so far)",
        ] == listener.messages
        assert 9 == report.count

    def test_counts_each_kind_by_itself(self, logger, listener):
        report = ErrorReporter(logger)
        for what in ("a", "b", "a", "a", "b"):
            report(what)

        assert ["a", "b", "a (2 times so far)", "b (2 times so far)"] == listener.messages

    def test_adds_what_was_raised_as_text_without_secrets(self, logger, listener):
        ErrorReporter(logger)("broken", ValueError("password=hunter22"))
        ErrorReporter(logger)("100% broken")

        assert ["broken\nValueError: password=<redacted>", "100% broken"] == listener.messages
        assert [None, None] == [record.exc_info for record in listener.records]
