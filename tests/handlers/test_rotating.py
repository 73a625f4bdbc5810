"""The JSONL file of a run: appended, owned, rotated, and never a reason to stop."""

import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import textwrap
import threading

import pytest
from processes import wait_for

import vlog
import vlog.handlers.keeper
import vlog.output
from vlog.encoded import Encoded
from vlog.errors import ConfigurationError, LogFileError
from vlog.handlers import JsonlFormatter, RotatingJsonlHandler, StandardFormatter
from vlog.handlers.error_log import ERROR_LOG_NAME
from vlog.record import make_record
from vlog.segments import list_segments, open_segment, segment_path

DEADLINE = 10.0
KB = 1 / 1024  # of a `_mb`


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.jsonl"


@pytest.fixture
def open_handler(log):
    """Make handlers of the log, and close them in the end."""
    handlers = []

    def make(**options):
        handlers.append(RotatingJsonlHandler(log, **options))
        return handlers[-1]

    yield make
    for handler in handlers:
        handler.close()


def emit(handler, *numbers):
    for number in numbers:
        handler.handle(logging.LogRecord("app", logging.INFO, "", 0, number, (), None))


def number_in(line):
    return int(json.loads(line)["message"])


def numbers_in(path):
    with open_segment(path) as stream:
        return [number_in(line) for line in stream]


def numbers_in_all(log):
    paths = [*(segment.path for segment in list_segments(log)), log]
    return [number for path in paths for number in numbers_in(path)]


def errors_beside(log):
    path = log.with_name(ERROR_LOG_NAME)
    return path.read_text() if path.exists() else ""


def run_second_process(log, script="emit(100)"):
    """Run `script` in another process with a handler of the same path; return its pid."""
    prelude = f"""
        import logging, os
        from vlog.handlers import RotatingJsonlHandler
        handler = RotatingJsonlHandler({str(log)!r})
        emit = lambda number: handler.handle(
            logging.LogRecord("app", logging.INFO, "", 0, number, (), None))
    """
    code = (
        textwrap.dedent(prelude) + textwrap.dedent(script) + "\nhandler.close(); print(os.getpid())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return int(result.stdout)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"max_mb": -1}, "max_mb is -1. Expected a number of MiB, 0 or more (default: 512)."),
            ({"max_mb": "5"}, "max_mb is '5'. Expected a number of MiB"),
            ({"max_mb": True}, "max_mb is True. Expected a number of MiB"),
            (
                {"total_mb": None},
                "total_mb is None. Expected a number of MiB, 0 or more (default: ",
            ),
            ({"compress": "zip"}, "Unknown compression 'zip'. Expected one of: zstd, gzip, none."),
        ],
    )
    def test_that_cannot_be_are_refused(self, log, options, message):
        with pytest.raises(ConfigurationError) as refusal:
            RotatingJsonlHandler(log, **options)

        assert message in str(refusal.value)
        assert [] == list(log.parent.iterdir())

    def test_with_a_path_that_cannot_be_are_refused(self, tmp_path):
        with pytest.raises(LogFileError, match="is a folder"):
            RotatingJsonlHandler(tmp_path)


class TestEmit:
    def test_creates_nothing_before_the_first_record(self, log, open_handler):
        handler = open_handler()
        assert [] == list(log.parent.iterdir())

        emit(handler, 1)

        assert [1] == numbers_in(log)

    def test_appends_one_line_to_what_is_there(self, log, open_handler):
        log.write_bytes(b'{"message":0}\n')
        handler = open_handler()
        emit(handler, 1, 2)

        assert [0, 1, 2] == numbers_in(log)
        assert log.stat().st_size == handler.bytes_written + len(b'{"message":0}\n')

    def test_closes_a_torn_last_line_by_a_newline(self, log, open_handler):
        torn = b'{"message":0}\n{"level":"INFO","mess'
        log.write_bytes(torn)
        emit(open_handler(), 2, 3)

        assert log.read_bytes().startswith(torn + b"\n{")
        assert [2, 3] == [number_in(line) for line in log.read_bytes().splitlines()[2:]]

    def test_opens_again_after_close(self, log, open_handler):
        handler = open_handler()
        emit(handler, 1)
        handler.close()
        emit(handler, 2)

        assert [1, 2] == numbers_in(log)

    def test_takes_any_formatter(self, log, open_handler):
        handler = open_handler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        handler.handle(logging.makeLogRecord({"msg": "a \ud800"}))

        assert b"a \\ud800\n" == log.read_bytes()

    def test_raises_nothing_when_the_formatter_raises(self, log, open_handler):
        class Broken(logging.Formatter):
            def format(self, record):
                raise ZeroDivisionError("no format")

        handler = open_handler()
        jsonl = handler.formatter
        handler.setFormatter(Broken())
        emit(handler, 1)
        handler.setFormatter(jsonl)
        emit(handler, 2)

        gap, entry = vlog.read(log)
        assert ("logging_gap", 1, "ZeroDivisionError: no format") == (
            gap["type"],
            gap["dropped"],
            gap["reason"],
        )
        assert "2" == entry["message"]
        assert f"an entry could not be written to {log}" in errors_beside(log)

    def test_raises_nothing_when_the_folder_is_gone_and_goes_on_when_it_is_back(self, tmp_path):
        log, reports = tmp_path / "logs" / "run.jsonl", []
        log.parent.mkdir()
        handler = RotatingJsonlHandler(log, report=lambda what, error: reports.append(error))
        emit(handler, 1)
        shutil.rmtree(log.parent)
        emit(handler, 2)
        log.parent.mkdir()
        emit(handler, 3)
        handler.close()

        assert [FileNotFoundError, type(None)] == [type(error) for error in reports]
        assert [2, 3] == numbers_in(log)

    def test_completes_a_line_that_a_full_disk_cut_short(self, log):
        """A limit on the file's size makes the kernel write half a line, as a full disk does."""
        run_second_process(log, """
            import resource
            emit(1)
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            limit = os.path.getsize(handler.baseFilename) + 20
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            emit(2)
            assert os.path.getsize(handler.baseFilename) == limit
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            emit(3)
            handler.close()
        """)  # fmt: skip

        assert [1, 2, 3] == numbers_in(log)
        assert f"{log} cannot be written: OSError: [Errno 27] File too large" in errors_beside(log)
        assert f"{log} is written again" in errors_beside(log)


class TestRights:
    @pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o644), (0o077, 0o600)])
    def test_are_at_most_0644_under_the_umask(self, log, open_handler, umask, mode):
        before = os.umask(umask)
        try:
            handler = open_handler(max_mb=KB)
            emit(handler, *range(40))
            handler.close()
        finally:
            os.umask(before)

        assert {mode} == {stat.S_IMODE(path.stat().st_mode) for path in log.parent.iterdir()}
        assert len(list_segments(log)) > 1


class TestRotation:
    def test_gives_ascending_segments_that_hold_exactly_the_entries(self, log, open_handler):
        handler = open_handler(max_mb=KB, compress="none")
        emit(handler, *range(100))
        handler.close()
        segments = list_segments(log)

        assert list(range(100)) == numbers_in_all(log)
        assert list(range(1, len(segments) + 1)) == [segment.number for segment in segments]
        assert "run.jsonl.000001" == segments[0].path.name
        assert all(512 < segment.path.stat().st_size <= 1024 for segment in segments)

    @pytest.mark.parametrize(("compress", "ending"), [("zstd", ".zst"), ("gzip", ".gz")])
    def test_compresses_segments(self, log, open_handler, compress, ending):
        handler = open_handler(max_mb=KB, compress=compress)
        emit(handler, *range(100))
        handler.close()

        assert {ending} == {segment.path.suffix for segment in list_segments(log)}
        assert list(range(100)) == numbers_in_all(log)

    def test_does_not_wait_for_the_compression(self, log, open_handler, monkeypatch):
        may_go_on, compress = threading.Event(), vlog.handlers.keeper.compress

        def slow_compress(*args):
            assert may_go_on.wait(DEADLINE)
            compress(*args)

        monkeypatch.setattr(vlog.handlers.keeper, "compress", slow_compress)
        handler = open_handler(max_mb=KB)
        emit(handler, *range(100))
        while_it_waits = numbers_in_all(log)
        may_go_on.set()
        handler.close()

        assert list(range(100)) == while_it_waits == numbers_in_all(log)

    def test_deletes_the_oldest_above_the_total(self, log, open_handler):
        handler = open_handler(max_mb=KB, total_mb=2 * KB, compress="none")
        emit(handler, *range(100))
        handler.close()
        kept = numbers_in_all(log)

        assert sum(segment.path.stat().st_size for segment in list_segments(log)) <= 2048
        assert list(range(kept[0], 100)) == kept
        assert 0 < kept[0]

    def test_never_happens_with_0(self, log, open_handler):
        handler = open_handler(max_mb=0)
        emit(handler, *range(100))

        assert [] == list_segments(log)

    def test_of_an_entry_larger_than_the_limit_makes_no_empty_segment(self, log, open_handler):
        handler = open_handler(max_mb=10 / 2**20, compress="none")
        emit(handler, 1, 2)

        assert [1] == [segment.number for segment in list_segments(log)]
        assert [1, 2] == numbers_in_all(log)

    def test_goes_on_with_the_numbers_of_an_earlier_run(self, log, open_handler):
        segment_path(log, 7).write_bytes(b'{"message":-1}\n')
        log.with_name("run.jsonl.000007.zst.part").write_bytes(b"half")
        handler = open_handler(max_mb=KB)
        emit(handler, *range(20))
        handler.close()

        assert [7, 8] == [segment.number for segment in list_segments(log)][:2]
        assert [-1, *range(20)] == numbers_in_all(log)
        assert [] == list(log.parent.glob("*.part"))

    def test_overwrites_nobodys_file(self, log, open_handler):
        handler = open_handler(max_mb=KB, compress="none")
        emit(handler, 0)
        segment_path(log, 1).write_bytes(b"somebody else's")
        emit(handler, *range(1, 40))

        assert b"somebody else's" == segment_path(log, 1).read_bytes()
        assert list_segments(log)[1].number == 2

    def test_goes_on_when_the_folder_comes_back(self, log, open_handler):
        handler = open_handler()
        emit(handler, 1)
        away = log.parent.rename(log.parent.with_name("away"))
        emit(handler, 2)
        away.rename(log.parent)
        emit(handler, 3)
        handler.flush()

        assert [1, 2, 3] == numbers_in(log)

    def test_that_cannot_be_done_lets_the_file_grow(self, log, open_handler, monkeypatch):
        def refuse(*_):
            raise OSError("no rename here")

        monkeypatch.setattr("os.rename", refuse)
        emit(open_handler(max_mb=KB), *range(40))

        assert list(range(40)) == numbers_in(log)
        assert f"{log} could not be set aside as a segment" in errors_beside(log)


class TestWaiting:
    def test_goes_on_after_close_until_all_is_written(self, log, open_handler):
        handler = open_handler()
        emit(handler, 1)
        away = log.parent.rename(log.parent.with_name("away"))
        emit(handler, 2)
        handler.close()
        away.rename(log.parent)
        wait_for(lambda: numbers_in(log) == [1, 2], "the line that waited")

        wait_for(lambda: handler.stream is None, "closed again")

    def test_ends_with_the_fault_for_lines_that_come_then(self, log, open_handler, monkeypatch):
        handler = open_handler()
        monkeypatch.setattr(handler._retry, "wake", lambda: True)  # no thread: only what emit does
        away = log.parent.rename(log.parent.with_name("away"))
        emit(handler, *range(500))
        away.rename(log.parent)
        handler.flush()
        emit(handler, 500, 501)

        assert [*range(502)] == numbers_in(log)

    def test_says_once_that_the_log_is_not_complete(self, log, open_handler, capsys):
        handler = open_handler()
        away = log.parent.rename(log.parent.with_name("away"))
        for number in range(3):
            emit(handler, number)
            handler.close()
        said = capsys.readouterr().err
        away.rename(log.parent)
        handler.close()

        assert 1 == said.count("cannot be written: ")
        assert 1 == said.count("is not complete")


class TestLimits:
    def test_can_be_changed_by_who_shares_the_handler(self, log, open_handler):
        handler = open_handler(max_mb=0)
        emit(handler, *range(20))
        handler.limit(KB, 1, "none", 16)
        emit(handler, *range(20, 40))
        handler.close()

        assert [*range(40)] == numbers_in_all(log)
        assert list_segments(log)
        assert not any(segment.is_compressed for segment in list_segments(log))

    def test_that_cannot_be_are_refused(self, open_handler):
        with pytest.raises(ConfigurationError, match="buffer_mb is -1"):
            open_handler().limit(1, 1, "none", -1)


class TestPrivacy:
    def test_of_a_log_is_kept_by_all_that_comes_of_it(self, log, open_handler):
        handler = open_handler(max_mb=KB)
        emit(handler, 1)
        log.chmod(0o600)
        emit(handler, *range(40))
        handler._keeper.wait(DEADLINE)
        handler.close()

        assert list_segments(log)
        assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in log.parent.iterdir()}

    def test_no_link_that_somebody_put_there_is_followed(self, log, open_handler):
        victim = log.with_name("victim")
        victim.write_bytes(b"somebody else's\n")
        log.with_name("run.jsonl.000001.zst.part").symlink_to(victim)
        handler = open_handler(max_mb=KB)
        emit(handler, *range(20))
        handler._keeper.wait(DEADLINE)
        log.unlink()
        log.symlink_to(victim)
        emit(handler, 20)

        assert b"somebody else's\n" == victim.read_bytes()
        assert [20] == numbers_in(log.with_name(f"run.pid{os.getpid()}.jsonl"))


class TestOtherWriters:
    def test_a_second_process_gets_a_file_of_its_own_and_says_so(self, log, open_handler):
        emit(open_handler(), 1)
        pid = run_second_process(log)

        assert [1] == numbers_in(log)
        assert [100] == numbers_in(log.with_name(f"run.pid{pid}.jsonl"))
        assert f"pid={pid} {log} is being written already" in errors_beside(log)
        assert f"this process writes run.pid{pid}.jsonl beside it" in errors_beside(log)

    def test_a_process_after_the_first_one_has_closed_appends(self, log, open_handler):
        handler = open_handler()
        emit(handler, 1)
        handler.close()
        run_second_process(log)

        assert [1, 100] == numbers_in(log)
        assert "" == errors_beside(log)

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_a_forked_child_writes_its_own_file_and_leaves_the_lock(self, log, open_handler):
        handler = open_handler()
        emit(handler, 1)
        child = os.fork()
        if child == 0:
            emit(handler, 2)
            handler.close()
            os._exit(0)
        assert (child, 0) == os.waitpid(child, 0)
        emit(handler, 3)
        third = run_second_process(log)

        assert [1, 3] == numbers_in(log)
        assert [2] == numbers_in(log.with_name(f"run.pid{child}.jsonl"))
        assert [100] == numbers_in(log.with_name(f"run.pid{third}.jsonl"))

    def test_logrotate_may_rename_the_file(self, log, open_handler):
        handler = open_handler()
        emit(handler, 1)
        log.rename(log.with_name("old"))
        emit(handler, 2)

        assert [1] == numbers_in(log.with_name("old"))
        assert [2] == numbers_in(log)

    def test_logrotate_may_copy_and_truncate_the_file(self, log, open_handler):
        handler = open_handler()
        emit(handler, 1)
        shutil.copy(log, log.with_name("old"))
        os.truncate(log, 0)
        emit(handler, 2)

        assert [1] == numbers_in(log.with_name("old"))
        assert [2] == numbers_in(log)
        assert b"\0" not in log.read_bytes()

    def test_anybody_may_delete_the_file(self, log, open_handler):
        handler = open_handler()
        emit(handler, 1)
        log.unlink()
        emit(handler, 2)

        assert [2] == numbers_in(log)


ENTRY = {
    "timestamp": "2026-01-01T00:00:00.000000+00:00",
    "type": "training_step_complete",
    "level": "INFO",
    "message": "a\nb",
    "run_id": "r",
    "rank": 0,
    "pid": 1,
    "seq": 0,
    "verbosity": "medium",
    "step": 1,
    "epoch": 0.5,
    "metrics": {"loss": 1.5},
    "batch": Encoded({"input_ids": {"shape": [2, 8]}}),
}


class TestTake:
    """An entry is written without a record where nobody would look at the record."""

    @pytest.mark.parametrize("formatter", [JsonlFormatter, StandardFormatter])
    def test_writes_the_line_that_a_record_of_it_has(self, log, open_handler, formatter):
        handler = open_handler()
        handler.setFormatter(formatter())

        assert handler.take(ENTRY)
        handler.handle(make_record("vlog", ENTRY))
        first, second = log.read_bytes().splitlines()
        assert first == second
        assert 1 == json.loads(first)["step"]

    def test_leaves_it_to_a_record_where_there_is_a_filter(self, log, open_handler):
        handler = open_handler()
        handler.addFilter(lambda record: record.getMessage() != ENTRY["message"])

        assert not handler.take(ENTRY)
        handler.handle(make_record("vlog", ENTRY))
        assert not log.exists()

    @pytest.mark.parametrize("base", [logging.Formatter, JsonlFormatter])
    def test_leaves_it_to_a_record_where_the_formatter_is_not_ours(self, log, open_handler, base):
        class Own(base):
            def format(self, record):
                return record.levelname

        handler = open_handler()
        handler.setFormatter(Own())

        assert not handler.take(ENTRY)
        assert not log.exists()

    def test_leaves_it_to_a_record_in_a_class_of_somebody_elses(self, log):
        class Own(RotatingJsonlHandler):
            def emit(self, record):
                seen.append(record.getMessage())

        seen, handler = [], Own(log)
        logger = vlog.output.RunLogger("run")
        logger.report = pytest.fail
        logger.addHandler(handler)
        logger.entry(ENTRY)
        handler.close()

        assert [ENTRY["message"]] == seen

    def test_leaves_what_cannot_be_encoded_to_a_record_which_has_a_gap_written(
        self, log, open_handler
    ):
        handler = open_handler()
        entry = ENTRY | {"metrics": object()}

        assert not handler.take(entry)
        handler.handle(make_record("vlog", entry))
        assert "logging_gap" == json.loads(log.read_bytes())["type"]
        assert "could not be written" in errors_beside(log)

    def test_stands_behind_what_waits(self, log, open_handler, monkeypatch):
        handler = open_handler()

        def fail(_line):
            raise OSError(28, "full")

        with monkeypatch.context() as patched:
            patched.setattr(handler, "append", fail)
            assert handler.take(ENTRY)
            assert handler.take(ENTRY | {"seq": 1})
        assert handler.take(ENTRY | {"seq": 2})
        handler.flush()

        assert [0, 1, 2] == [json.loads(line)["seq"] for line in log.read_bytes().splitlines()]
