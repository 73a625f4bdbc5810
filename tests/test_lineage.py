"""The run that wrote a checkpoint is found in the logs, whatever else lies there."""

import gzip

import orjson
import pytest
import zstandard

from vlog.lineage import find_checkpoint_run
from vlog.record import encode
from vlog.schema import EventType
from vlog.segments import segment_path


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.jsonl"


def saved(run_id, path):
    """Return the line of a checkpoint, as the write side encodes it."""
    return encode(
        {
            "timestamp": "2026-01-10T11:30:00.000000+00:00",
            "type": EventType.MODEL_CHECKPOINT_SAVE,
            "run_id": run_id,
            "checkpoint": {"path": str(path)},
        }
    )


class TestFindCheckpointRun:
    def test_leaves_other_peoples_files_alone(self, log, tmp_path):
        """Training data is often .jsonl too, large, and beside the log."""
        (tmp_path / "data.jsonl").write_bytes(b'{"text": 1}\n' + saved("a", tmp_path / "x"))

        assert None is find_checkpoint_run(log, str(tmp_path / "x"))

    def test_is_the_run_that_wrote_it(self, log, tmp_path):
        lines = [
            saved("a", tmp_path / "checkpoint-1"),
            orjson.dumps({"type": "training_start", "run_id": "b"}) + b"\n",
            saved("c", tmp_path / "checkpoint-2"),
        ]
        log.write_bytes(b"".join(lines))

        assert "a" == find_checkpoint_run(log, str(tmp_path / "checkpoint-1"))
        assert "c" == find_checkpoint_run(log, str(tmp_path / "checkpoint-2"))
        assert find_checkpoint_run(log, str(tmp_path / "checkpoint-3")) is None

    def test_is_the_latest_of_several(self, log, tmp_path):
        segment_path(log, 1).write_bytes(saved("a", tmp_path / "x"))
        log.write_bytes(saved("b", tmp_path / "x") + saved("c", tmp_path / "x"))

        assert "c" == find_checkpoint_run(log, str(tmp_path / "x"))

    def test_takes_a_relative_path_and_a_link_for_what_they_mean(self, log, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        log.write_bytes(saved("a", "link/x"))

        assert "a" == find_checkpoint_run(log, str(tmp_path / "real" / "x"))

    @pytest.mark.parametrize(
        ("ending", "pack"), [("", bytes), (".zst", zstandard.compress), (".gz", gzip.compress)]
    )
    def test_is_found_in_a_segment(self, log, tmp_path, ending, pack):
        log.with_name(f"run.jsonl.000001{ending}").write_bytes(pack(saved("a", tmp_path / "x")))

        assert "a" == find_checkpoint_run(log, str(tmp_path / "x"))

    def test_is_found_in_another_log_of_the_folder(self, log, tmp_path):
        log.with_name("other.jsonl").write_bytes(saved("other", tmp_path / "x"))
        assert "other" == find_checkpoint_run(log, str(tmp_path / "x"))

        log.write_bytes(saved("own", tmp_path / "x"))
        assert "own" == find_checkpoint_run(log, str(tmp_path / "x"))

    @pytest.mark.parametrize("ending", [".000001", ".000001.zst", ".000001.gz"])
    @pytest.mark.parametrize(
        "damage", [b"\0\xff" * 50, b"", b"\x1f\x8b\x08\x00 no deflate stream here"]
    )
    def test_passes_over_damaged_segments(self, log, tmp_path, ending, damage):
        log.with_name(f"run.jsonl{ending}").write_bytes(damage)
        log.write_bytes(saved("a", tmp_path / "x"))

        assert "a" == find_checkpoint_run(log, str(tmp_path / "x"))

    @pytest.mark.parametrize("pack", [zstandard.compress, gzip.compress])
    def test_passes_over_the_torn_end_of_a_segment(self, log, tmp_path, pack):
        ending = ".zst" if pack is zstandard.compress else ".gz"
        packed = pack(saved("b", tmp_path / "y") * 100)
        log.with_name(f"run.jsonl.000001{ending}").write_bytes(packed[: len(packed) // 2])
        log.write_bytes(saved("a", tmp_path / "x"))

        assert "a" == find_checkpoint_run(log, str(tmp_path / "x"))

    def test_passes_over_lines_that_are_no_entries(self, log, tmp_path):
        mark = b'"type":"model_checkpoint_save"'
        strange = [
            b'{"torn ' + mark,
            b"[" + mark[7:] + b"," + mark.replace(b":", b",") + b"]",
            b"{" + mark + b',"checkpoint":null}',
            b"{" + mark + b',"checkpoint":{"path":5}}',
            b"{" + mark + b',"checkpoint":{"path":null},"run_id":"root"}',
        ]
        log.write_bytes(b"\n".join([*strange, saved("a", tmp_path / "x")]))

        assert "a" == find_checkpoint_run(log, str(tmp_path / "x"))

    def test_is_nobody_where_there_is_no_folder(self, tmp_path):
        assert find_checkpoint_run(tmp_path / "nowhere" / "run.jsonl", "x") is None
