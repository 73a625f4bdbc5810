"""SIGKILL at any instant loses no returned entry, doubles none, and leaves no file behind.

50 kills here; `make soak` does 1,000, or as many as `VLOG_SOAK_KILLS` says.
"""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys

import pytest
import zstandard
from processes import TESTS

import vlog
from vlog.handlers import RotatingJsonlHandler
from vlog.segments import list_segments, segment_path

KILLS = int(os.environ.get("VLOG_SOAK_KILLS", "50"))


def outcome_of(share, max_mb, *writers):
    """Kill writers, a share of all kills, and return the outcome, which is printed too."""
    seed = os.environ.get("VLOG_SOAK_SEED", str(random.randrange(10**6)))
    kills = str(max(1, int(KILLS * share)))
    done = subprocess.run(
        [sys.executable, str(TESTS / "killing.py"), kills, seed, str(max_mb), *writers],
        capture_output=True,
        text=True,
        check=False,
    )
    what = f"VLOG_SOAK_SEED={seed}"
    assert (0, "") == (done.returncode, done.stderr), what
    outcome = json.loads(done.stdout)
    print(f"\n{what} {'+'.join(writers)}, max_mb={max_mb}: {outcome}")
    return outcome


@pytest.mark.parametrize(
    ("share", "max_mb", "writers"),
    [
        pytest.param(0.4, 0, ["handler"] * 4 + ["run"], id="steady"),
        pytest.param(0.4, 0.5, ["handler"] * 4 + ["run"], id="rotating_and_compressing"),
        pytest.param(0.2, 0.5, ["shared"], id="shared"),
    ],
)
class TestSigkill:
    def test_loses_nothing_doubles_nothing_and_leaves_nothing(self, share, max_mb, writers):
        """Lines of 10 bytes to 300 kB; a run at ultra rotates later than the others."""
        outcome = outcome_of(share, max_mb, *writers)

        assert [] == outcome["wrong"]
        assert outcome["kills"] < outcome["entries"]


def line(number):
    return b'{"message":"%d"}\n' % number


def before_the_new_file(log):
    """The file had its second name, and no more."""
    log.write_bytes(line(1) + line(2))
    os.link(log, segment_path(log, 1))


def beside_the_new_file(log):
    before_the_new_file(log)
    new_file_alone(log)


def new_file_alone(log):
    log.with_name(f"{log.name}.next.part").touch()
    log.write_bytes(line(1) + line(2))


def after_the_new_file(log):
    segment_path(log, 1).write_bytes(line(1) + line(2))
    log.touch()


def in_a_compression(log):
    segment_path(log, 1).write_bytes(line(1))
    log.with_name(f"{log.name}.000001.zst.part").write_bytes(b"half")
    log.write_bytes(line(2))


def after_a_compression(log):
    segment_path(log, 1).write_bytes(line(1))
    log.with_name(f"{log.name}.000001.zst").write_bytes(zstandard.compress(line(1)))
    log.write_bytes(line(2))


def in_a_write(log):
    log.write_bytes(line(1) + line(2) + b'{"mess')


def in_front_of_the_newline(log):
    log.write_bytes(line(1) + line(2).rstrip())


def with_the_machine(log):
    """The file had grown, and its content was not on the disk."""
    log.write_bytes(line(1) + line(2) + bytes(5000))


STATES = [
    before_the_new_file, beside_the_new_file, new_file_alone, after_the_new_file,
    in_a_compression, after_a_compression,
    in_a_write, in_front_of_the_newline, with_the_machine,
]  # fmt: skip


@pytest.mark.parametrize("shared", [False, True], ids=["owned", "shared"])
@pytest.mark.parametrize("max_mb", [1, 1e-5], ids=["appended", "set_aside"])
@pytest.mark.parametrize("state", STATES)
class TestWhatAKillLeft:
    def test_is_put_right_by_the_next_start(self, tmp_path, state, max_mb, shared):
        """It writes behind what is there, or finds it full and sets it aside first."""
        log = tmp_path / "run.jsonl"
        state(log)
        before = numbers_in(log)
        handler = RotatingJsonlHandler(log, max_mb, shared=shared)
        for number in (3, 4):
            handler.handle(logging.LogRecord("app", logging.INFO, "", 0, number, (), None))
        handler.close()

        assert [1, 2] == before
        assert [1, 2, 3, 4] == numbers_in(log)
        segments = {each.path for each in list_segments(log)}
        assert {log, *segments} == set(tmp_path.iterdir())
        assert {".zst"} >= {path.suffix for path in segments}


def numbers_in(log):
    return [int(entry["message"]) for entry in vlog.read(log)]
