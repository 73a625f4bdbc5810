"""Segments are compressed and deleted beside the run, and a cut-short job is put right."""

import fcntl
import gzip
import os
import stat
import threading

import pytest
import zstandard

import vlog.handlers.keeper
from vlog.handlers.keeper import SegmentKeeper, compress, tidy, tidy_orphans
from vlog.segments import list_segments, open_segment, segment_path

DEADLINE = 10.0
MUCH = 2**30


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run[1].jsonl"


def write_segment(log, number, content=b'{"a":1}\n'):
    path = segment_path(log, number)
    path.write_bytes(content)
    return path


def names(log):
    return sorted(path.name.removeprefix(log.name) for path in log.parent.iterdir())


class TestCompress:
    @pytest.mark.parametrize("suffix", [".zst", ".gz"])
    def test_replaces_a_segment_by_its_compressed_form(self, log, suffix):
        content = b'{"a":1}\n' * 10_000
        compress(write_segment(log, 1, content), suffix)

        assert [f".000001{suffix}"] == names(log)
        packed = list_segments(log)[0].path
        assert packed.stat().st_size < len(content) / 10
        with open_segment(packed) as stream:
            assert content == stream.read()

    def test_can_be_checked_by_the_tools(self, log):
        compress(write_segment(log, 1), ".zst")
        compress(write_segment(log, 2), ".gz")
        zst, gz = (segment.path for segment in list_segments(log))

        assert zstandard.get_frame_parameters(zst.read_bytes()).has_checksum
        assert b'{"a":1}\n' == gzip.decompress(gz.read_bytes())

    def test_gives_no_more_rights_than_the_umask(self, log):
        before = os.umask(0o077)
        try:
            compress(write_segment(log, 1), ".zst")
        finally:
            os.umask(before)

        assert 0o600 == stat.S_IMODE(list_segments(log)[0].path.stat().st_mode)


class TestTidy:
    def test_compresses_what_is_plain(self, log):
        for number in (1, 2):
            write_segment(log, number)
        tidy(log, MUCH, ".zst")

        assert [".000001.zst", ".000002.zst"] == names(log)

    def test_leaves_plain_what_is_not_to_be_compressed(self, log):
        write_segment(log, 1)
        tidy(log, MUCH, "")

        assert [".000001"] == names(log)

    def test_deletes_the_oldest_above_the_total(self, log):
        for number in (1, 2, 3, 4):
            write_segment(log, number, b"x" * 100)
        tidy(log, 250, "")

        assert [".000003", ".000004"] == names(log)

    def test_leaves_the_log_itself_and_others_alone(self, log):
        log.write_bytes(b"x" * 100)
        log.with_name("other.jsonl.000001").write_bytes(b"x" * 100)
        write_segment(log, 1, b"x" * 100)
        tidy(log, 0, "")

        assert ["", "other.jsonl.000001"] == names(log)

    def test_puts_right_what_a_cut_short_compression_left(self, log):
        """Half a compressed file goes; a segment that is there in both forms is done again."""
        write_segment(log, 1)
        log.with_name(f"{log.name}.000001.zst.part").write_bytes(b"half")
        write_segment(log, 2)
        log.with_name(f"{log.name}.000002.zst").write_bytes(b"whole, or not")
        tidy(log, MUCH, ".zst")

        assert [".000001.zst", ".000002.zst"] == names(log)
        for segment in list_segments(log):
            with open_segment(segment.path) as stream:
                assert b'{"a":1}\n' == stream.read()

    def test_removes_half_a_compressed_file_where_segments_stay_plain_now(self, log):
        write_segment(log, 1)
        log.with_name(f"{log.name}.000001.zst.part").write_bytes(b"half")
        tidy(log, MUCH, "")

        assert [".000001"] == names(log)

    def test_leaves_alone_what_another_process_compresses(self, log):
        part = log.with_name(f"{log.name}.000001.zst.part")
        part.write_bytes(b"half")
        with write_segment(log, 1).open("r+b") as segment:
            fcntl.flock(segment, fcntl.LOCK_EX)
            tidy(log, MUCH, ".zst")

        assert b"half" == part.read_bytes()
        assert [".000001", ".000001.zst.part"] == names(log)

    @pytest.mark.parametrize("instant", ["before", "after"])
    def test_is_silent_about_what_another_process_deletes(self, log, monkeypatch, instant):
        """A segment goes, because all are too much, while it is compressed."""
        segment, pack = write_segment(log, 1), vlog.handlers.keeper._pack

        def pack_slowly(*args):
            if instant == "before":
                segment.unlink()
            pack(*args)
            segment.unlink(missing_ok=True)

        monkeypatch.setattr(vlog.handlers.keeper, "_pack", pack_slowly)
        tidy(log, MUCH, ".zst")

        assert {"before": [], "after": [".000001.zst"]}[instant] == names(log)


class TestTidyOrphans:
    def test_puts_right_what_is_beside_the_log_and_has_no_process(self, log):
        orphan = log.with_name("run[1].pid7.jsonl")
        orphan.write_bytes(b'{"a":2}\n')
        write_segment(orphan, 1)
        os.link(orphan, segment_path(orphan, 2))
        orphan.with_name(f"{orphan.name}.next.part").touch()
        tidy_orphans(log, MUCH, ".zst")

        assert ["", ".000001.zst"] == names(orphan)

    @pytest.mark.parametrize("name", ["run[1].pid7.jsonl", "run[1].rank3.jsonl", "run[1].jsonl"])
    def test_leaves_alone_what_has_a_process_or_will_have_one(self, log, name):
        file = log.with_name(name)
        file.write_bytes(b'{"a":2}\n')
        write_segment(file, 1)
        with file.open("r+b") as owned:
            if "pid" in name:
                fcntl.flock(owned, fcntl.LOCK_EX)
            tidy_orphans(log, MUCH, ".zst")

        assert ["", ".000001"] == names(file)


class TestSegmentKeeper:
    def test_looks_after_orphans_once(self, log):
        """Those of processes that end later are the next start's."""
        keeper = SegmentKeeper(log, MUCH, "zstd", lambda *_: None)
        for pid in (7, 8):
            orphan = log.with_name(f"run[1].pid{pid}.jsonl")
            orphan.touch()
            write_segment(orphan, 1)
            keeper.wake()
            keeper.wait(DEADLINE)

        assert [".pid7.jsonl", ".pid7.jsonl.000001.zst", ".pid8.jsonl", ".pid8.jsonl.000001"] == [
            path.name.removeprefix("run[1]") for path in sorted(log.parent.iterdir())
        ]

    def test_works_in_a_thread_of_its_own(self, log, monkeypatch):
        threads = []
        monkeypatch.setattr(
            vlog.handlers.keeper, "tidy", lambda *_: threads.append(threading.current_thread().name)
        )
        keeper = SegmentKeeper(log, MUCH, "zstd", lambda *_: None)
        keeper.wake()
        keeper.wait(DEADLINE)

        assert ["vlog-keeper"] == threads

    def test_looks_again_when_it_is_woken_at_work(self, log, monkeypatch):
        is_at_work, may_go_on, rounds = threading.Event(), threading.Event(), []

        def slow_tidy(*_):
            rounds.append(1)
            is_at_work.set()
            assert may_go_on.wait(DEADLINE)

        monkeypatch.setattr(vlog.handlers.keeper, "tidy", slow_tidy)
        keeper = SegmentKeeper(log, MUCH, "zstd", lambda *_: None)
        keeper.wake()
        assert is_at_work.wait(DEADLINE)
        keeper.wake()
        keeper.wake()
        may_go_on.set()
        keeper.wait(DEADLINE)

        assert 2 == len(rounds)

    def test_waits_no_longer_than_it_is_told(self, log, monkeypatch):
        may_go_on = threading.Event()
        monkeypatch.setattr(vlog.handlers.keeper, "tidy", lambda *_: may_go_on.wait(DEADLINE))
        keeper = SegmentKeeper(log, MUCH, "zstd", lambda *_: None)
        keeper.wake()
        keeper.wait(0.01)
        still_there = [each for each in threading.enumerate() if each.name == "vlog-keeper"]
        may_go_on.set()
        keeper.wait(DEADLINE)

        assert 1 == len(still_there)

    def test_reports_what_cannot_be_done_and_tries_again(self, log):
        reports = []
        write_segment(log, 1)
        stone = log.with_name(f"{log.name}.000001.zst")
        stone.mkdir()  # a folder in the way of the compressed file
        keeper = SegmentKeeper(log, MUCH, "zstd", lambda *report: reports.append(report))
        keeper.wake()
        keeper.wait(DEADLINE)
        stone.rmdir()
        keeper.wake()
        keeper.wait(DEADLINE)

        assert ["old segments could not be tidied"] == [what for what, _ in reports]
        assert isinstance(reports[0][1], IsADirectoryError)
        assert [".000001.zst"] == names(log)
