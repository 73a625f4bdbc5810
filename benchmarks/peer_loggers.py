"""Each logger of `peers.py`, as a context manager that yields its step: `step(work)`.

Nothing here asks a network: each peer is told to stay on this machine.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

import psutil
import torch

import vlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pairs import Work

os.environ.update(
    GIT_PYTHON_REFRESH="quiet",
    GRADIO_ANALYTICS_ENABLED="False",
    HF_HUB_OFFLINE="1",
    MLFLOW_DISABLE_TELEMETRY="true",
    TRACEML_DISABLE_TELEMETRY="1",
    WANDB_SILENT="true",
)

Step: TypeAlias = "Callable[[Work], object]"
Facts: TypeAlias = dict[str, float]
Opens: TypeAlias = "Callable[[Path, Facts], AbstractContextManager[Step]]"

# What a trainer with several rewards logs at each step: 20 numbers.
METRICS: Facts = {
    "loss": 0.693147,
    "learning_rate": 2e-4,
    "grad_norm": 1.234567,
    **{f"rewards/part_{number}": 0.1 + number / 7 for number in range(17)},
}
SAMPLES, TOKENS = 4, 512
QUIET = {"console": False, "overhead_budget_percent": 0}  # nothing is left out of short steps


def _after(log: Callable[[int], object]) -> Step:
    """Return a step that logs when its work is done; `log` is told the step's number."""
    numbers = count(1)

    def step(work: Work) -> None:
        work()
        log(next(numbers))

    return step


def vlog_loop(verbosity: str) -> Opens:
    """Return `vlog.training_run` around a loop of its user's."""

    @contextmanager
    def opens(folder: Path, _facts: Facts) -> Iterator[Step]:
        log = folder / "vlog.jsonl"
        with vlog.training_run(None, verbosity, log, **QUIET) as run:

            def step(work: Work) -> None:
                with run.step(samples=SAMPLES, tokens=SAMPLES * TOKENS):
                    work()
                    run.log(METRICS)

            yield step

    return opens


def vlog_trainer(verbosity: str) -> Opens:
    """Return `VerboseLoggingCallback` in a Trainer, whose hooks come as in a real step."""

    @contextmanager
    def opens(folder: Path, _facts: Facts) -> Iterator[Step]:
        driven = import_module("driven_trainer")  # takes seconds
        callback = vlog.VerboseLoggingCallback(verbosity, folder / "vlog.jsonl", **QUIET)
        trainer = driven.driven_trainer(callback, folder, METRICS)
        trainer.begin()
        yield trainer.step
        trainer.end()

    return opens


@contextmanager
def wandb(folder: Path, facts: Facts) -> Iterator[Step]:
    package = import_module("wandb")
    settings = package.Settings(console="off", silent=True)
    run = package.init(project="peers", dir=str(folder), mode="offline", settings=settings)
    yield _after(lambda _step: run.log(facts))
    run.finish()


@contextmanager
def tensorboard(folder: Path, facts: Facts) -> Iterator[Step]:
    writer = import_module("torch.utils.tensorboard").SummaryWriter(str(folder))

    def log(step: int) -> None:
        for name, value in facts.items():
            writer.add_scalar(name, value, step)

    yield _after(log)
    writer.close()


@contextmanager
def mlflow(folder: Path, facts: Facts) -> Iterator[Step]:
    package = import_module("mlflow")
    for name in ("mlflow", "alembic"):  # they tell of each table that they make
        logging.getLogger(name).setLevel(logging.ERROR)
    package.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    package.create_experiment("peers", artifact_location=str(folder))
    package.set_experiment("peers")
    with package.start_run():
        yield _after(lambda step: package.log_metrics(facts, step))


@contextmanager
def trackio(folder: Path, facts: Facts) -> Iterator[Step]:
    os.environ["TRACKIO_DIR"] = str(folder)
    package = import_module("trackio")
    with contextlib.redirect_stdout(sys.stderr):
        package.init(project="peers", name=folder.name, embed=False)
    yield _after(lambda step: package.log(facts, step))
    with contextlib.redirect_stdout(sys.stderr):
        package.finish()


@contextmanager
def traceml(folder: Path, _facts: Facts) -> Iterator[Step]:
    """Time steps with TraceML, whose aggregator runs in a process of its own."""
    package = import_module("traceml_ai")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "traceml_ai.launcher.cli", "serve", "--mode", "summary"]
    place = ["--aggregator-port", str(port), "--logs-dir", str(folder)]
    model = torch.nn.Linear(8, 8)

    def step(work: Work) -> None:
        with package.trace_step(model):
            work()

    with subprocess.Popen([*command, *place], stdout=sys.stderr) as server:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                package.init(ui_mode="summary", aggregator_port=port, logs_dir=str(folder))
            yield step
        finally:
            server.kill()  # asked to end, it waits minutes for workers that end first


class GuideDesign:
    """The callback that the guide comes from, in shape: measures and writes in each hook.

    Args:
        path: Of its log.
        facts: Its metrics.
        interval_seconds: How long each reading of the processor sleeps; None for not at all.
    """

    def __init__(self, path: Path, facts: Facts, interval_seconds: float | None) -> None:
        self._path = path
        self._facts = facts
        self._interval = interval_seconds
        self._readings: deque[dict[str, Any]] = deque(maxlen=10)
        self._began = time.time()
        self._number = 0

    def _resources(self) -> dict[str, Any]:
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        disk, network = psutil.disk_usage("/"), psutil.net_io_counters()
        process = psutil.Process()
        reading = {
            "cpu": {
                "usage_percent": psutil.cpu_percent(interval=self._interval),
                "load_average": os.getloadavg(),
                "frequency": psutil.cpu_freq(),
            },
            "memory": {"usage_percent": memory.percent, "used_gb": memory.used / 2**30},
            "swap": {"usage_percent": swap.percent, "used_gb": swap.used / 2**30},
            "disk": {"usage_percent": disk.percent, "free_gb": disk.free / 2**30},
            "network": {"sent": network.bytes_sent, "received": network.bytes_recv},
            "process": {
                "memory_gb": process.memory_info().rss / 2**30,
                "threads": process.num_threads(),
            },
            "temperatures": psutil.sensors_temperatures(),
        }
        self._readings.append(reading)
        return reading

    def _trends(self) -> dict[str, Any]:
        values = [each["memory"]["usage_percent"] for each in self._readings]
        last = values[-5:]
        return {"current": values[-1], "avg_last_5": sum(last) / len(last)}

    def _hook(self, kind: str, **fields: Any) -> None:
        entry = {
            "timestamp": datetime.now(UTC).isoformat(),
            "type": kind,
            "level": "INFO",
            "message": f"Step {self._number}: {kind}",
            "step": self._number,
            **fields,
            "resource_usage": self._resources(),
            "trends": {"memory_usage_trend": self._trends()},
        }
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def step(self, work: Work) -> None:
        """Call the hooks of one step: begin, optimizer, end and log."""
        self._number += 1
        self._hook("step_begin")
        work()
        self._hook("optimizer_step")
        passed = time.time() - self._began
        self._hook("training_step_complete", timing={"elapsed": passed, "mean": passed / 2})
        self._hook("training_log", metrics=self._facts)


def guide(interval_seconds: float | None) -> Opens:
    """Return the guide's own design."""

    @contextmanager
    def opens(folder: Path, facts: Facts) -> Iterator[Step]:
        yield GuideDesign(folder / "guide.jsonl", facts, interval_seconds).step

    return opens


BASE = "**vlog** ultra, `training_run`"
SLEEPING_GUIDE = "the guide's design, sleeping 0.1 s in each hook"
TIMES_ALONE = "TraceML (its own timings, none of the facts)"
LOGGERS: dict[str, Opens] = {
    BASE: vlog_loop("ultra"),
    "vlog ultra, Trainer": vlog_trainer("ultra"),
    "vlog high, `training_run`": vlog_loop("high"),
    "vlog high, Trainer": vlog_trainer("high"),
    "wandb, offline": wandb,
    "TensorBoard": tensorboard,
    "MLflow, SQLite": mlflow,
    "Trackio": trackio,
    "the guide's design, without its sleep": guide(None),
    SLEEPING_GUIDE: guide(0.1),
    TIMES_ALONE: traceml,
}
