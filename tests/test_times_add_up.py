"""The durations in a log add up to the run's, and a delay shows up where it was put."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from trainers import Texts
from transformers import Trainer

TOLERANCE = 0.2  # of the delay, for a machine that is busy with other things
DELAY = 0.1


class EverySecondTime:
    """Sleep at every second call: the other calls show what the phase takes without a delay."""

    def __init__(self, calls_in_a_row=1):
        self.calls = 0
        self.calls_in_a_row = calls_in_a_row

    def __call__(self, _index=None):
        self.calls += 1
        if self.calls % (2 * self.calls_in_a_row) == 0:
            time.sleep(DELAY)


def growth(seconds):
    """Return what the delay added, over the delay: fastest with it against fastest without."""
    seconds = sorted(seconds)
    return (seconds[len(seconds) // 2] - seconds[0]) / DELAY


class SlowSave(Trainer):
    delay = None

    def _save_checkpoint(self, *args, **kwargs):
        self.delay = self.delay or EverySecondTime()
        self.delay()
        super()._save_checkpoint(*args, **kwargs)


class SlowOptimizer(Trainer):
    def create_optimizer(self, *args, **kwargs):
        optimizer = super().create_optimizer(*args, **kwargs)
        plain, delay = optimizer.step, EverySecondTime()

        def step(*args, **kwargs):
            delay()
            return plain(*args, **kwargs)

        optimizer.step = step
        return optimizer


def seconds_between(first, last):
    stamps = [datetime.fromisoformat(entry["timestamp"]) for entry in (first, last)]
    return (stamps[1] - stamps[0]).total_seconds()


class TestDurations:
    def test_steps_evaluations_checkpoints_and_logging_fill_the_run(self, record):
        run = record(
            max_steps=40,
            train=Texts(80, before=lambda index: time.sleep(0.002)),
            evaluate=Texts(8),
            eval_strategy="steps",
            eval_steps=10,
            save_strategy="steps",
            save_steps=20,
        )

        end = run.of_type("training_complete")[0]
        wall = seconds_between(run.of_type("training_start")[0], end)
        parts = [
            sum(entry["timing"]["step_time_seconds"] for entry in run.steps),
            sum(
                entry["timing"]["evaluation_seconds"]
                for entry in run.of_type("evaluation_complete")
            ),
            sum(
                entry["timing"]["checkpoint_seconds"]
                for entry in run.of_type("model_checkpoint_save")
            ),
            end["statistics"]["phases"]["logging_seconds"],
        ]
        assert sum(parts) == pytest.approx(wall, rel=0.03)

    def test_the_phases_of_a_step_are_the_step(self, record):
        for entry in record().steps:
            timing = entry["timing"]
            names = ("data_wait_seconds", "forward_backward_seconds", "optimizer_seconds")
            assert sum(timing[name] for name in names) == pytest.approx(
                timing["step_time_seconds"], abs=3e-6
            )


class TestDelay:
    def test_of_the_data_set_is_data_wait(self, record):
        # Two samples a batch: every second batch is late.
        run = record(max_steps=12, train=Texts(40, before=EverySecondTime(calls_in_a_row=2)))

        waits = [entry["timing"]["data_wait_seconds"] for entry in run.steps]
        assert growth(waits) == pytest.approx(1, abs=TOLERANCE)

    def test_of_the_optimizer_is_optimizer(self, record):
        run = record(max_steps=12, trainer_class=SlowOptimizer)

        seconds = [entry["timing"]["optimizer_seconds"] for entry in run.steps]
        assert growth(seconds) == pytest.approx(1, abs=TOLERANCE)

    def test_of_an_evaluation_is_evaluation(self, record):
        run = record(
            max_steps=8,
            evaluate=Texts(4, before=EverySecondTime(calls_in_a_row=4)),
            eval_strategy="steps",
            eval_steps=1,
        )

        evaluations = run.of_type("evaluation_complete")
        seconds = [entry["timing"]["evaluation_seconds"] for entry in evaluations]
        assert growth(seconds) == pytest.approx(1, abs=TOLERANCE)

    def test_of_a_save_is_checkpoint(self, record):
        run = record(max_steps=8, trainer_class=SlowSave, save_strategy="steps", save_steps=1)

        saves = run.of_type("model_checkpoint_save")
        seconds = [entry["timing"]["checkpoint_seconds"] for entry in saves]
        assert growth(seconds) == pytest.approx(1, abs=TOLERANCE)


class TestEta:
    def test_it_counts_evaluations_and_checkpoints_to_come(self, record):
        run = record(
            max_steps=20,
            train=Texts(40, before=lambda index: time.sleep(0.01)),
            evaluate=Texts(10, before=lambda index: time.sleep(0.02)),
            eval_strategy="steps",
            eval_steps=5,
        )

        half = run.steps[9]
        left = seconds_between(half, run.entries[-1])
        # Three of four evaluations of 0.2 s are still to come, the half-way one included: an
        # estimate from steps alone would be off by more than half.
        assert half["timing"]["eta_minutes"] * 60 == pytest.approx(left, rel=0.5)
