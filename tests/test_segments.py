"""The names of a log's files, and how they are opened."""

import gzip

import pytest
import zstandard
from unlucky_looks import change_during_the_next_look

from vlog.handlers.keeper import compress
from vlog.segments import Segment, list_segments, open_segment, segment_path


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.jsonl"


class TestSegmentPath:
    @pytest.mark.parametrize(
        ("number", "name"),
        [(1, "run.jsonl.000001"), (42, "run.jsonl.000042"), (1234567, "run.jsonl.1234567")],
    )
    def test_is_the_name_with_six_digits_or_more(self, log, number, name):
        assert log.with_name(name) == segment_path(log, number)


class TestListSegments:
    def test_is_oldest_first_and_leaves_out_what_is_none(self, log):
        names = ["000010.zst", "000002.gz", "1000000", "000003"]
        others = ["000004.zst.part", "1", "old", "00005", "000006.bz2", "000007.zst.gz"]
        for name in names + others:
            log.with_name(f"run.jsonl.{name}").touch()
        log.touch()
        log.with_name("other.jsonl.000001").touch()
        log.with_name("run.jsonl.000009").mkdir()

        assert [2, 3, 10, 1_000_000] == [segment.number for segment in list_segments(log)]

    def test_names_one_that_is_there_twice_once_as_the_plain_file(self, log):
        for name in ("000001", "000001.zst", "000001.gz"):
            log.with_name(f"run.jsonl.{name}").touch()

        assert [Segment(1, segment_path(log, 1))] == list_segments(log)

    def test_takes_a_name_as_it_is(self, log):
        strange = log.with_name("run[1]*.jsonl")
        segment_path(strange, 1).touch()

        assert [1] == [segment.number for segment in list_segments(strange)]

    def test_takes_no_date_for_a_number(self, log):
        log.with_name("run.jsonl.20251124").touch()

        assert [] == list_segments(log)

    def test_leaves_out_one_that_is_the_plain_file_still(self, log):
        log.touch()
        segment_path(log, 1).hardlink_to(log)

        assert [] == list_segments(log)

    def test_takes_links_to_files_and_no_others(self, log):
        log.touch()
        segment_path(log, 1).symlink_to(log)
        segment_path(log, 2).symlink_to("nowhere")
        segment_path(log, 3).symlink_to(segment_path(log, 3))
        segment_path(log, 4).symlink_to(log.parent)

        assert [1] == [segment.number for segment in list_segments(log)]

    @pytest.mark.parametrize("suffix", [".zst", ".gz"])
    def test_finds_what_is_compressed_while_it_looks(self, log, monkeypatch, suffix):
        for number in (1, 2, 3):
            segment_path(log, number).touch()
        second = segment_path(log, 2)
        change_during_the_next_look(monkeypatch, second, lambda: compress(second, suffix))

        assert [1, 2, 3] == [segment.number for segment in list_segments(log)]
        assert not second.exists()

    def test_is_empty_without_a_folder(self, log):
        assert [] == list_segments(log.parent / "nowhere" / "run.jsonl")


class TestSegment:
    @pytest.mark.parametrize(("ending", "expected"), [("", False), (".zst", True), (".gz", True)])
    def test_knows_whether_it_is_compressed(self, log, ending, expected):
        path = log.with_name(f"run.jsonl.000001{ending}")

        assert expected is Segment(1, path).is_compressed


class TestOpenSegment:
    CONTENT = b'{"a": 1}\n{"b": 2}\n'

    @pytest.mark.parametrize(
        ("name", "packed"),
        [
            ("run.jsonl", CONTENT),
            ("run.jsonl.000001", CONTENT),
            ("run.jsonl.000001.gz", gzip.compress(CONTENT)),
            ("run.jsonl.000001.zst", zstandard.compress(CONTENT)),
            ("run.jsonl.000002.zst", zstandard.compress(b'{"a": 1}\n')
             + zstandard.compress(b'{"b": 2}\n')),
        ],
        ids=["plain", "segment", "gzip", "zstd", "zstd in two frames"],
    )  # fmt: skip
    def test_decompresses_by_the_ending(self, log, name, packed):
        path = log.with_name(name)
        path.write_bytes(packed)

        with open_segment(path) as stream:
            assert [b'{"a": 1}\n', b'{"b": 2}\n'] == list(stream)

    @pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
    def test_refuses_what_is_not_there(self, log, ending):
        with pytest.raises(FileNotFoundError):
            open_segment(log.with_name(f"run.jsonl.000001{ending}"))
