"""Each fault of a run raises its own alert once, which ends once; a healthy run has none."""

import os
import subprocess
import time
from contextlib import contextmanager

import pytest
from processes import text_of, wait_for
from trainers import Texts, entries_of, make_trainer, of_type
from transformers import TrainerCallback

from vlog import VerboseLoggingCallback, validate
from vlog.resources import Places
from vlog.resources.disk import Disk

pytestmark = pytest.mark.alone  # slow steps are measured

MB = 2**20
ALERTS = ("resource_warning", "performance_anomaly", "training_anomaly", "alert_resolved")


def alerts_of(entries):
    """Return type and name of each alert, in the order of the log."""
    return [(entry["type"], entry["alert"]) for entry in of_type(entries, *ALERTS)]


class At(TrainerCallback):
    """Call `act` at the end of a step."""

    def __init__(self, acts):
        self.acts = acts

    def on_step_end(self, args, state, control, **kwargs):
        self.acts.get(state.global_step, lambda: None)()


def is_logged(text):
    return lambda: text in text_of("log.jsonl")


class TestHealthyRun:
    def test_has_no_alert_in_2000_steps(self):
        callback = VerboseLoggingCallback(
            "high", "log.jsonl", reading_interval_seconds=0.1, alert_after_seconds=6.0
        )
        make_trainer([callback], max_steps=2000, logging_steps=10).train()
        entries = entries_of()

        assert 2000 == len(of_type(entries, "training_step_complete"))
        assert [] == alerts_of(entries)


class TestAlertAtTheStart:
    def test_is_not_before_the_first_entry(self):
        """A machine that is nearly full already, when the run begins."""
        callback = VerboseLoggingCallback("high", "log.jsonl", disk_alert_percent=1.001)
        make_trainer([callback]).train()
        entries = entries_of()

        assert "system_initialization" == entries[0]["type"]
        assert ("resource_warning", "high_disk_usage") in alerts_of(entries)
        assert validate("log.jsonl").is_valid


class TestSlowSteps:
    def test_are_told_with_the_part_that_grew(self):
        # Waits far above what else a step takes, which differs between machines and moments.
        wait = [0.01]
        callback = VerboseLoggingCallback("medium", "log.jsonl", alert_after_seconds=1.0)
        acts = {100: lambda: wait.__setitem__(0, 0.1), 150: lambda: wait.__setitem__(0, 0.01)}
        make_trainer(
            [callback, At(acts)],
            max_steps=300,
            train=Texts(64, before=lambda _: time.sleep(wait[0])),
        ).train()
        entries = entries_of()

        assert [("performance_anomaly", "slow_steps"), ("alert_resolved", "slow_steps")] == (
            alerts_of(entries)
        )
        alert, resolved = of_type(entries, *ALERTS)
        assert 100 < alert["step"] < 150 < resolved["step"] < 250
        assert "WARNING" == alert["level"]
        assert "data_wait grew most" in alert["message"]
        assert alert["value"] > alert["threshold"]
        assert alert["evidence"]["usual"]["parts"]["data_wait_seconds"] < 0.05
        assert {"cpu", "process"} <= set(alert["evidence"])
        assert 0.05 < alert["evidence"]["recent"]["parts"]["data_wait_seconds"]


@contextmanager
def small_disk(folder, size):
    """Mount a tmpfs of `size` bytes."""
    folder.mkdir()
    if os.geteuid():
        pytest.skip("only root may mount a small file system")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class TestFullDisk:
    def test_is_told_while_it_is_full_and_where_no_checkpoint_fits(self, tmp_path):
        with small_disk(tmp_path / "small", 8 * MB) as disk:
            filler = disk / "filler"

            def fill():
                # Up to the last page, which the kernel gives out at once or not at all.
                with filler.open("wb", buffering=0) as file:
                    try:
                        while True:
                            file.write(b"x" * 4096)
                    except OSError:
                        pass
                wait_for(is_logged('"alert":"high_disk_usage"'), "the alert")

            def free():
                filler.unlink()
                wait_for(is_logged("alert_resolved"), "its end")

            places = Places()
            places.set("output", disk)
            source = Disk(places)
            source.pace_seconds = 0.05
            callback = VerboseLoggingCallback(
                "medium", "log.jsonl", sources=[source], reading_interval_seconds=0.05
            )
            make_trainer(
                [callback, At({10: fill, 20: free})],
                max_steps=30,
                output_dir=str(disk / "out"),
                save_strategy="steps",
                save_steps=1000,
            ).train()
        entries = entries_of()

        assert [
            ("alert_resolved", "high_disk_usage"),
            ("alert_resolved", "no_room_for_checkpoint"),
            ("resource_warning", "high_disk_usage"),
            ("resource_warning", "no_room_for_checkpoint"),
        ] == sorted(alerts_of(entries))
        for alert in of_type(entries, "resource_warning"):
            assert str(tmp_path / "small") == alert["subject"]
            assert alert["step"] in (10, 11)  # room is looked at when the next step has ended
            # A reading may fall into the filling itself: the limit is what is promised.
            assert alert["evidence"]["file_system"]["usage_percent"] > 95
