"""Training in a process of its own, so that it can be signalled, killed and read afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent

PRELUDE = """
import os, signal, sys, threading, time
from transformers import TrainerCallback
from trainers import Texts, make_trainer
from vlog import VerboseLoggingCallback

class At(TrainerCallback):
    "Call `act` at the end of step `step`."
    def __init__(self, step, act):
        self.step, self.act = step, act
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            self.act()
"""


def start(script, **options):
    """Start `script` behind the prelude in the current folder; return the process."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PRELUDE + script],
        env={**os.environ, "PYTHONPATH": str(TESTS), **options},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script, **options):
    """Run `script` to its end; return its exit code, stdout and stderr."""
    process = start(script, **options)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def train_in(home, script, wrap=lambda *command: command, **environment):
    """Run `script` behind the prelude in the folder `home`; return the entries of its log.jsonl.

    It stands in a file there, because a spawned worker imports it.
    """
    (home / "train.py").write_text(PRELUDE + script, encoding="utf-8")
    done = subprocess.run(
        wrap(sys.executable, "-W", "ignore", "train.py"),
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(TESTS), **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in text_of(home / "log.jsonl").splitlines()]


def wait_for(condition, what, process=None, seconds=60):
    """Return the first true result of `condition()`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.02)
    if process is not None:
        process.kill()
        raise AssertionError(f"never happened: {what}\n{process.communicate()[1]}")
    raise AssertionError(f"never happened: {what}")


def text_of(path):
    """Return the text of a file that may not be there yet."""
    path = Path(path)
    return path.read_text(encoding="utf-8") if path.exists() else ""
