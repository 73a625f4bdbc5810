"""What vlog costs: of a step, since the last step entry, and of the whole run."""

from types import SimpleNamespace

import pytest

from vlog.meter import Meter
from vlog.timing import FORWARD_BACKWARD, PhaseLedger


class Budget:
    """Notes what it is told of each step."""

    percent, shed_steps = 1.5, 4

    def __init__(self):
        self.told = []

    def step_done(self, seconds, overhead_seconds):
        self.told.append((seconds, overhead_seconds))
        return f"change {len(self.told)}"


@pytest.fixture
def output():
    return SimpleNamespace(bytes_written=1000, report=SimpleNamespace(count=7))


@pytest.fixture
def parts(clock, output):
    ledger, budget = PhaseLedger(clock), Budget()
    return Meter(ledger, budget, clock, output), ledger, budget


def spend(clock, ledger, own):
    """Let two seconds of training pass, and `own` of vlog's."""
    clock.advance(2)
    ledger.enter()
    ledger.mark(FORWARD_BACKWARD)
    clock.advance(own)
    ledger.leave()


class TestStepDone:
    def test_tells_the_budget_the_step_alone(self, clock, parts):
        meter, ledger, budget = parts
        for own in (0.5, 0.25):
            spend(clock, ledger, own)
            change = meter.step_done()

        assert [(2.5, 0.5), (2.25, 0.25)] == budget.told
        assert "change 2" == change

    def test_counts_what_vlog_is_in_the_midst_of(self, clock, parts):
        meter, ledger, budget = parts
        clock.advance(1)
        ledger.enter()
        clock.advance(0.5)
        meter.step_done()
        clock.advance(0.25)
        ledger.leave()
        meter.step_done()

        assert [(1.5, 0.5), (0.25, 0.25)] == budget.told

    def test_begins_anew_with_the_ledger(self, clock, parts):
        meter, ledger, budget = parts
        spend(clock, ledger, 3)
        ledger.restart()
        meter.restart()
        spend(clock, ledger, 0.5)
        meter.step_done()

        assert [(2.5, 0.5)] == budget.told


class TestEntryFields:
    def test_are_of_the_time_since_the_last_ones(self, clock, parts, output):
        meter, ledger, _ = parts
        for own in (2, 0.5):
            spend(clock, ledger, own)
            output.bytes_written += 300
            fields = meter.entry_fields()

        assert {
            "training_thread_seconds": 0.5,
            "training_thread_percent": 20.0,
            "bytes_written": 300,
        } == fields


class TestFields:
    def test_are_of_the_whole_run(self, clock, parts, output):
        meter, ledger, _ = parts
        spend(clock, ledger, 0.5)
        meter.entry_fields()
        output.bytes_written += 400
        output.report.count += 2
        fields = meter.fields(duration=2.5, steps=4, entries=9, monitor=0.125)

        assert fields.pop("thread_cpu_seconds") >= 0.125
        assert {
            "training_thread_seconds": 0.5,
            "training_thread_percent": 20.0,
            "per_step_seconds": 0.125,
            "bytes_per_step": 100.0,
            "monitor_cpu_seconds": 0.125,
            "entries": 9,
            "bytes_written": 400,
            "failed": 2,
            "budget_percent": 1.5,
            "shed_steps": 4,
        } == fields

    def test_of_a_run_without_steps_have_no_means(self, parts):
        fields = parts[0].fields(duration=0.0, steps=0, entries=1, monitor=0.0)

        assert set() == {"per_step_seconds", "bytes_per_step"} & set(fields)
        assert 0.0 == fields["training_thread_percent"]
