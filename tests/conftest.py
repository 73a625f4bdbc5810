"""What every test starts from, and must leave behind: logging and hooks as they were."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from vlog.environment_settings import VARIABLES

os.environ.setdefault("HF_HUB_OFFLINE", "1")


class FakeClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path, monkeypatch):
    """Run each test in an empty folder, so that default file names do no harm."""
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", *VARIABLES.values()):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def global_state_is_kept():
    """Put logging back as it was, and fail a test that leaves a hook or a thread of vlog."""
    hooks = _hooks()
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("vlog", "vlog.errors"))]
    before = [(each, each.level, list(each.handlers), each.propagate) for each in loggers]
    disabled = {each for each in _loggers() if each.disabled}
    yield
    for each, level, handlers, propagate in before:
        for handler in set(each.handlers) - set(handlers):
            handler.close()
        each.setLevel(level)
        each.handlers[:] = handlers
        each.propagate = propagate
    for each in _loggers():  # a dictConfig disables those that it does not name
        each.disabled = each in disabled
    logging.disable(logging.NOTSET)
    assert hooks == _hooks()
    deadline = time.monotonic() + 5
    while (left := _threads_of_vlog()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"left running: {left}"


def _loggers():
    known = logging.root.manager.loggerDict.values()
    return [each for each in known if isinstance(each, logging.Logger)]


def _hooks():
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    return sys.excepthook, threading.excepthook, *handlers


def _threads_of_vlog() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("vlog-")]


@pytest.fixture
def record():
    """Return a function that trains with a callback and returns what that left behind.

    Its steps are so short that nothing would be left of a share of their time: no entry lacks
    anything for that, unless a test wants it so.
    """
    from trainers import TrainedRun, make_trainer

    from vlog import VerboseLoggingCallback

    def run(verbosity="high", *, callback_options=None, **options):
        settings = {"overhead_budget_percent": 0} | (callback_options or {})
        callback = VerboseLoggingCallback(verbosity, "log.jsonl", **settings)
        trainer = make_trainer([callback, *options.pop("others", [])], **options)
        trainer.train()
        assert not Path("verbose_logging_errors.log").exists()
        return TrainedRun(trainer, "log.jsonl")

    return run


@pytest.fixture
def first_reading(monkeypatch):
    """Let a run wait for its first reading: on a fast machine some steps are over before it."""
    from processes import wait_for

    from vlog.resources import Monitor

    start = Monitor.start

    def start_and_read(monitor):
        start(monitor)
        wait_for(lambda: monitor.latest is not None, "a reading")

    monkeypatch.setattr(Monitor, "start", start_and_read)


@pytest.fixture
def make_output():
    """Return a function that makes an `Output`, which is closed afterwards."""
    from vlog.output import Output

    outputs = []

    def make(*args, **options):
        outputs.append(Output(*args, **options))
        return outputs[-1]

    yield make
    for output in outputs:
        output.close()
