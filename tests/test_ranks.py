"""Which process of a distributed training this is, and which file is its own."""

from pathlib import Path

import pytest

from vlog.ranks import process_rank, rank_path


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
