"""What vlog leaves out to keep its budget is said when it begins, and nothing else is missing."""

import pytest
from trainers import entries_of, make_trainer, of_type
from transformers import TrainerCallback

import vlog

STEPS = 400  # enough windows of 0.05 s, however short the steps are
TOO_LITTLE = 0.001  # percent; nobody can keep it
ALL_IS_SHED = [
    ("shed", "micro_batches", ["micro_batches"]),
    ("shed", "trends", ["micro_batches", "trends"]),
    ("shed", "resources", ["micro_batches", "trends", "resources"]),
    ("exceeded", None, ["micro_batches", "trends", "resources"]),
]


def train(percent, clock):
    class Late(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == STEPS - 5:
                callback._write_log({"level": "WARNING", "message": "said"})

    callback = vlog.VerboseLoggingCallback(
        "ultra", "log.jsonl", overhead_budget_percent=percent, console=False
    )
    make_trainer([callback, Late()], max_steps=STEPS).train()


def loop(percent, clock):
    """Each look at the clock takes 10 us, and each step is 10 ms of training."""
    monotonic = clock.monotonic
    clock.monotonic = lambda: clock.advance(1e-5) or monotonic()
    with vlog.training_run(
        STEPS, "ultra", "log.jsonl", overhead_budget_percent=percent, clock=clock, console=False
    ) as run:
        for _ in run.steps([[1.0]] * STEPS):
            clock.advance(0.01)
            run.log(loss=float("nan") if run.step_number == STEPS - 5 else 1.0)


@pytest.fixture(params=[train, loop])
def record(request, clock, first_reading):
    def run(percent):
        request.param(percent, clock)
        assert vlog.validate("log.jsonl").is_valid
        return entries_of()

    return run


def changes_of(entries):
    return [
        (each["change"], each.get("extra"), each["shed"])
        for each in of_type(entries, "overhead_budget")
    ]


def is_told_late(entries):
    return any(each["level"] == "WARNING" and each["step"] > STEPS - 10 for each in entries)


class TestABudgetThatCannotBeKept:
    def test_is_said_with_all_that_is_left_out(self, record):
        entries = record(TOO_LITTLE)
        changes = of_type(entries, "overhead_budget")

        assert ALL_IS_SHED == changes_of(entries)
        assert all(each["overhead_percent"] > TOO_LITTLE for each in changes)
        assert {TOO_LITTLE} == {each["budget_percent"] for each in changes}
        assert STEPS - changes[0]["step"] == entries[-1]["overhead"]["shed_steps"]

    def test_leaves_out_what_it_says_from_there_on_and_nothing_else(self, record):
        entries = record(TOO_LITTLE)
        micro_batches, trends, resources, _ = of_type(entries, "overhead_budget")
        steps = of_type(entries, "training_step_complete")

        assert list(range(1, STEPS + 1)) == [each["step"] for each in steps]
        assert list(range(1, STEPS + 1)) == [
            each["step"] for each in of_type(entries, "step_begin")
        ]
        assert all({"loss"} <= set(each["metrics"]) for each in steps)
        assert all({"timing", "progress", "phases"} <= set(each) for each in steps)
        assert list(range(1, micro_batches["step"] + 1)) == [
            each["step"] for each in of_type(entries, "micro_batch")
        ]
        assert trends["step"] == max(each["step"] for each in steps if "trends" in each)
        with_reading = [each["step"] for each in steps if "resource_usage" in each]
        late = [step for step in with_reading if step > resources["step"]]
        # One in 10 s is not left out.
        assert len(late) <= entries[-1]["statistics"]["duration_seconds"] // 10
        assert is_told_late(entries)


class TestNoBudget:
    def test_leaves_nothing_out(self, record):
        entries = record(0)
        steps = of_type(entries, "training_step_complete")

        assert [] == of_type(entries, "overhead_budget")
        assert STEPS == len(of_type(entries, "micro_batch"))
        assert all("trends" in each for each in steps)
        assert (0, 0) == tuple(
            entries[-1]["overhead"][name] for name in ("shed_steps", "budget_percent")
        )
