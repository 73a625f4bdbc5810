"""A checkpoint's files are counted, as far as they are there to be counted."""

import os
from pathlib import Path

from vlog.describe import describe_checkpoint


class TestDescribeCheckpoint:
    def test_of_a_folder_counts_what_is_in_it(self):
        Path("c/d").mkdir(parents=True)
        Path("c/a").write_bytes(b"x" * 2**20)
        Path("c/d/b").write_bytes(b"x" * 2**19)

        assert {"path": "c", "size_mb": 1.5, "files": 2} == describe_checkpoint("c")

    def test_of_a_file_is_its_size_behind_a_link_too(self):
        Path("a").write_bytes(b"x" * 2**20)
        Path("b").symlink_to("a")

        assert {"path": "b", "size_mb": 1.0, "files": 1} == describe_checkpoint("b")

    def test_that_is_not_there_has_its_path_alone(self):
        for path in ("none", "a\0b", "x" * 5000, None):
            assert {"path": path} == describe_checkpoint(path)

    def test_does_not_count_what_goes_away_meanwhile(self, monkeypatch):
        """The Trainer deletes old checkpoints, and a process pool its own files, at any time."""
        Path("c").mkdir()
        for name in "ab":
            Path("c", name).write_bytes(b"x" * 2**20)
        walk = os.walk

        def walk_and_delete(path):
            found = list(walk(path))
            Path("c/a").unlink(missing_ok=True)
            return found

        monkeypatch.setattr(os, "walk", walk_and_delete)

        assert {"path": "c", "size_mb": 1.0, "files": 1} == describe_checkpoint("c")
