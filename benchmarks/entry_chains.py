"""The chains of `entry_cost.py`: each is a context manager that yields how to write one entry.

All of them write the same facts to a file, one line each, which is in the kernel when the call
returns. None but vlog's redacts.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler
from pairs import TrainingStep
from pythonjsonlogger.json import JsonFormatter
from pythonjsonlogger.orjson import OrjsonFormatter

import vlog
from vlog.output import Output, Rotation
from vlog.recorder import Recorder
from vlog.schema import EventType
from vlog.settings import Settings
from vlog.verbosity import Verbosity
from vlog.wording import OwnText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pairs import Timed, Work

    from vlog.resources import Source

FLOOR, VLOG = "floor: `orjson.dumps` + `os.write`", "**vlog**, redacted and durable"
STEP = EventType.TRAINING_STEP_COMPLETE
SETTLE_SECONDS = 3.0  # until every source of the monitor has answered
ROTATE_BYTES = 2**40  # never: no chain rotates while it is measured
# What the run's own chain adds to what the recorder hands to `RunLog.record`.
_ADDED = {
    *("timestamp", "type", "level", "message", "run_id", "rank", "pid", "seq", "verbosity"),
    *("step", "epoch", "resource_usage", "resource_age_seconds", "resource_missing", "trends"),
}
_ENVELOPE = ("timestamp", "level", "message")  # every chain has its own


def real_entry(folder: Path, seconds: float, metrics: dict[str, float]) -> dict[str, Any]:
    """Return the last step's entry of a real run at ultra, which trains for `seconds`."""
    work = TrainingStep()
    log = folder / "real.jsonl"
    options = {"console": False, "overhead_budget_percent": 0}  # nothing is left out
    with vlog.training_run(None, "ultra", log, **options) as run:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with run.step(samples=64, tokens=8192):
                work()
                run.log(metrics)
    return [entry for entry in vlog.read(log) if entry["type"] == str(STEP)][-1]


@contextmanager
def run_at(
    verbosity: Verbosity, path: Path, sources: list[Source] | None = None
) -> Iterator[Recorder]:
    """Open a run with a monitor that has read everything, and stands still while we measure."""
    output = Output(path, rotation=Rotation(max_mb=0), console=False)
    settings = Settings(verbosity, overhead_budget_percent=0)
    recorder = Recorder(output, settings, sources=sources)
    recorder.start([], None)
    if sources is None:
        recorder.monitor.settle(SETTLE_SECONDS)
    recorder.monitor.stop()
    yield recorder
    recorder.complete({})


def on(facts: dict[str, Any], call: Callable[[dict[str, Any]], object]) -> Timed:
    """Return `call`, timed on new objects at each time: no chain can know them from before."""
    ready = orjson.dumps(facts)

    def timed(work: Work) -> float:
        mine = orjson.loads(ready)
        work()
        began = time.perf_counter_ns()
        call(mine)
        return time.perf_counter_ns() - began

    return timed


@contextmanager
def floor(path: Path, entry: dict[str, Any]) -> Iterator[Timed]:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(mine: dict[str, Any]) -> None:
        os.write(descriptor, orjson.dumps(mine, option=orjson.OPT_APPEND_NEWLINE))

    yield on(entry, write)
    os.close(descriptor)


def own_facts(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what the recorder hands to `RunLog.record` for this entry."""
    return {name: value for name, value in entry.items() if name not in _ADDED}


@contextmanager
def recorded(path: Path, entry: dict[str, Any]) -> Iterator[Timed]:
    message = OwnText(entry["message"])  # as the recorder makes it
    with run_at(Verbosity.ULTRA, path) as recorder:
        for step in range(1, 12):  # so that there are trends
            metrics = {"loss": 1 / step}
            recorder.step_complete(step, 0.0, metrics, 64, 8192, facts={}, awaits_log=False)
        yield on(own_facts(entry), lambda mine: recorder.write(STEP, message, mine))


def facts_of(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in _ENVELOPE}


def _stdlib_logger(handler: logging.Handler, formatter: logging.Formatter) -> logging.Logger:
    handler.setFormatter(formatter)
    logger = logging.Logger("entry_cost", logging.INFO)  # noqa: LOG001 - not in the tree
    logger.addHandler(handler)
    return logger


@contextmanager
def stock(path: Path, entry: dict[str, Any], formatter: type[logging.Formatter]) -> Iterator[Timed]:
    """Log with structlog, a stdlib record, python-json-logger and concurrent-log-handler."""
    handler = ConcurrentRotatingFileHandler(str(path), maxBytes=ROTATE_BYTES, backupCount=5)
    log = structlog.wrap_logger(
        _stdlib_logger(handler, formatter("%(message)s")),
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    ).bind()
    message = entry["message"]
    yield on(facts_of(entry), lambda mine: log.info(message, **mine))
    handler.close()


@contextmanager
def stdlib(path: Path, entry: dict[str, Any]) -> Iterator[Timed]:
    handler = logging.FileHandler(path)
    names = {"levelname": "level"}
    formatter = JsonFormatter("%(levelname)s %(message)s", rename_fields=names, timestamp=True)
    log = _stdlib_logger(handler, formatter)
    message = entry["message"]
    yield on(facts_of(entry), lambda mine: log.info(message, extra=mine))
    handler.close()


@contextmanager
def loguru(path: Path, entry: dict[str, Any]) -> Iterator[Timed]:
    logger = import_module("loguru").logger
    logger.remove()
    sink = logger.add(path, serialize=True, format="{message}")
    message = entry["message"]
    yield on(facts_of(entry), lambda mine: logger.bind(**mine).info(message))
    logger.remove(sink)


CHAINS: dict[str, Callable[[Path, dict[str, Any]], AbstractContextManager[Timed]]] = {
    FLOOR: floor,
    VLOG: recorded,
    "structlog, stdlib, OrjsonFormatter, ConcurrentRotatingFileHandler": (
        lambda path, entry: stock(path, entry, OrjsonFormatter)
    ),
    "structlog, stdlib, JsonFormatter, ConcurrentRotatingFileHandler": (
        lambda path, entry: stock(path, entry, JsonFormatter)
    ),
    "stdlib, JsonFormatter, FileHandler": stdlib,
    "loguru, `serialize=True`": loguru,
}
