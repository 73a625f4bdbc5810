"""Two ways to watch a training: be called at an alert, and follow the log as it grows."""

import math
import threading
from typing import Any

import vlog

LOG = "verbose_training_logs.jsonl"
is_over = threading.Event()


def watch() -> None:
    """Print each step as it is written; another process or machine could do the same."""
    for entry in vlog.follow(LOG, stop=is_over.is_set):
        if entry["type"] == "training_step_complete":
            print("step", entry["step"], "loss", entry["metrics"]["loss"])


def warn(entry: dict[str, Any]) -> None:
    """Send a mail, page somebody: the training does not wait for this."""
    print("alert:", entry["type"], entry["message"])


watcher = threading.Thread(target=watch)
watcher.start()
try:
    with vlog.training_run(20, on_alert=warn) as run:
        for step in run.steps():
            run.log(loss=math.nan if step == 15 else 1 / step)
finally:
    is_over.set()  # what is written by now is still read
    watcher.join()
