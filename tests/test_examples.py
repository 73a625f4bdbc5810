"""Every example runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from trainers import entries_of

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name):
    command = [sys.executable, "-W", "ignore", str(EXAMPLES / name)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class TestExamples:
    def test_a_trainer_is_recorded_and_its_log_read(self):
        run("trainer_callback.py")
        printed = run("read_a_log.py")

        assert entries_of("verbose_training_logs.jsonl")[-1]["type"] == "training_complete"
        assert "valid: True" in printed
        assert printed.split()[-1] == "complete"
        assert [str(step) for step in range(1, 61)] == [
            line.split()[0] for line in printed.splitlines()[:60]
        ]
