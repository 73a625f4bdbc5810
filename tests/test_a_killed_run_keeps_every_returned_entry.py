"""SIGKILL loses no entry whose write had returned, and the log says that the run did not end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from processes import run, start, text_of, wait_for
from trainers import entries_of, of_type

import vlog

STEPS = """
class Tell(TrainerCallback):
    "Print each step after the recorder, later in the list, has written the one before."
    def on_step_begin(self, args, state, control, **kwargs):
        print(state.global_step, flush=True)
trainer = make_trainer([VerboseLoggingCallback("ultra", "log.jsonl"), Tell()], max_steps=100_000)
trainer.train()
"""


class TestSigkill:
    def test_every_returned_entry_is_there_and_valid(self):
        for at in (5, 12, 30):
            process = start(STEPS)
            wait_for(lambda at=at: f"Step {at} completed" in text_of("log.jsonl"), "step", process)
            process.send_signal(signal.SIGKILL)
            out, _ = process.communicate(timeout=60)
            told = int(out.split()[-1])

            run_id = list(vlog.read("log.jsonl"))[-1]["run_id"]
            mine = [entry for entry in vlog.read("log.jsonl") if entry["run_id"] == run_id]
            steps = [entry["step"] for entry in of_type(mine, "training_step_complete")]
            assert list(range(1, len(steps) + 1)) == steps
            assert len(steps) >= told
            assert list(range(len(mine))) == [entry["seq"] for entry in mine]

    def test_the_summary_says_that_the_run_did_not_end_by_itself(self):
        process = start(STEPS)
        wait_for(lambda: "Step 5 completed" in text_of("log.jsonl"), "step 5", process)
        process.kill()
        process.communicate(timeout=60)

        result = subprocess.run(
            [sys.executable, "-m", "vlog", "summary", "log.jsonl"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "did not end by itself" in result.stdout
        assert vlog.validate("log.jsonl").is_valid

    def test_the_next_run_appends_behind_a_torn_line(self):
        process = start(STEPS)
        wait_for(lambda: "Step 5 completed" in text_of("log.jsonl"), "step 5", process)
        process.kill()
        process.communicate(timeout=60)
        with Path("log.jsonl").open("ab") as file:
            file.write(b'{"timestamp": "2026-01-01T00:00:00.0')

        run('make_trainer([VerboseLoggingCallback("high", "log.jsonl")]).train()')

        entries = list(vlog.read("log.jsonl"))
        assert entries[-1]["type"] == "training_complete"
        assert len({entry["run_id"] for entry in entries}) == 2
        assert len(of_type(entries, "training_step_complete")) >= 5 + 6


class TestFork:
    def test_workers_of_the_data_loader_write_nothing(self):
        code, _, err = run("""
callback = VerboseLoggingCallback("ultra", "log.jsonl", reading_interval_seconds=0.01)
trainer = make_trainer([callback],
                       train=Texts(40), max_steps=20, dataloader_num_workers=2)
trainer.train()
""")

        assert code == 0, err
        entries = entries_of()
        assert len({entry["pid"] for entry in entries}) == 1
        assert list(range(len(entries))) == [entry["seq"] for entry in entries]
        assert entries[-1]["type"] == "training_complete"
