"""A source that hangs, raises, says rubbish or comes late: all others go on, the training too."""

import json
import time
from pathlib import Path

import pytest
from monitored import Hanging
from trainers import Texts, entries_of, make_trainer, of_type

from vlog import VerboseLoggingCallback
from vlog.resources import Unavailable, default_sources

STEPS = 120


class Counting:
    """A healthy source that can block, so that it has a thread of its own."""

    name = "counting"

    def __init__(self):
        self.reads = 0

    def read(self):
        self.reads += 1
        return {"reads": self.reads}


class Raising:
    """Well at first; broken from the third reading on."""

    name = "raising"
    can_block = False

    def __init__(self):
        self.reads = 0

    def read(self):
        self.reads += 1
        if self.reads > 2:
            raise OSError(5, "the bus is broken")
        return {"x": self.reads}


class Rubbish:
    name = "memory"  # whose fields the schema knows
    can_block = False

    def read(self):
        return {"usage_percent": 4711.0, "used_gb": "much", "total_gb": 2.0, "mine": float("nan")}


class Late:
    name = "late"
    can_block = False

    began = None

    def read(self):
        self.began = self.began or time.monotonic()  # a slow start of the training is no matter
        if time.monotonic() - self.began < 1.0:
            raise Unavailable("the driver is not loaded yet")
        return {"x": 1}


@pytest.fixture
def run(monkeypatch):
    """Train beside all of them; return the entries and the sources."""
    monkeypatch.setattr("vlog.resources.sampler._SHORTEST_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr("vlog.resources.sampler._RETRY_SECONDS", 0.1)
    hanging, counting = Hanging("hanging", {"x": 1}, answers=2), Counting()
    cpu = next(source for source in default_sources() if source.name == "cpu")
    sources = [hanging, Raising(), Rubbish(), Late(), counting, cpu]
    callback = VerboseLoggingCallback(
        "high",
        "log.jsonl",
        sources=sources,
        reading_interval_seconds=0.05,
        overhead_budget_percent=0,
        console=False,
    )
    trainer = make_trainer(
        [callback], max_steps=STEPS, train=Texts(64, before=lambda _: time.sleep(0.01))
    )
    trainer.train()
    hanging.may_go_on.set()
    return entries_of(), counting


def test_bad_sources_are_named_and_cost_the_others_and_the_training_nothing(run):
    entries, counting = run
    steps = of_type(entries, "training_step_complete")
    usages = [step["resource_usage"] for step in steps if "resource_usage" in step]

    assert list(range(1, STEPS + 1)) == [step["step"] for step in steps]
    assert "training_complete" == entries[-1]["type"]
    assert counting.reads > 20
    assert {"usage_percent", "scope"} <= set(usages[-1]["cpu"])
    assert len({usage["counting"]["reads"] for usage in usages}) > 10
    # What cannot be true is left out, and what can stays.
    assert all({"total_gb": 2.0} == usage["memory"] for usage in usages)
    # What came late is there in the end, what broke or hangs is not.
    assert "late" not in usages[0]
    assert {"counting", "cpu", "late", "memory"} == set(usages[-1])


def test_the_log_says_what_is_missing_and_since_when(run):
    entries, _ = run
    changes = [entry["resource_missing"] for entry in entries if "resource_missing" in entry]

    assert "the driver is not loaded yet" == changes[0]["late"]["why"]
    assert "4711.0 is above 100" in changes[0]["memory.usage_percent"]["why"]
    assert "late" not in changes[-1]
    assert {"hanging", "raising"} <= set(changes[-1])
    assert "it does not answer" == changes[-1]["hanging"]["why"]
    assert "the bus is broken" in changes[-1]["raising"]["why"]
    alerts = of_type(entries, "resource_warning")
    assert [("resource_missing", "hanging"), ("resource_missing", "raising")] == sorted(
        (alert["alert"], alert["subject"]) for alert in alerts
    )
    for alert in alerts:
        assert entries[0]["timestamp"] < alert["evidence"]["since"] < alert["timestamp"]


def test_each_fault_is_once_in_the_error_log(run):
    text = Path("verbose_logging_errors.log").read_text(encoding="utf-8")

    for what in ("hanging", "raising", "memory.usage_percent", "memory.used_gb", "memory.mine"):
        assert 1 == text.count(f"resource '{what}' cannot be read"), what
    assert "late" not in text
    assert json.dumps(4711.0) in text
