"""A log file that cannot be written is refused before anything is created."""

import os
import stat

import pytest

from vlog.errors import ConfigurationError, LogFileError
from vlog.handlers.files import check_writable, open_for_append


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
