"""Every example runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from trainers import entries_of, of_type

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, *launcher):
    command = [sys.executable, "-W", "ignore", *launcher, str(EXAMPLES / name)]
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

    def test_a_plain_loop_is_recorded(self):
        run("plain_loop.py")
        entries = entries_of("verbose_training_logs.jsonl")

        assert list(range(1, 97)) == [
            step["step"] for step in of_type(entries, "training_step_complete")
        ]
        for kind in ("epoch_complete", "evaluation_complete", "model_checkpoint_save"):
            assert [32, 64, 96] == [entry["step"] for entry in of_type(entries, kind)]
        assert all(entry["metrics"] for entry in of_type(entries, "evaluation_complete"))
        assert entries[-1]["type"] == "training_complete"

    def test_an_apps_own_logging_is_what_it_was_and_its_records_are_in_the_log(self):
        printed = run("existing_app.py")
        entries = entries_of("training.jsonl")
        training, stock = of_type(entries, "log_record")

        assert "INFO shop: the shop is open\nWARNING shop: stock is low\n" == printed
        assert {"customers": 3, "market": "north"} == training["fields"]
        assert ("shop", "WARNING", "stock is low") == (
            stock["logger"], stock["level"], stock["message"]
        )  # fmt: skip
        assert len(of_type(entries, "training_step_complete")) == 20
        assert entries[-1]["type"] == "training_complete"

    def test_a_training_is_watched(self):
        printed = run("custom_monitoring.py").splitlines()

        (alert,) = [line for line in printed if line.startswith("alert:")]
        assert "alert: training_anomaly ⚠️ Loss of step 15 is nan" == alert
        assert list(range(1, 21)) == [
            int(line.split()[1]) for line in printed if line.startswith("step")
        ]

    def test_an_sft_trainer_is_recorded(self):
        run("sft_trainer.py")
        entries = entries_of("verbose_training_logs.jsonl")

        assert len(of_type(entries, "training_step_complete")) == 20
        assert entries[-1]["type"] == "training_complete"

    def test_a_dict_is_trained_with(self):
        printed = run("train_with_config.py")
        entries = entries_of("verbose_training_logs.jsonl")

        assert "20 steps, loss " in printed
        assert entries[0]["type"] == "configuration_loaded"
        assert entries[-1]["type"] == "training_complete"

    def test_two_ranks_are_read_as_one_log(self):
        launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
        *steps, states = run("two_ranks.py", *launcher).splitlines()[-41:]

        assert sorted(f"{step} rank {rank}" for step in range(1, 21) for rank in (0, 1)) == sorted(
            line.rpartition(" ")[0] for line in steps
        )
        assert "{0: 'complete', 1: 'complete'}" == states
        first, second = (
            of_type(entries_of(f"verbose_training_logs{rank}.jsonl"), "training_step_complete")
            for rank in ("", ".rank1")
        )
        # They trained together: the loss is the mean over both.
        assert [step["metrics"]["loss"] for step in first] == [
            step["metrics"]["loss"] for step in second
        ]
