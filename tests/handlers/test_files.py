"""A log file that cannot be written is refused before anything is created."""

import os
import stat
from contextlib import nullcontext

import pytest

from vlog import follow, training_run
from vlog.errors import ConfigurationError, LogFileError, LogReadError
from vlog.handlers import ErrorLogHandler, RotatingJsonlHandler
from vlog.handlers.files import check_writable, expand_home, open_for_append


def refusal_of(path):
    with pytest.raises(LogFileError) as refusal:
        check_writable(path)
    assert isinstance(refusal.value, ConfigurationError)
    return str(refusal.value)


class TestCheckWritable:
    def test_takes_a_file_that_is_there_or_can_be(self, tmp_path):
        check_writable(tmp_path / "new.jsonl")
        (tmp_path / "old.jsonl").write_text("x")
        check_writable(tmp_path / "old.jsonl")

        assert [tmp_path / "old.jsonl"] == list(tmp_path.iterdir())
        assert "x" == (tmp_path / "old.jsonl").read_text()

    def test_refuses_a_folder(self, tmp_path):
        message = refusal_of(tmp_path)

        assert f"Log file {str(tmp_path)!r} is a folder." in message
        assert "Give the path of a file in it." in message

    def test_refuses_a_folder_that_is_missing(self, tmp_path):
        message = refusal_of(tmp_path / "logs" / "run.jsonl")

        assert (
            f"Folder {str(tmp_path / 'logs')!r} of log file 'run.jsonl' does not exist" in message
        )
        assert "mkdir -p" in message

    def test_refuses_a_file_as_a_folder(self, tmp_path):
        (tmp_path / "logs").touch()
        message = refusal_of(tmp_path / "logs" / "run.jsonl")

        assert "is a file, so no log file 'run.jsonl' can be in it" in message

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("a\0b", "has a NUL in it. Give another path."),
            ("a\ud800.jsonl", "cannot be a file's name: surrogates not allowed"),
            ("n" * 300, "has 300 bytes. Expected at most 255"),
            (f"{'d' * 300}/x", "cannot be reached: File name too long. Give another path."),
            ("\0/x", "has a NUL in it"),
        ],
    )
    def test_refuses_what_can_be_no_file(self, tmp_path, name, what):
        assert what in refusal_of(tmp_path / name)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    @pytest.mark.parametrize("target", ["file", "folder"])
    def test_refuses_what_the_user_cannot_write(self, tmp_path, target):
        folder = tmp_path / "logs"
        folder.mkdir()
        path = folder / "run.jsonl"
        path.touch() if target == "file" else None
        (path if target == "file" else folder).chmod(0o500)
        try:
            assert "cannot be written by this user" in refusal_of(path)
        finally:
            folder.chmod(0o700)

    def test_names_what_cannot_be_written_and_what_to_do(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "access", lambda *_: False)  # root is never refused
        message = refusal_of(tmp_path / "run.jsonl")

        assert f"{str(tmp_path)!r} cannot be written by this user" in message
        assert "Change its permissions or give another path" in message


class TestExpandHome:
    def test_puts_the_home_folder_in_place_of_a_tilde(self, monkeypatch):
        monkeypatch.setenv("HOME", "/home/me")

        assert "/home/me/x" == expand_home("~/x")

    @pytest.mark.parametrize("path", ["x/~", "~no such user/x", "~a\0b"])
    def test_leaves_any_other_path(self, path):
        assert path == expand_home(path)


class TestALog:
    @pytest.mark.parametrize(("size", "is_taken"), [(214, True), (215, False)])
    def test_has_room_for_the_names_beside_it(self, tmp_path, size, is_taken):
        path = tmp_path / ("n" * size)
        with nullcontext() if is_taken else pytest.raises(LogFileError, match="at most 214, for"):
            RotatingJsonlHandler(path).close()

    @pytest.mark.parametrize("name", ["a\0b", "~a\0b", "a\ud800", "n" * 300])
    def test_whose_path_can_be_no_file_is_refused_by_all_that_open_it(self, name):
        for call in (RotatingJsonlHandler, ErrorLogHandler):
            with pytest.raises(LogFileError):
                call(name)
        with pytest.raises(LogReadError, match="cannot be read: "):
            follow(name)

    def test_whose_name_is_too_long_is_refused_by_a_run(self):
        with pytest.raises(LogFileError, match="has 300 bytes"), training_run(log_file="n" * 300):
            pass


class TestOpenForAppend:
    @pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o644), (0o077, 0o600), (0o027, 0o640)])
    def test_creates_a_file_of_at_most_0644_under_the_umask(self, tmp_path, umask, mode):
        before = os.umask(umask)
        try:
            os.close(open_for_append(tmp_path / "run.jsonl"))
        finally:
            os.umask(before)

        assert mode == stat.S_IMODE((tmp_path / "run.jsonl").stat().st_mode)

    def test_writes_at_the_end_whatever_others_do(self, tmp_path):
        path = tmp_path / "run.jsonl"
        path.write_bytes(b"one\n")
        descriptor = open_for_append(path)
        try:
            with path.open("ab") as other:
                other.write(b"two\n")
            os.write(descriptor, b"three\n")
        finally:
            os.close(descriptor)

        assert b"one\ntwo\nthree\n" == path.read_bytes()
