"""How far a run is: every number of a step's entry against arithmetic by hand."""

import math
import statistics

import pytest

from vlog.clock import iso_timestamp
from vlog.progress import Progress
from vlog.timing import (
    DATA_WAIT,
    FORWARD_BACKWARD,
    LOGGING,
    OPTIMIZER,
    PhaseLedger,
    Schedule,
)
from vlog.verbosity import Verbosity


class Run:
    """A run whose steps take the time that a test gives them."""

    def __init__(self, clock, schedule, start_step=0):
        self.clock = clock
        self.ledger = PhaseLedger(clock)
        self.progress = Progress(clock, self.ledger)
        self.progress.start(schedule, start_step)
        self.at = start_step

    def spend(self, phase, seconds):
        self.clock.advance(seconds)
        self.ledger.mark(phase)

    def step(self, seconds, logging=0.0, samples=8, tokens=100, verbosity=Verbosity.HIGH):
        """Take one step: a quarter waiting, half in the model, a quarter in the optimizer."""
        self.spend(DATA_WAIT, seconds / 4)
        self.spend(FORWARD_BACKWARD, seconds / 2)
        self.spend(OPTIMIZER, seconds / 4)
        self.at += 1
        self.progress.step_complete(samples, tokens)
        timing = self.progress.timing(self.at, verbosity)
        self.spend(LOGGING, logging)
        return timing


@pytest.fixture
def run(clock):
    return Run(clock, Schedule(100))


class TestStepComplete:
    def test_is_the_sum_of_its_phases(self, run):
        run.spend(LOGGING, 50.0)  # not the step's
        timing = run.step(2.0)

        assert (2.0, 0.5, 1.0, 0.5) == tuple(
            timing[key]
            for key in (
                "step_time_seconds", "data_wait_seconds", "forward_backward_seconds",
                "optimizer_seconds",
            )
        )  # fmt: skip
        assert 52.0 == timing["elapsed_seconds"]

    def test_counts_each_step_only_its_own_time(self, run):
        run.step(2.0)

        assert 1.0 == run.step(1.0)["step_time_seconds"]

    def test_agrees_with_statistics_over_all_steps(self, run):
        values = [4.0, 1.0, 2.5, 1.5]
        timing = [run.step(value) for value in values][-1]

        assert {
            "avg_step_time_seconds": statistics.mean(values),
            "median_step_time_seconds": statistics.median(values),
            "std_step_time_seconds": round(statistics.pstdev(values), 6),
            "min_step_time_seconds": 1.0,
            "max_step_time_seconds": 4.0,
        }.items() <= timing.items()

    def test_tells_rates_over_the_time_of_the_steps(self, run):
        run.step(1.0, logging=100.0)
        timing = run.step(3.0, samples=4, tokens=300)

        assert (12 / 4, 400 / 4) == (timing["samples_per_second"], timing["tokens_per_second"])

    def test_has_no_rate_of_what_is_not_counted(self, run):
        timing = run.step(1.0, samples=0, tokens=0)

        assert {"samples_per_second", "tokens_per_second"}.isdisjoint(timing)

    def test_leaves_details_to_high_and_ultra(self, run):
        details = {"median_step_time_seconds", "data_wait_seconds", "optimizer_seconds"}

        assert details.isdisjoint(run.step(1.0, verbosity=Verbosity.MEDIUM))
        assert details <= set(run.step(1.0, verbosity=Verbosity.ULTRA))


class TestEta:
    def test_counts_logging_evaluations_and_checkpoints_to_come(self, clock):
        run = Run(clock, Schedule(100, evaluate_every=25, save_every=50))
        run.progress.evaluations.add(30.0)
        run.progress.checkpoints.add(6.0)
        for _ in range(60):
            timing = run.step(2.0, logging=0.5)
        logging = 59 * 0.5 / 60  # the last step's comes after its entry
        seconds = 40 * (2.0 + logging) + 2 * 30.0 + 1 * 6.0

        assert seconds / 60 == pytest.approx(timing["eta_minutes"], abs=1e-6)
        entry_time = clock.wall() - 0.5
        assert iso_timestamp(entry_time + seconds)[:19] == timing["estimated_completion"][:19]

    def test_after_a_resume_takes_only_this_runs_steps(self, clock):
        run = Run(clock, Schedule(100), start_step=90)
        timing = run.step(3.0)

        assert 9 * 3.0 / 60 == timing["eta_minutes"]
        assert 3.0 == timing["avg_step_time_seconds"]

    def test_is_absent_without_an_end(self, clock):
        run = Run(clock, Schedule())

        assert {"eta_minutes", "estimated_completion"}.isdisjoint(run.step(1.0))
        assert {} == run.progress.fields(1)

    def test_is_nothing_after_the_last_step(self, clock):
        run = Run(clock, Schedule(1))

        assert 0.0 == run.step(1.0)["eta_minutes"]


class TestFields:
    @pytest.mark.parametrize(
        ("step", "percent", "remaining"),
        [(0, 0.0, 3), (1, 33.3333, 2), (3, 100.0, 0), (4, 100.0, 0)],
    )
    def test_tell_percent_and_steps(self, clock, step, percent, remaining):
        run = Run(clock, Schedule(3))

        assert {
            "progress_percent": percent, "total_steps": 3, "remaining_steps": remaining,
        } == run.progress.fields(step)  # fmt: skip


def log(progress, loss, step):
    progress.log_loss(loss, progress.log_window(step), is_whole=True)


class TestLogLoss:
    def test_tells_over_how_many_steps_the_loss_is_a_mean(self, clock):
        progress = Run(clock, Schedule(100), start_step=50).progress

        assert [10, 5, 1] == [progress.log_window(step) for step in (60, 65, 65)]

    def test_counts_a_mean_that_leaves_steps_out_only_as_the_last(self, run):
        run.step(1.0)
        run.progress.log_loss(0.0, 1, is_whole=False)
        found = run.progress.statistics(alerts=0)

        assert 0.0 == found["final_loss"]
        assert "best_loss" not in found
        assert "metrics" not in run.progress.epoch_fields()

    def test_counts_no_mean_over_two_epochs_for_one(self, run):
        run.step(1.0)
        run.progress.epoch_begin()
        run.step(1.0)
        run.progress.log_loss(5.0, 2, is_whole=True)

        assert "metrics" not in run.progress.epoch_fields()

    @pytest.mark.parametrize("loss", [True, "nan", None])
    def test_counts_nothing_that_is_no_number(self, run, loss):
        log(run.progress, loss, 1)

        assert {"final_loss", "best_loss"}.isdisjoint(run.progress.statistics(alerts=0))


class TestEpochFields:
    def test_tell_steps_times_and_the_weighted_mean_of_the_loss(self, run):
        run.step(99.0)
        log(run.progress, 7.0, 1)
        run.progress.epoch_begin()
        for seconds in (1.0, 2.0, 3.0):
            run.step(seconds, logging=1.0)
        log(run.progress, 4.0, 3)  # over 2 steps
        log(run.progress, 1.0, 4)
        log(run.progress, math.nan, 5)

        assert {
            "steps": 3,
            "timing": {"epoch_seconds": 9.0, "avg_step_time_seconds": 2.0},
            "metrics": {"loss": 3.0},
        } == run.progress.epoch_fields()

    def test_of_an_epoch_without_steps_have_no_mean(self, run):
        assert {"steps": 0, "timing": {"epoch_seconds": 0.0}} == run.progress.epoch_fields()


class TestStatistics:
    def test_tell_the_run_in_numbers(self, run):
        for seconds in (10.0, 10.0, 1.0, 3.0):
            run.step(seconds)
        for step, loss in enumerate((3.0, 1.0, math.nan, 2.0)):
            log(run.progress, loss, step + 1)
        run.progress.evaluations.add(5.0)
        found = run.progress.statistics(alerts=2)

        assert {
            "steps": 4, "total_steps": 100, "duration_seconds": 24.0, "samples": 32,
            "tokens": 400, "evaluations": 1, "checkpoints": 0, "alerts": 2, "final_loss": 2.0,
            "best_loss": 1.0, "samples_per_second": round(32 / 24, 6),
            "tokens_per_second": round(400 / 24, 6),
        }.items() <= found.items()  # fmt: skip
        assert {
            "mean_seconds": 6.0, "median_seconds": 6.5, "std_seconds": 4.062019,
            "min_seconds": 1.0, "max_seconds": 10.0,
        } == found["step_time"]  # fmt: skip
        assert 24.0 == sum(found["phases"].values())

    def test_keep_a_loss_that_is_not_finite_as_the_final_one(self, run):
        log(run.progress, 1.0, 1)
        log(run.progress, math.nan, 2)
        found = run.progress.statistics(alerts=0)

        assert math.isnan(found["final_loss"])
        assert 1.0 == found["best_loss"]

    def test_of_a_run_without_steps_have_no_means(self, run):
        found = run.progress.statistics(alerts=0)

        assert {"step_time", "samples", "final_loss", "best_loss"}.isdisjoint(found)
        assert (0, {}) == (found["steps"], found["phases"])
