"""A fine-tuning service: it trains in the background, says how far it is, and streams the log.

    FINETUNE_MODELS=models FINETUNE_DATASETS=datasets FINETUNE_RUNS=runs python fastapi_service.py

Callers name models (folders in the first) and data sets (files in the second) that the operator
put there, or send rows. No path of theirs is ever opened. Put your own access control in front.
"""

import asyncio
import json
import multiprocessing
import os
import secrets
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, model_validator

import vlog
from vlog.errors import ConfigurationError

MODELS = Path(os.environ.get("FINETUNE_MODELS", "models")).absolute()
DATASETS = Path(os.environ.get("FINETUNE_DATASETS", "datasets")).absolute()
RUNS = Path(os.environ.get("FINETUNE_RUNS", "runs")).absolute()
RUNNING_AT_ONCE = int(os.environ.get("FINETUNE_RUNNING", "1"))
WAITING_AT_MOST = 20
BODY_BYTES = 2**20
ENDS = {
    "training_complete": "completed",
    "training_failed": "failed",
    "training_interrupted": "cancelled",
}
Column = Literal["instruction", "input", "output", "prompt", "completion", "text"]
Text = Annotated[str, Field(max_length=20_000)]


class Training(BaseModel):
    """What a caller may ask for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = Field(max_length=100)
    dataset: str | None = Field(None, max_length=100)
    rows: list[dict[Column, Text]] | None = Field(None, min_length=1, max_length=1000)
    max_steps: int = Field(60, ge=1, le=100_000)
    learning_rate: float = Field(2e-4, gt=0, le=1, allow_inf_nan=False)
    per_device_train_batch_size: int = Field(2, ge=1, le=64)
    gradient_accumulation_steps: int = Field(4, ge=1, le=64)
    max_seq_length: int = Field(2048, ge=1, le=32_768)
    verbosity_level: Literal["low", "medium", "high", "ultra"] = "high"

    @model_validator(mode="after")
    def has_data(self) -> "Training":
        """Refuse a training without data, or with two kinds of it."""
        if (self.dataset is None) == (self.rows is None):
            raise ValueError("give either `dataset` or `rows`")
        return self


@dataclass
class Run:
    """One training of this server, or one that an earlier server left in `RUNS`."""

    folder: Path
    is_waiting: bool = False
    is_cancelled: bool = False
    process: multiprocessing.process.BaseProcess | None = None
    task: asyncio.Task[None] | None = None

    @property
    def log(self) -> Path:
        """The log of this run."""
        return self.folder / "log.jsonl"

    @property
    def error(self) -> Path:
        """What was wrong with its data, if anything."""
        return self.folder / "error.txt"

    @property
    def is_over(self) -> bool:
        """Whether nothing more is written to the log."""
        return not self.is_waiting and (self.task is None or self.task.done())

    async def train(self, config: dict[str, Any], dataset: str) -> None:
        """Wait for a turn, then for the end of the training."""
        async with turns:
            self.is_waiting = False
            process = multiprocessing.get_context("spawn").Process(
                target=train, args=(config, dataset)
            )
            await asyncio.to_thread(process.start)
            self.process = process
            if self.is_cancelled:  # meanwhile
                process.terminate()
            await asyncio.to_thread(process.join)

    def cancel(self) -> None:
        """Keep a training from beginning, or end it by SIGTERM."""
        if self.is_over:
            return
        self.is_cancelled = True
        if self.is_waiting and self.task is not None:
            self.is_waiting = False
            self.task.cancel()
        elif self.process is not None:
            self.process.terminate()


runs: dict[str, Run] = {}
turns = asyncio.Semaphore(RUNNING_AT_ONCE)


def train(config: dict[str, Any], dataset: str) -> None:
    """Train in a process of its own, which knows no clients and ends with the server."""
    threading.Thread(target=end_with_server, daemon=True).start()
    try:
        vlog.train_with_config(config=config, dataset=dataset)
    except ConfigurationError as error:  # bad rows, say: the caller can put that right
        text = str(error).replace(f"{DATASETS}{os.sep}", "").replace(f"{RUNS}{os.sep}", "")
        Path(config["output_dir"], "error.txt").write_text(text, encoding="utf-8")
        raise


def end_with_server() -> None:
    """End this process as a cancellation does when the server is gone, however that ended."""
    server = multiprocessing.parent_process()
    if server is not None:
        server.join()
        os.kill(os.getpid(), signal.SIGTERM)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Find the runs of earlier servers; in the end, end the trainings of this one."""
    for folder in (MODELS, DATASETS):
        folder.mkdir(parents=True, exist_ok=True)
    runs.update(find_runs())
    yield
    for run in runs.values():
        run.cancel()
    if tasks := [run.task for run in runs.values() if run.task is not None]:
        await asyncio.wait(tasks, timeout=20)
    for run in runs.values():
        if not run.is_over and run.process is not None:
            run.process.kill()


def find_runs() -> dict[str, Run]:
    """Return the runs that are on disk."""
    RUNS.mkdir(parents=True, exist_ok=True)
    return {folder.name: Run(folder) for folder in sorted(RUNS.iterdir()) if folder.is_dir()}


app = FastAPI(title="Fine-tuning", lifespan=lifespan, max_body_size=BODY_BYTES)


@app.exception_handler(RequestValidationError)
async def refuse(_request: Request, error: RequestValidationError) -> Response:
    """Say what is wrong, without sending back what was sent: that may not even be valid JSON."""
    faults = [{"loc": fault["loc"], "msg": fault["msg"]} for fault in error.errors()]
    return Response(json.dumps({"detail": faults}), 422, media_type="application/json")


@app.post("/train", status_code=202)
async def start(training: Training, response: Response) -> dict[str, Any]:
    """Accept a training; it begins when it is its turn."""
    if sum(run.is_waiting for run in runs.values()) >= WAITING_AT_MOST:
        raise HTTPException(429, "Too many trainings are waiting.", {"Retry-After": "60"})
    run_id = secrets.token_hex(8)
    runs[run_id] = run = Run(RUNS / run_id, is_waiting=True)
    try:
        config, dataset = await asyncio.to_thread(prepare, training, run)
    except BaseException:
        del runs[run_id]
        raise
    run.task = asyncio.create_task(run.train(config, dataset))
    response.headers["Location"] = app.url_path_for("show", run_id=run_id)
    return {"id": run_id, "state": "queued"}


def prepare(training: Training, run: Run) -> tuple[dict[str, Any], str]:
    """Return what `train_with_config` is given, all paths of which are ours."""
    config = training.model_dump(exclude={"model", "dataset", "rows"})
    config["model_name"] = str(find("model", training.model, MODELS))
    dataset = run.folder / "rows.jsonl"
    if training.dataset is not None:
        dataset = find("dataset", training.dataset, DATASETS)
    run.folder.mkdir()
    if training.rows is not None:
        dataset.write_text("".join(json.dumps(row) + "\n" for row in training.rows))
    config |= {"log_file": str(run.log), "output_dir": str(run.folder), "console": False}
    return config, str(dataset)


def find(what: str, name: str, folder: Path) -> Path:
    """Return the entry of `folder` that has this name; a path is never made of the name."""
    there = {each.name: each for each in folder.iterdir() if not each.name.startswith(".")}
    if name not in there or there[name].is_symlink():
        raise HTTPException(422, f"There is no such {what}. Expected one of: {sorted(there)}.")
    return there[name]


@app.get("/train")
def show_all() -> list[dict[str, Any]]:
    """List the runs."""
    return [describe(run_id, run) for run_id, run in list(runs.items())]


@app.get("/train/{run_id}")
def show(run_id: str) -> dict[str, Any]:
    """Say how far a run is."""
    return describe(run_id, run_of(run_id))


@app.delete("/train/{run_id}", status_code=202)
async def stop(run_id: str) -> dict[str, Any]:
    """Cancel a run. Its log's last entry will be `training_interrupted`."""
    run = run_of(run_id)
    if run.is_over:
        raise HTTPException(409, "This run is over.")
    run.cancel()
    return {"id": run_id, "is_cancelled": True}


def run_of(run_id: str) -> Run:
    """Return a run of this server or an earlier one."""
    if run_id not in runs:
        raise HTTPException(404, "There is no such run.")
    return runs[run_id]


def describe(run_id: str, run: Run) -> dict[str, Any]:
    """Return the state of a run as its log tells it."""
    entries = last_entries(run.log)
    step = next((each for each in entries if each["type"] == "training_step_complete"), {})
    return {
        "id": run_id,
        "state": state_of(run, entries),
        "step": step.get("step"),
        "progress_percent": step.get("progress", {}).get("progress_percent"),
        "loss": step.get("metrics", {}).get("loss"),
        "eta_minutes": step.get("timing", {}).get("eta_minutes"),
        "error": run.error.read_text(encoding="utf-8") if run.error.exists() else None,
        "stream": f"{app.url_path_for('show', run_id=run_id)}/stream",
    }


def state_of(run: Run, entries: list[dict[str, Any]]) -> str:
    """Return queued, running, completed, failed or cancelled."""
    if not run.is_over:
        return "queued" if run.is_waiting else "running"
    end = next((ENDS[each["type"]] for each in entries if each["type"] in ENDS), None)
    was_begun = run.process or run.log.exists() or run.error.exists()
    return end or ("cancelled" if run.is_cancelled or not was_begun else "failed")


def last_entries(log: Path) -> list[dict[str, Any]]:
    """Return the entries in the last 64 KiB of a log, newest first."""
    if not log.exists():
        return []
    with log.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - 2**16))
        lines = stream.read().split(b"\n")
    # What is cut off in front, or torn or not yet complete at the end, is no entry.
    return [json.loads(line) for line in reversed(lines) if line[:1] == b"{" and line[-1:] == b"}"]


# `GET /train/{id}/stream`: every entry from the first on, live, until the training is over.
app.mount(
    "/train",
    vlog.LogApp(
        lambda run_id: runs[run_id].log if run_id in runs else None,
        is_over=lambda log: runs[log.parent.name].is_over,
    ),
)

if __name__ == "__main__":
    import uvicorn

    # A stream that is open holds up the shutdown only so long.
    uvicorn.run(app, timeout_graceful_shutdown=3)
