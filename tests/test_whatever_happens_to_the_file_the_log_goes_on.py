"""Whatever happens to the file, its folder or the things beside it, the log goes on.

What a rename, a copy with truncation or a deletion does to a handler is in
`handlers/test_rotating.py`; here it happens to a run, and the rest of what can happen with it.
"""

import fcntl
import json
import logging
import os
import shutil
import stat
from pathlib import Path

import pytest
from writers import LOG, files, numbers_in, run, without_rights

import vlog
from vlog.handlers import RotatingJsonlHandler
from vlog.handlers.error_log import ERROR_LOG_NAME
from vlog.segments import list_segments, segment_path

STEPS, ACT_AT, MEND_AT = 6, 3, 5
FOLDER, AWAY = Path("logs"), Path("away")


def rename(log):
    log.rename(log.with_name("run.jsonl.old"))


def copy_and_truncate(log):
    shutil.copy(log, log.with_name("run.jsonl.old"))
    os.truncate(log, 0)


def replace_by_folder(log):
    rename(log)
    log.mkdir()


def replace_by_pipe(log):
    rename(log)
    os.mkfifo(log)


def replace_by_link(target):
    def act(log):
        rename(log)
        log.symlink_to(target)

    return act


def lock_a_left_over_lock_file(log):
    """Earlier versions owned a log by a file beside it."""
    file = log.with_name(f".__{log.name}.lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def move_folder_away(log):
    log.parent.rename(AWAY)


def move_folder_back(_log):
    AWAY.rename(FOLDER)


def replace_folder_by_file(log):
    move_folder_away(log)
    FOLDER.write_text("in the way")


def remove_file_and_move_folder_back(log):
    FOLDER.unlink()
    move_folder_back(log)


def replace_by_another_log(log):
    rename(log)
    log.write_bytes(b'{"somebody": "els')


def nothing(_log):
    pass


# What is done in the middle of the run, and then, some steps later.
ACTS = {
    "renamed": (rename, nothing),
    "truncated": (copy_and_truncate, nothing),
    "replaced by a folder": (replace_by_folder, nothing),
    "replaced by a pipe": (replace_by_pipe, nothing),
    "replaced by a link": (replace_by_link("run.jsonl.target"), nothing),
    "replaced by a link into a folder to come": (
        replace_by_link("sub/target.jsonl"),
        lambda log: (log.parent / "sub").mkdir(),
    ),
    "replaced by a circle of links": (replace_by_link(LOG), nothing),
    "replaced by a device": (replace_by_link("/dev/full"), nothing),
    "replaced by a torn log": (replace_by_another_log, nothing),
    "folder moved away and back": (move_folder_away, move_folder_back),
    "folder replaced by a file": (replace_folder_by_file, remove_file_and_move_folder_back),
    "foreign lock file": (lock_a_left_over_lock_file, nothing),
}


def record(log, act, mend):
    """Record a run in which something happens to the log; return the `seq` it happened at."""
    log.parent.mkdir(exist_ok=True)
    kept = None
    with vlog.training_run(STEPS, log_file=log, console=False, sources=[]) as training:
        for step in training.steps():
            training.log(loss=1.0)
            if step == ACT_AT:
                at = max(seqs_in(log.parent)) + 1
                kept = act(log)
            if step == MEND_AT:
                mend(log)
    if kept is not None:
        kept.close()
    return at


def seqs_in(folder):
    """Return the `seq` of every whole line of every file in a folder."""
    found = []
    for path in sorted(folder.rglob("*.jsonl*")):
        if path.is_file() and not path.is_symlink():
            lines = path.read_text("utf-8").splitlines()
            found += [json.loads(line)["seq"] for line in lines if '"seq":' in line]
    return found


class TestARun:
    @pytest.mark.parametrize(("act", "mend"), ACTS.values(), ids=ACTS)
    def test_has_every_entry_once(self, act, mend, capfd):
        record(FOLDER / LOG, act, mend)
        found = seqs_in(FOLDER)

        assert list(range(len(found))) == sorted(found)
        assert len(found) > STEPS
        assert len(capfd.readouterr().err.splitlines()) <= 3  # of both logs, and that it is over

    @pytest.mark.parametrize(
        ("act", "mend"),
        [
            (lambda log: log.unlink(), nothing),
            (lambda log: shutil.rmtree(log.parent), lambda log: log.parent.mkdir()),
        ],
        ids=["file deleted", "folder deleted and made again"],
    )
    def test_loses_no_more_than_what_was_deleted(self, act, mend):
        at = record(FOLDER / LOG, act, mend)
        found = seqs_in(FOLDER)

        assert list(range(at, at + len(found))) == found
        assert "training_complete" == list(vlog.read(FOLDER / LOG))[-1]["type"]

    def test_is_read_by_the_plain_name_though_that_is_a_pipe(self):
        at = record(FOLDER / LOG, replace_by_pipe, nothing)
        found = [entry["seq"] for entry in vlog.read(FOLDER / LOG)]

        assert list(range(at, at + len(found))) == found

    def test_is_told_to_nobody_who_reads_a_pipe_in_its_place(self):
        reader = None

        def act(log):
            nonlocal reader
            replace_by_pipe(log)
            reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)

        record(FOLDER / LOG, act, nothing)
        said = os.read(reader, 1)
        os.close(reader)

        assert b"" == said
        assert list(range(len(seqs_in(FOLDER)))) == sorted(seqs_in(FOLDER))

    def test_goes_on_though_the_error_log_is_a_pipe_that_nobody_reads(self):
        def act(log):
            os.mkfifo(log.with_name(ERROR_LOG_NAME))
            replace_by_folder(log)  # which is to be reported

        record(FOLDER / LOG, act, nothing)

        assert list(range(len(seqs_in(FOLDER)))) == sorted(seqs_in(FOLDER))


class TestALinkGivenAsTheLog:
    @pytest.mark.parametrize("is_there", [True, False])
    def test_stands_for_its_file_beside_which_it_is_rotated(self, is_there):
        target = Path("real/run.jsonl")
        target.parent.mkdir()
        if is_there:
            target.touch()
        link = Path("link.jsonl")
        link.symlink_to(target)
        handler = RotatingJsonlHandler(link, max_mb=1 / 1024, compress="none")
        emit(handler, *range(40))
        handler.close()

        assert link.is_symlink()
        assert ["link.jsonl", "real"] == sorted(path.name for path in Path.cwd().iterdir())
        segments = [segment.path for segment in list_segments(target)]
        assert list(range(40)) == numbers_in(*segments, link)
        assert segments


class TestRights:
    """In a process for which they hold, as they do for every user but root."""

    def test_of_a_file_that_may_be_written_only_are_enough(self):
        Path(LOG).touch(0o200)
        Path(LOG).chmod(0o200)
        script = "for number in range({}): emit(number)\nhandler.close()"
        run(script.format(2), wrap=without_rights())
        run(script.format(3), wrap=without_rights())

        assert [0, 1, 0, 1, 2] == [int(entry["message"]) for entry in vlog.read(LOG)]
        assert [] == vlog.validate(LOG).problems

    def test_taken_from_the_folder_let_the_file_grow_and_are_told_once(self):
        FOLDER.mkdir()
        script = """
        os.chdir("logs")
        emit(0)
        os.chmod(".", 0o555)
        for number in range(1, 400):
            emit(number)
        os.chmod(".", 0o755)
        for number in range(400, 500):
            emit(number)
        handler.close()
        print(sys.stderr.told)
        """
        prelude = _prelude(f"{FOLDER / LOG!s}", max_mb=1 / 1024, compress="none")
        _, out = run(script, prelude, wrap=without_rights())

        assert list(range(500)) == sorted(numbers_in(*files(FOLDER)))
        assert len(list_segments(FOLDER / LOG)) > 1
        assert 1 == out.count("could not be set aside")

    def test_taken_from_the_file_and_the_folder_have_entries_wait(self):
        FOLDER.mkdir()
        script = """
        emit(0)
        os.unlink("logs/run.jsonl")
        os.chmod("logs", 0o555)
        emit(1)
        emit(2)
        os.chmod("logs", 0o755)
        emit(3)
        handler.close()
        """
        run(script, _prelude(f"{FOLDER / LOG!s}"), wrap=without_rights())

        assert [1, 2, 3] == numbers_in(*files(FOLDER))

    def test_taken_from_the_file_have_another_one_written(self):
        script = """
        emit(0)
        handler.close()
        os.chmod("run.jsonl", 0o444)
        emit(1)
        handler.close()
        """
        pid, _ = run(script, wrap=without_rights())

        assert [0] == numbers_in(LOG)
        assert [1] == numbers_in(f"run.pid{pid}.jsonl")

    @pytest.mark.parametrize(("umask", "most"), [(0o000, 0o644), (0o027, 0o640)])
    def test_of_everything_that_is_made_are_at_most_0644(self, umask, most, monkeypatch):
        made = []
        replace = Path.replace
        monkeypatch.setattr(
            Path, "replace", lambda path, to: (made.append(mode_of(path)), replace(path, to))
        )
        before = os.umask(umask)
        try:
            with vlog.training_run(
                40, log_file=LOG, standard_log=True, max_mb=4 / 1024, console=False, sources=[]
            ) as training:
                for _ in training.steps():
                    training.log(loss=1.0)
            training.log(loss=1.0)  # too late, which stands in the error log
        finally:
            os.umask(before)

        assert {most} == {mode_of(path) for path in Path.cwd().iterdir()}
        assert Path(ERROR_LOG_NAME).exists()
        assert {most} == set(made)  # of segments while they are compressed


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


class TestATail:
    @pytest.mark.parametrize(
        "tail", [b'{"message": "1', b"\0" * 5000, b'{"message": "\0\0\0', b"\n\n\r", b"\xff\xfe"]
    )
    def test_that_a_crash_left_is_passed_over_and_kept(self, tail):
        before = b'{"message":"0","type":"log_record","level":"INFO","timestamp":"x"}\n' + tail
        Path(LOG).write_bytes(before)
        handler = RotatingJsonlHandler(LOG)
        emit(handler, 1, 2)
        handler.close()

        written = Path(LOG).read_bytes()
        assert written.startswith(before + b"\n{")
        assert [0, 1, 2] == [int(entry["message"]) for entry in vlog.read(LOG)]

    def test_of_an_open_file_that_somebody_else_tore_is_passed_over(self):
        """A file is torn under its owner by a copy with truncation to a size, or by an editor."""
        handler = RotatingJsonlHandler(LOG)
        emit(handler, 1, 2)
        os.truncate(LOG, Path(LOG).stat().st_size - 5)
        emit(handler, 3, 4)
        handler.close()

        assert [1, 3, 4] == [int(entry["message"]) for entry in vlog.read(LOG)]


class TestASegmentsName:
    def test_that_is_a_folder_is_passed_over(self):
        handler = RotatingJsonlHandler(LOG, max_mb=1 / 1024, compress="none")
        emit(handler, 0)
        segment_path(Path(LOG), 1).mkdir()
        emit(handler, *range(1, 40))
        handler.close()

        assert list(range(40)) == sorted(numbers_in(*files()))


def emit(handler, *numbers):
    for number in numbers:
        handler.handle(logging.LogRecord("app", logging.INFO, "", 0, number, (), None))


def _prelude(log, **options):
    """Return a prelude with a handler of `log`, and a stderr that says what it was told."""
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"""
import logging, os, sys
from vlog.handlers import RotatingJsonlHandler
class Told:
    told = ""
    def write(self, text): self.told += text
    def flush(self): pass
sys.stderr = Told()
handler = RotatingJsonlHandler({log!r}{arguments})
def emit(number):
    handler.handle(logging.LogRecord("app", logging.INFO, "", 0, number, (), None))
"""
