"""Every entry says when it was written and which run it belongs to, and the run's word counts."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from vlog.budget import OverheadBudget
from vlog.clock import iso_timestamp
from vlog.own_entry import own_entry
from vlog.run_log import RunLog
from vlog.schema import ENVELOPE, EVENTS, RUN, EventType
from vlog.trends import Trends
from vlog.verbosity import CurrentVerbosity, Verbosity

LEADING = [
    "timestamp", "type", "level", "message", "run_id", "rank", "pid", "seq", "verbosity", "step",
    "epoch",
]  # fmt: skip


@pytest.fixture
def log(clock, make_output):
    verbosity = CurrentVerbosity(Verbosity.HIGH)
    budget = OverheadBudget(0, verbosity)
    return RunLog(
        make_output("log.jsonl", console=False),
        "the-run",
        verbosity,
        clock,
        monitor=SimpleNamespace(latest=None),
        trends=Trends(verbosity, budget),
        budget=budget,
    )


def entries():
    return [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]


class TestEnvelope:
    def test_stands_in_front_in_reading_order(self, log, clock):
        log.step, log.epoch = 3, 0.5
        log.record(EventType.EVALUATION_COMPLETE, "done", metrics={"eval_loss": 1.0})

        (entry,) = entries()
        assert [*LEADING, "metrics"] == list(entry)
        assert {
            "timestamp": iso_timestamp(clock.wall()),
            "type": "evaluation_complete",
            "level": "INFO",
            "message": "done",
            **log.context,
            "seq": 0,
            "verbosity": EVENTS[EventType.EVALUATION_COMPLETE].tier.label,
            "step": 3,
            "epoch": 0.5,
            "metrics": {"eval_loss": 1.0},
        } == entry

    def test_follows_the_clock_and_counts(self, log, clock):
        log.record(EventType.LOG_RECORD, "first")
        clock.advance(1.5)
        log.record(EventType.LOG_RECORD, "second")

        first, second = entries()
        assert [0, 1] == [first["seq"], second["seq"]]
        assert first["timestamp"] < second["timestamp"] == iso_timestamp(clock.wall())

    def test_has_the_step_tier_and_level_that_it_is_given(self, log):
        log.record(EventType.LOG_RECORD, "m", of_step=7, verbosity=Verbosity.HIGH)

        assert (7, "high") == (entries()[0]["step"], entries()[0]["verbosity"])

    def test_is_the_runs_whatever_a_caller_names(self, log):
        kind, fields = own_entry(
            {"type": "log_record", "message": "m", "level": "INFO"}
            | {name: "somebody's" for name in LEADING if name not in ("type", "level", "message")}
        )
        log.record(kind, **fields)

        (entry,) = entries()
        assert [*LEADING, "fields"] == list(entry)
        assert log.context.items() <= entry.items()
        assert (0, 0, None, "low") == tuple(
            entry[name] for name in ("seq", "step", "epoch", "verbosity")
        )

    @pytest.mark.parametrize("kind", EventType)
    def test_has_no_key_that_a_type_has_as_its_own(self, kind):
        own = {field.name for field in EVENTS[kind].fields}

        assert set(LEADING) == {field.name for field in (*ENVELOPE, *RUN)} & set(LEADING)
        assert set() == own & set(LEADING)
