"""Whatever error the disk has, the training goes on, and what was written meanwhile comes later."""

import errno
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk, leave_retries_to_the_test
from processes import wait_for
from small_disk import run_on_small_disk

import vlog
from vlog.handlers import RotatingJsonlHandler
from vlog.handlers.error_log import ERROR_LOG_NAME

# What a disk, a quota, a network file system or a process without descriptors answers.
ERRORS = (
    "ENOSPC", "EDQUOT", "EIO", "EROFS", "EFBIG", "ESTALE", "EMFILE", "ENFILE", "ENOENT",
)  # fmt: skip
KB = 1 / 1024  # of a `_mb`
LOG = Path("log.jsonl")


@pytest.fixture
def disk(monkeypatch):
    return FaultyDisk(monkeypatch)


@pytest.fixture
def no_retries(monkeypatch):
    leave_retries_to_the_test(monkeypatch)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.jsonl"


@pytest.fixture
def handler(log):
    handler = RotatingJsonlHandler(log)
    yield handler
    handler.close()


def emit(handler, *numbers):
    for number in numbers:
        handler.handle(logging.LogRecord("app", logging.INFO, "", 0, number, (), None))


def numbers_in(path):
    return [int(json.loads(line)["message"]) for line in path.read_bytes().splitlines()]


def errors_beside(log):
    return log.with_name(ERROR_LOG_NAME).read_text()


def _error(name):
    number = getattr(errno, name)
    error = OSError(number, os.strerror(number))
    return f"{type(error).__name__}: {error}"


def train(disk, fail, mend):
    """Do 9 steps, of which 3 to 5 meet a disk that fails; return the entries."""
    with vlog.training_run(9, "ultra", "log.jsonl") as run:
        for step in range(1, 10):
            if step == 3:
                fail()
            if step == 6:
                mend()
            with run.step():
                run.log(loss=1.0)
    return [json.loads(line) for line in LOG.read_bytes().splitlines()]


class TestATraining:
    @pytest.mark.parametrize("name", ERRORS)
    def test_goes_on_and_has_every_entry_in_the_end(self, disk, name, capfd):
        entries = train(disk, lambda: disk.fail(getattr(errno, name), room=100), disk.mend)

        assert list(range(len(entries))) == [entry["seq"] for entry in entries]
        steps = [each["step"] for each in entries if each["type"] == "training_step_complete"]
        assert list(range(1, 10)) == steps
        assert "training_complete" == entries[-1]["type"]
        assert vlog.validate("log.jsonl").is_complete
        told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("vlog:")]
        assert f"log.jsonl cannot be written: {_error(name)}" in told[0]
        assert told[1:] == [f"vlog: {LOG.absolute()} is written again"]
        assert _error(name) in errors_beside(LOG)

    def test_goes_on_when_the_folder_of_its_log_is_deleted(self):
        Path("logs").mkdir()
        with vlog.training_run(6, "ultra", "logs/log.jsonl") as run:
            for step in range(1, 7):
                if step == 2:
                    before = Path("logs/log.jsonl").read_bytes()
                    shutil.rmtree("logs")
                if step == 4:
                    Path("logs").mkdir()
                with run.step():
                    run.log(loss=1.0)

        kept = before + Path("logs/log.jsonl").read_bytes()
        seqs = [json.loads(line)["seq"] for line in kept.splitlines()]
        assert list(range(len(seqs))) == seqs
        assert len(seqs) > 6

    def test_goes_on_when_its_disk_fails_for_good(self, disk, capfd):
        train(disk, lambda: disk.fail(errno.EIO), lambda: None)

        assert "training_complete" not in LOG.read_text()
        told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("vlog:")]
        assert 2 == len(told)
        assert "log.jsonl cannot be written: OSError: [Errno 5]" in told[0]
        assert re.search(r"is not complete.* [1-9]\d* entries wait in memory, 0 were", told[1])
        assert "log.jsonl is not complete: OSError: [Errno 5]" in errors_beside(LOG)
        disk.mend()  # and the thread that tries again ends


class TestOpening:
    @pytest.mark.parametrize("name", ERRORS)
    def test_that_fails_is_tried_again(self, disk, log, handler, no_retries, name):
        disk.open_error = getattr(errno, name)
        emit(handler, 1, 2)
        handler._try_again()
        assert not log.exists()
        disk.mend()
        handler.flush()
        emit(handler, 3)

        assert [1, 2, 3] == numbers_in(log)

    @pytest.mark.parametrize("name", ["EMFILE", "ENOSPC", "EROFS", "EDQUOT"])
    def test_of_the_next_file_that_fails_lets_this_one_grow(self, disk, log, no_retries, name):
        handler = RotatingJsonlHandler(log, max_mb=KB, compress="none")
        emit(handler, 1, 2)
        disk.open_error = getattr(errno, name)
        emit(handler, *range(3, 40))
        files = sorted(path.name for path in log.parent.iterdir())
        disk.mend()
        emit(handler, *range(40, 60))
        handler.close()

        assert ["run.jsonl", ERROR_LOG_NAME] == files
        assert list(range(1, 60)) == [int(entry["message"]) for entry in vlog.read(log)]
        assert log.with_name("run.jsonl.000001").exists()

    def test_of_the_next_file_that_fails_is_said_once(self, disk, log, no_retries, capfd):
        handler = RotatingJsonlHandler(log, max_mb=KB)
        emit(handler, 1)
        disk.open_error = errno.EMFILE
        emit(handler, *range(100))
        handler.close()

        assert 1 == capfd.readouterr().err.count("could not be set aside")
        assert 1 == errors_beside(log).count("could not be set aside")

    def test_of_a_path_that_has_become_a_circle_of_links_is_done_beside_it(
        self, log, handler, capfd
    ):
        emit(handler, 1)
        log.unlink()
        log.symlink_to(log)
        emit(handler, 2)

        assert [2] == numbers_in(log.with_name(f"run.pid{os.getpid()}.jsonl"))
        assert "cannot be written; this process writes run.pid" in capfd.readouterr().err


class TestALine:
    """Of 1, 2 and 3, the second one is cut short at each of its bytes."""

    def cut(self, log, disk, handler):
        """Yield for each length, with line 1 there and line 2 cut to that length."""
        emit(handler, 1)
        whole = log.stat().st_size
        for length in range(whole + 1):
            os.truncate(log, whole)
            disk.fail(errno.ENOSPC, length)
            emit(handler, 2)
            assert whole + length == log.stat().st_size
            yield length
            disk.mend()

    def test_is_completed_where_it_was_cut(self, disk, log, handler, no_retries):
        for length in self.cut(log, disk, handler):
            for _ in range(3):
                handler._try_again()  # in vain
            disk.fail(errno.ENOSPC, 3)
            handler._try_again()  # three bytes
            disk.mend()
            handler.flush()
            emit(handler, 3)

            assert [1, 2, 3] == numbers_in(log), length

    def test_is_completed_in_a_file_that_was_closed_meanwhile(self, disk, log, handler, no_retries):
        for length in self.cut(log, disk, handler):
            handler.close()
            disk.mend()
            emit(handler, 3)
            handler.flush()

            assert [1, 2, 3] == numbers_in(log), length

    def test_is_set_apart_where_somebody_else_wrote_behind_it(self, disk, log, handler, no_retries):
        for length in self.cut(log, disk, handler):
            with log.open("ab") as file:
                file.write(b"\n" if length else b"somebody\n")
            disk.mend()
            handler.flush()
            emit(handler, 3)
            lines = log.read_bytes().splitlines()

            assert [1, 2, 3] == [
                int(json.loads(line)["message"]) for line in lines if line.endswith(b"}")
            ], length

    def test_stands_once_where_the_log_was_renamed_meanwhile(self, disk, log, handler, no_retries):
        for length in self.cut(log, disk, handler):
            away = log.rename(log.with_name("away"))
            disk.mend()
            emit(handler, 3)
            handler.flush()
            found = [
                int(json.loads(line)["message"])
                for line in (away.read_bytes() + b"\n" + log.read_bytes()).splitlines()
                if line.endswith(b"}")
            ]

            assert [1, 2, 3] == found, length
            away.rename(log)  # as it was, for the next length

    def test_that_is_cut_at_the_end_of_a_full_segment_is_completed(self, disk, log, no_retries):
        handler = RotatingJsonlHandler(log, max_mb=KB / 4, compress="none")
        for length in range(100):
            disk.fail(errno.ENOSPC, length)
            emit(handler, 2 * length)
            disk.mend()
            handler.flush()
            emit(handler, 2 * length + 1)
        handler.close()

        problems = []
        entries = vlog.read(log, on_problem=lambda *problem: problems.append(problem))
        assert list(range(200)) == [int(entry["message"]) for entry in entries]
        assert [] == problems

    def test_is_written_by_a_disk_that_takes_one_byte_at_a_time(
        self, disk, log, handler, monkeypatch
    ):
        monkeypatch.setattr(disk, "take", lambda size: min(size, 1))
        emit(handler, 1, 2, 3)

        assert [1, 2, 3] == numbers_in(log)

    def test_waits_where_a_disk_takes_nothing_and_gives_no_reason(
        self, disk, log, handler, no_retries, monkeypatch
    ):
        emit(handler, 1)
        with monkeypatch.context() as patch:
            patch.setattr(disk, "take", lambda _: 0)
            emit(handler, 2)
        emit(handler, 3)
        handler.flush()

        assert [1, 2, 3] == numbers_in(log)
        assert "no byte was written" in errors_beside(log)


class TestClosing:
    def test_by_who_holds_the_lock_waits_for_no_thread(self, disk, log, handler):
        """So does `logging.shutdown`, when the process ends."""
        emit(handler, 1)
        disk.fail(errno.EIO)
        handler.acquire()
        emit(handler, 2)
        disk.mend()
        handler.close()
        left = [thread for thread in threading.enumerate() if thread.name == "vlog-retry"]
        handler.release()

        assert [] == left
        assert [1, 2] == numbers_in(log)

    def test_goes_on_to_try_what_still_waits(self, disk, log, handler):
        emit(handler, 1)
        disk.fail(errno.EIO)
        emit(handler, 2)
        handler.close()
        disk.mend()
        wait_for(lambda: log.read_bytes().count(b"\n") == 2, "line 2")

        assert [1, 2] == numbers_in(log)

    def test_says_once_what_is_missing(self, disk, log, handler, capfd):
        disk.fail(errno.EIO)
        emit(handler, 1, 2)
        handler.close()
        handler.close()

        assert 1 == capfd.readouterr().err.count(
            f"{log} is not complete: OSError: [Errno 5] Input/output error. "
            "2 entries wait in memory, 0 were dropped"
        )
        assert 1 == errors_beside(log).count("is not complete")
        disk.mend()


class TestASegment:
    def test_ends_with_a_newline_though_its_last_line_is_torn(self, log):
        """Readers take a compressed file without one for cut off."""
        log.write_bytes(b'{"message":"0"}\n{"message":"a line that a kill cut' + b"x" * 1000)
        handler = RotatingJsonlHandler(log, max_mb=KB)
        emit(handler, 1)
        handler.close()

        problems = []
        entries = vlog.read(log, on_problem=lambda *problem: problems.append(problem))
        assert [0, 1] == [int(entry["message"]) for entry in entries]
        assert ["run.jsonl.000001.zst"] == [Path(problem[0]).name for problem in problems]
        assert "cut off" not in problems[0][2]


class TestTheRealLimits:
    def test_no_descriptor_is_left(self):
        """EMFILE, in the midst of a rotation and at the first line."""
        done = _run_in_process("""
            import resource
            first = RotatingJsonlHandler("a.jsonl", max_mb=1 / 1024, compress="none")
            emit(first, *range(20))
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            free = os.dup(0)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
            second = RotatingJsonlHandler("b.jsonl")
            emit(first, *range(20, 60))
            emit(second, 1, 2)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            emit(first, *range(60, 100))
            first.close()
            emit(second, 3)
            second.close()
        """)

        assert list(range(100)) == [int(entry["message"]) for entry in vlog.read("a.jsonl")]
        assert [1, 2, 3] == [int(entry["message"]) for entry in vlog.read("b.jsonl")]
        assert 1 == done.stderr.count("a.jsonl could not be set aside")
        assert 1 == done.stderr.count("b.jsonl cannot be written: OSError: [Errno 24]")

    def test_the_files_size_is_limited(self):
        """EFBIG, and half a line: the same that a full disk leaves."""
        _run_in_process("""
            import resource
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            handler = RotatingJsonlHandler("a.jsonl")
            for number in range(0, 100, 2):
                emit(handler, number)
                limit = os.path.getsize("a.jsonl") + number
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
                emit(handler, number + 1)
                handler.flush()
                resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
                handler.flush()
            handler.close()
        """)

        assert list(range(100)) == numbers_in(Path("a.jsonl"))

    def test_the_file_system_becomes_read_only(self):
        done = run_on_small_disk("""
import subprocess, sys
from test_a_disk_that_fails_stops_nothing import emit
from vlog.handlers import RotatingJsonlHandler
handler = RotatingJsonlHandler("disk/a.jsonl")
emit(handler, 1)
handler.close()  # nothing open stands in the way
subprocess.run(["mount", "-o", "remount,ro", "disk"], check=True)
emit(handler, 2, 3)
subprocess.run(["mount", "-o", "remount,rw", "disk"], check=True)
emit(handler, 4)
handler.close()
""")

        assert 0 == done.code, done.err
        assert [1, 2, 3, 4] == numbers_in(done.disk / "a.jsonl")
        assert "[Errno 30] Read-only file system" in done.told[0]


def _run_in_process(script):
    """Run `script` in a process of its own in the current folder; it must succeed."""
    prelude = "import os\nfrom test_a_disk_that_fails_stops_nothing import *\n"
    lines = [line.removeprefix(" " * 12) for line in script.splitlines()]
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", prelude + "\n".join(lines)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=True,
    )
