"""Logs to analyse, built by hand from the schema: no writer is needed to test the readers."""

import platform
from datetime import datetime, timedelta, timezone

import orjson
import pytest

START = datetime(2025, 1, 10, 11, 30, tzinfo=timezone(timedelta(hours=1)))


class SampleRun:
    """A run of a known course: step k takes 2 s and has the loss 4/k, up to `steps`.

    It starts at 11:30 and needs 10 s until the first step. There is an evaluation (6 s) at half
    way and a checkpoint (4 s) at the end.
    """

    def __init__(self, run_id="run-a", *, steps=10, verbosity="high", host=None, pid=4_194_304):
        self.run_id = run_id
        self.steps = steps
        self.verbosity = verbosity
        self.host = host or platform.node()
        self.pid = pid
        self.seconds = 0.0
        self.step = 0
        self.entries = []

    def add(self, kind, message="", level="INFO", tier="low", **fields):
        """Append an entry at the present time and step."""
        self.entries.append(
            {
                "timestamp": (START + timedelta(seconds=self.seconds)).isoformat(
                    timespec="microseconds"
                ),
                "type": kind,
                "level": level,
                "message": message or kind,
                "run_id": self.run_id,
                "rank": 0,
                "pid": self.pid,
                "seq": len(self.entries),
                "verbosity": tier,
                "step": self.step,
                "epoch": self.step / self.steps,
                **fields,
            }
        )
        return self

    def begin(self, **links):
        self.add(
            "system_initialization",
            schema_version=1,
            environment={
                "versions": {"python": "3.11.7", "torch": "2.9.0"},
                "command_line": ["python", "train.py", "--fast"],
                "host": {"hostname": self.host, "cpu_count": 8},
            },
            logging={"verbosity_level": self.verbosity, "log_file": "run.jsonl"},
            **links,
        )
        self.add(
            "training_initialization",
            arguments={"max_steps": self.steps},
            model={
                "class": "x.Llama",
                "total_parameters": 1_200_000,
                "trainable_parameters": 12_000,
            },
            dataset={"train": {"type": "x.Dataset", "size": 800}},
        )
        self.seconds += 8
        return self.add("training_start", total_steps=self.steps, start_step=0, num_epochs=1)

    def train(self, steps=None):
        """Append steps up to `steps`, the evaluation at half way among them."""
        for step in range(self.step + 1, (steps or self.steps) + 1):
            self.step = step
            self.seconds += 2
            self.add_step()
            if 2 * self.step == self.steps:
                self.seconds += 6
                self.add(
                    "evaluation_complete",
                    metrics={"eval_loss": 1.25, "eval_accuracy": 0.5},
                    timing={"evaluation_seconds": 6.0},
                )
        return self

    def add_step(self, **fields):
        loss = 4 / self.step
        content = {
            "metrics": {"loss": loss, "learning_rate": 1e-4 * self.step, "grad_norm": 1.5},
            "timing": {
                "step_time_seconds": 2.0,
                "avg_step_time_seconds": 2.0,
                "eta_minutes": 2 * (self.steps - self.step) / 60,
                "samples_per_second": 4.0,
                "data_wait_seconds": 0.5,
                "forward_backward_seconds": 1.0,
                "optimizer_seconds": 0.5,
            },
            "progress": {
                "progress_percent": 100 * self.step / self.steps,
                "total_steps": self.steps,
                "remaining_steps": self.steps - self.step,
            },
            "resource_usage": {
                "cpu": {"usage_percent": 50.0 + self.step},
                "memory": {"usage_percent": 60.0 + self.step, "used_gb": 8.0},
                "process": {"memory_gb": 2.0 + self.step / 10},
            },
        }
        message = f"✅ Step {self.step} completed - Loss: {loss:.6f}"
        return self.add("training_step_complete", message, tier="medium", **content | fields)

    def save(self, path="out/checkpoint-10", size_mb=12.5):
        self.seconds += 4
        return self.add(
            "model_checkpoint_save",
            checkpoint={"path": path, "size_mb": size_mb, "files": 3},
            timing={"checkpoint_seconds": 4.0},
        )

    def end(self, kind="training_complete", **fields):
        statistics = {
            "steps": self.step,
            "total_steps": self.steps,
            "duration_seconds": self.seconds - 8,
            "samples": 8 * self.step,
            "final_loss": 0.4,
            "best_loss": 0.4,
            "step_time": {"mean_seconds": 2.0, "median_seconds": 2.0, "max_seconds": 2.5},
            "phases": {"forward_backward_seconds": 16.0, "evaluation_seconds": 6.0},
        }
        overhead = {"training_thread_seconds": 0.02, "training_thread_percent": 0.1, "failed": 0}
        return self.add(kind, **{"statistics": statistics, "overhead": overhead} | fields)

    def whole(self):
        return self.begin().train().save().end()

    def write(self, path):
        """Append the entries to a file."""
        with path.open("ab") as stream:
            stream.writelines(orjson.dumps(entry) + b"\n" for entry in self.entries)
        return path


@pytest.fixture
def sample_run():
    return SampleRun


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.jsonl"
