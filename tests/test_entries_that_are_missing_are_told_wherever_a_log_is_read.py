"""A `logging_gap` is an error on the console and in `tail`, and a line in `summary`, `validate`."""

from __future__ import annotations

import io
import json
import logging
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from vlog.handlers.console import ConsoleHandler
from vlog.record import make_record

SampleRun = runpy.run_path(str(Path(__file__).parent / "analysis" / "conftest.py"))["SampleRun"]
REASON = "OSError: [Errno 28] No space left on device"
MESSAGE = f"⛔ 3 entries dropped: {REASON}"
FROM, TO = "2025-01-10T11:30:12.000000+01:00", "2025-01-10T11:30:16.000000+01:00"
GAP = {
    "type": "logging_gap",
    "level": "ERROR",
    "message": MESSAGE,
    "verbosity": "low",
    "dropped": 3,
    "first_seq": 5,
    "last_seq": 7,
    "first_dropped": FROM,
    "last_dropped": TO,
    "reason": REASON,
}


@pytest.fixture
def log():
    run = SampleRun().whole()
    run.entries[5:8] = [run.entries[7] | GAP]
    return run.write(Path("run.jsonl"))


def vlog(*arguments):
    command = [sys.executable, "-m", "vlog", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class TestGap:
    def test_makes_a_valid_log_that_is_not_complete(self, log):
        result = vlog("validate", log)

        assert (0, "") == (result.returncode, result.stderr)
        assert [
            "valid    run.jsonl: 14 of 14 lines are valid, 1 run; not complete: 3 entries missing",
            (
                "  run.jsonl:6: 3 entries missing, seq 5 to 7 of run run-a, rank 0, "
                f"{FROM} to {TO}: {REASON}"
            ),
        ] == result.stdout.splitlines()

    def test_stands_in_the_json_of_the_validation(self, log):
        (found,) = json.loads(vlog("validate", "--json", log).stdout)["logs"]

        assert (True, False, 3) == (found["is_valid"], found["is_complete"], found["dropped"])
        assert (5, 7) == (found["gaps"][0]["first_seq"], found["gaps"][0]["last_seq"])

    def test_stands_in_the_verdict_of_the_summary(self, log):
        shown = vlog("summary", log).stdout

        assert "state       COMPLETE" in shown
        (line,) = (line for line in shown.splitlines() if REASON in line)
        assert line.strip().startswith("3 entries missing, 2025-01-10 ")

    def test_is_an_error_in_the_tail(self, log):
        lines = vlog("tail", "--level", "ERROR", log).stdout.splitlines()

        assert 1 == len(lines)
        assert "  ERROR  " in lines[0]
        assert MESSAGE in lines[0]

    def test_is_an_error_on_the_console(self):
        stream = io.StringIO()
        ConsoleHandler(stream, live=False).emit(make_record("vlog", GAP))

        assert f"ERROR {MESSAGE}\n" in stream.getvalue()
        assert logging.ERROR == make_record("vlog", GAP).levelno
