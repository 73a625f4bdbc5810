"""A loop without a framework: `training_run` writes what a Trainer's run has in its log."""

from __future__ import annotations

import gc
import json
import math
import threading
import weakref
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from outputs import refusal_of
from processes import text_of
from trainers import Texts, entries_of, of_type

import vlog
from vlog.analysis.run_summary import State
from vlog.verbosity import Verbosity

ERRORS = "verbose_logging_errors.log"


def recorded(*args, **options):
    """Return a run that writes `log.jsonl` and measures nothing of the machine."""
    options = {"log_file": "log.jsonl", "sources": [], "console": False} | options
    return vlog.training_run(*args, **options)


def types():
    return [entry["type"] for entry in entries_of()]


def steps():
    return of_type(entries_of(), "training_step_complete")


def metrics_of(*kinds):
    kinds = kinds or ("training_step_complete",)
    return [entry["metrics"] for entry in of_type(entries_of(), *kinds)]


def fail_with(error):
    raise error


@pytest.fixture
def late_faults():
    """Close the error logs of runs that report something after their end."""
    runs = []
    yield runs
    for run in runs:
        run._output._error_log.close()


def small_optimizer(parameter=None, rate=0.1):
    parameter = torch.zeros(2, requires_grad=True) if parameter is None else parameter
    parameter.grad = torch.ones_like(parameter)
    return torch.optim.SGD([parameter], lr=rate)


class OnClock(torch.optim.SGD):
    """An optimizer that takes a second of a test's clock."""

    def __init__(self, clock):
        super().__init__([torch.zeros(1, requires_grad=True)], lr=0.5)
        self.clock = clock

    def step(self):
        self.clock.advance(1.0)


class TestEntries:
    def train(self, verbosity):
        """Train two epochs of three steps."""
        texts = Texts(6).ids
        with recorded(
            verbosity_level=verbosity, config={"rate": 1}, model=torch.nn.Linear(1, 1)
        ) as run:
            for _ in run.epochs(2):
                for batch in run.steps([{"input_ids": texts[at : at + 2]} for at in (0, 2, 4)]):
                    run.log(loss=1.0 / len(batch), learning_rate=0.1, grad_norm=2.0)
                with run.evaluation():
                    for _ in run.steps([1, 2]):
                        pass
                    run.log(eval_loss=0.5)
                with run.checkpoint("model.pt"):
                    Path("model.pt").write_bytes(b"x" * 1000)

    @pytest.mark.parametrize("verbosity", ["low", "medium", "high", "ultra"])
    def test_are_those_of_a_trainer(self, record, verbosity):
        run = record(
            verbosity,
            train=Texts(6),
            evaluate=Texts(4),
            max_steps=-1,
            num_train_epochs=2,
            eval_strategy="epoch",
            save_strategy="epoch",
            per_device_eval_batch_size=2,
            callback_options={"sources": []},
        )
        Path("log.jsonl").unlink()
        self.train(verbosity)

        logs_of_a_trainer = {"training_metrics_update"}  # what it logs beside losses, at ultra
        assert set(run.types) - logs_of_a_trainer == set(types())
        for theirs, ours in zip(run.steps, steps(), strict=True):
            assert set(theirs) == set(ours)
            for section in ("timing", "progress", "metrics"):
                assert set(theirs[section]) == set(ours[section])
            assert [theirs[name] for name in ("step", "epoch", "level", "verbosity")] == [
                ours[name] for name in ("step", "epoch", "level", "verbosity")
            ]
        assert vlog.validate("log.jsonl").is_valid

    def test_are_summed_up_like_a_trainers(self):
        self.train("high")

        (run,) = vlog.summarize("log.jsonl").runs
        assert State.COMPLETE == run.state
        assert (6, 6, 100.0) == (run.progress.step, run.progress.total_steps, run.progress.percent)
        assert (2.0, 2, 12, 96) == (
            run.progress.epoch, run.progress.num_epochs, run.progress.samples, run.progress.tokens
        )  # fmt: skip
        assert (6, 1.0, 1.0) == (run.loss.logged, run.loss.first, run.loss.best)
        assert (2, 0.5, 3) == (
            run.evaluations.count, run.evaluations.best_loss, run.evaluations.best_step
        )  # fmt: skip
        assert (2, "model.pt", 6) == (
            run.checkpoints.count, run.checkpoints.last_path, run.checkpoints.last_step
        )  # fmt: skip
        assert 0 == run.overhead.failed

    def test_of_five_lines_are_a_valid_log(self):
        with recorded() as run:
            for _ in run.epochs(2):
                for number in run.steps([1, 2]):
                    run.log(loss=number)

        assert vlog.validate("log.jsonl").is_valid
        assert [1, 2, 3, 4] == [entry["step"] for entry in steps()]

    def test_without_a_total_have_no_progress_and_no_eta(self):
        with recorded() as run:
            for number in run.steps():
                run.log(loss=number)
                if number == 3:
                    break

        assert [{}, {}, {}] == [entry["progress"] for entry in steps()]
        assert "eta_minutes" not in steps()[-1]["timing"]
        assert State.COMPLETE == vlog.summarize("log.jsonl").runs[0].state

    def test_micro_batches_make_up_a_step_and_the_last_step_may_have_fewer(self):
        with recorded(verbosity_level="ultra") as run:
            for _ in run.epochs(1):
                for batch in run.steps([torch.zeros(2)] * 5, accumulate=2):
                    run.log(loss=len(batch))

        micro_batches = of_type(entries_of(), "micro_batch")
        assert [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0)] == [
            (entry["step"], entry["micro_batch"]) for entry in micro_batches
        ]
        assert [4, 4, 2] == [entry["samples"] for entry in steps()]
        assert 3 == steps()[0]["progress"]["total_steps"]

    def test_a_step_without_a_loader_has_the_counts_that_are_given(self):
        with recorded(2) as run:
            for _ in range(2):
                with run.step(samples=4, tokens=64):
                    run.log(loss=1.0)

        assert [(4, 64), (4, 64)] == [(entry["samples"], entry["tokens"]) for entry in steps()]

    def test_a_function_is_an_evaluation_or_a_checkpoint(self):
        with recorded() as run:

            @run.evaluation()
            def evaluate():
                return {"accuracy": 0.5, "loss": torch.tensor(0.25)}

            @run.checkpoint("out")
            def save():
                Path("out").mkdir()
                Path("out", "weights").write_bytes(b"x" * 2**20)

            with run.step():
                pass
            assert 0.5 == evaluate()["accuracy"]
            save()

        assert [{"accuracy": 0.5, "eval_loss": 0.25}] == metrics_of("evaluation_complete")
        (save,) = of_type(entries_of(), "model_checkpoint_save")
        assert {"path": "out", "size_mb": 1.0, "files": 1} == save["checkpoint"]

    def test_the_learning_rate_is_the_optimizers_own(self):
        optimizer = small_optimizer()
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, 1.0, total_iters=2)
        with recorded(optimizer=optimizer) as run:
            for _ in run.steps([0] * 2):
                optimizer.step()
                schedule.step()

        rates = [each["learning_rate"] for each in metrics_of()]
        assert rates == pytest.approx([0.05, 0.075])

    def test_an_optimizer_that_accelerate_wraps_is_seen(self):
        accelerate = pytest.importorskip("accelerate")
        optimizer = accelerate.Accelerator(cpu=True).prepare_optimizer(small_optimizer())
        with recorded(optimizer=optimizer) as run:
            for _ in run.steps([0]):
                optimizer.step()

        assert [{"learning_rate": 0.1}] == metrics_of()


class TestPlace:
    """An evaluation or a checkpoint in the body of a step stands where it belongs."""

    def test_behind_the_step_whose_optimizer_was_called(self):
        optimizer = small_optimizer()
        with recorded(optimizer=optimizer) as run:
            for _ in run.steps([0] * 4):
                optimizer.step()
                run.log(loss=1.0)
                if run.step_number % 2 == 0:
                    with run.evaluation():
                        run.log(eval_loss=1.0)
                    run.log(late=1)

        found = [(entry["type"], entry["step"]) for entry in entries_of()[3:-1]]
        step, evaluation = "training_step_complete", "evaluation_complete"
        one, two = ((step, first) for first in (1, 3)), (2, 4)
        assert found == [
            each
            for first, last in zip(one, two, strict=True)
            for each in (
                first,
                (step, last),
                ("evaluation_start", last),
                (evaluation, last),
                ("training_metrics_update", last),
            )
        ]

    def test_behind_a_step_that_was_logged_where_no_optimizer_is_watched(self):
        with recorded() as run:
            for number in run.steps([1, 2]):
                run.log(loss=number)
                with run.checkpoint():
                    pass

        saves = of_type(entries_of(), "model_checkpoint_save")
        assert [1, 2] == [entry["step"] for entry in saves]

    def test_in_front_of_a_step_that_has_done_nothing_yet(self):
        with recorded() as run:
            for number in run.steps([1, 2]):
                with run.evaluation():
                    run.log(eval_loss=1)
                run.log(loss=number)

        evaluations = of_type(entries_of(), "evaluation_complete")
        assert [0, 1] == [entry["step"] for entry in evaluations]
        assert [{"loss": 1}, {"loss": 2}] == metrics_of()

    def test_in_the_midst_of_micro_batches(self):
        with recorded() as run:
            for number in run.steps([1, 2, 3, 4], accumulate=2):
                run.log(loss=number)
                with run.evaluation():
                    pass

        evaluations = of_type(entries_of(), "evaluation_complete")
        assert [0, 1, 1, 2] == [entry["step"] for entry in evaluations]
        assert [{"loss": 2}, {"loss": 4}] == metrics_of()

    def test_before_the_first_step(self):
        with recorded(2, start_step=1) as run:
            run.log(seed=3)
            with run.evaluation():
                run.log(eval_loss=9.0)
            for _ in run.steps():
                pass

        found = of_type(entries_of(), "training_metrics_update", "evaluation_complete")
        assert [1, 1] == [entry["step"] for entry in found]
        assert vlog.validate("log.jsonl").is_valid


class TestTimes:
    def test_each_phase_has_its_time_and_together_they_are_the_run(self, clock):
        def loader():
            clock.advance(32.0)  # the start of its workers
            for number in range(2):
                clock.advance(16.0)
                yield number

        optimizer = OnClock(clock)
        with recorded(clock=clock, optimizer=optimizer) as run:
            for _ in run.epochs(1):
                clock.advance(100.0)
                for _ in run.steps(loader()):
                    clock.advance(2.0)
                    optimizer.step()
                    clock.advance(4.0)
                    with run.evaluation():
                        clock.advance(64.0)
                    with run.checkpoint():
                        clock.advance(128.0)
                clock.advance(256.0)
            clock.advance(512.0)

        statistics = entries_of()[-1]["statistics"]
        # The ledger begins to count with `training_start`, which waits for the loader.
        assert statistics["phases"] == {
            "data_wait_seconds": 64.0,
            "forward_backward_seconds": 12.0,
            "optimizer_seconds": 2.0,
            "evaluation_seconds": 128.0,
            "checkpoint_seconds": 256.0,
            "logging_seconds": 256.0,
            "finalize_seconds": 512.0,
        }
        assert sum(statistics["phases"].values()) == statistics["duration_seconds"]
        assert [55.0, 23.0] == [entry["timing"]["step_time_seconds"] for entry in steps()]
        saves = of_type(entries_of(), "model_checkpoint_save")
        assert [128.0, 128.0] == [entry["timing"]["checkpoint_seconds"] for entry in saves]

    def test_a_micro_batch_lasts_from_its_batch_to_its_end_but_for_the_optimizer(self, clock):
        optimizer = OnClock(clock)
        with recorded(verbosity_level="ultra", clock=clock, optimizer=optimizer) as run:
            for number in run.steps([1, 2], accumulate=2):
                clock.advance(2.0)
                run.log(loss=number)
                clock.advance(4.0)
                if number == 2:
                    optimizer.step()

        seconds = [
            entry["timing"]["micro_batch_seconds"] for entry in of_type(entries_of(), "micro_batch")
        ]
        assert [6.0, 6.0] == seconds

    def test_an_evaluation_inside_a_step_is_no_part_of_it(self, clock):
        with recorded(clock=clock) as run, run.step():
            clock.advance(1.0)
            with run.evaluation():
                clock.advance(50.0)
            clock.advance(2.0)

        assert [3.0] == [entry["timing"]["step_time_seconds"] for entry in steps()]

    def test_what_raised_does_not_lengthen_the_next_one(self, clock):
        with recorded(clock=clock) as run:
            for seconds in (50.0, 2.0):
                try:
                    with run.evaluation():
                        clock.advance(seconds)
                        if seconds == 50.0:
                            fail_with(LookupError)
                except LookupError:
                    pass

        (evaluation,) = of_type(entries_of(), "evaluation_complete")
        assert 2.0 == evaluation["timing"]["evaluation_seconds"]


class TestEta:
    def train(self, clock, **options):
        with recorded(8, clock=clock, **options) as run:
            for number in run.steps():
                clock.advance(60.0)
                run.log(loss=number)
                if number % 2 == 0:
                    with run.evaluation():
                        clock.advance(600.0)
        return [entry["timing"]["eta_minutes"] for entry in steps()]

    def test_counts_the_evaluations_that_are_planned(self, clock):
        etas = self.train(clock, evaluate_every=2)

        assert [5 + 3 * 10, 4 + 3 * 10, 3 + 2 * 10] == etas[2:5]

    def test_counts_those_that_nobody_has_planned_as_they_were_seen(self, clock):
        etas = self.train(clock)

        assert [5 + 3 * 10, 4 + 3 * 10, 3 + 2 * 10] == etas[2:5]


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "written"),
        [
            (1, 1),
            (0.5, 0.5),
            (True, True),
            (None, None),
            ("text", "text"),
            (np.float32(0.5), 0.5),
            (np.int64(3), 3.0),
            (np.float16(2), 2.0),
            (np.array([0.5]), [0.5]),
            (Fraction(1, 4), 0.25),
            (torch.tensor(0.5, requires_grad=True), 0.5),
            (torch.tensor([[2]]), 2.0),
            (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
            (torch.zeros(2), [0.0, 0.0]),
            (torch.zeros((), device="meta"), "<tensor: torch.float32 () on meta>"),
            ({"a": {"b": torch.tensor(1.0)}}, {"a": {"b": 1.0}}),
        ],
    )
    def test_any_value_is_taken(self, value, written):
        with recorded() as run, run.step():
            run.log(loss=1.0, value=value)

        assert [{"loss": 1.0, "value": written}] == metrics_of()
        assert not Path(ERRORS).exists()

    @pytest.mark.parametrize(
        ("value", "name"),
        [(math.nan, "nan"), (-math.inf, "-inf"), (torch.tensor(math.inf), "inf")],
    )
    def test_a_loss_that_is_not_finite_is_named_and_raises_an_alert(self, value, name):
        with recorded() as run:
            for number in run.steps([1, 2, 3]):
                run.log(loss=value if number == 2 else float(number))

        second = steps()[1]
        assert (None, name) == (second["metrics"]["loss"], second["non_finite"]["metrics.loss"])
        (alert,) = of_type(entries_of(), "training_anomaly")
        assert ("non_finite_loss", 2) == (alert["alert"], alert["evidence"]["anomalous_step"])
        assert 1 == entries_of()[-1]["statistics"]["non_finite_losses"]
        summary = vlog.summarize("log.jsonl").runs[0]
        assert (1, 1.0, 3.0) == (summary.loss.non_finite, summary.loss.best, summary.loss.last)

    def test_one_odd_value_costs_no_other(self):
        class Odd:
            def __repr__(self):
                raise ValueError

        with recorded() as run, run.step():
            run.log({1: 2, None: 3}, loss=1.0, odd=Odd(), huge=Fraction(10**400), long=2**70)

        (metrics,) = metrics_of()
        assert (2, 3, 1.0) == (metrics["1"], metrics["None"], metrics["loss"])
        assert "<Odd: raised ValueError>" == metrics["odd"]
        assert "OverflowError" in text_of(ERRORS)

    def test_keys_of_ours_stay_ours(self):
        ours = {"step": -1, "level": "x", "timing": 1, "type": "y", "message": 2, "seq": 3}
        with recorded() as run, run.step():
            run.log(ours)

        (entry,) = steps()
        assert ours == entry["metrics"]
        assert (1, "INFO") == (entry["step"], entry["level"])
        assert vlog.validate("log.jsonl").is_valid

    def test_what_is_logged_after_a_step_names_it(self):
        with recorded() as run:
            for _ in run.steps([0] * 2):
                run.log(loss=1.0)
            run.log(accuracy=torch.tensor(0.5), loss=torch.tensor(0.25))

        (update,) = of_type(entries_of(), "training_metrics_update")
        assert (2, {"accuracy": 0.5, "loss": 0.25}) == (update["step"], update["metrics"])
        assert 0.25 == vlog.summarize("log.jsonl").runs[0].loss.best

    def test_threads_log_beside_the_loop(self):
        def log(name):
            for number in range(200):
                run.log({name: number})

        with recorded() as run:
            threads = [threading.Thread(target=log, args=(name,)) for name in "abc"]
            for thread in threads:
                thread.start()
            for number in run.steps([0] * 200):
                run.log(loss=float(number))
            for thread in threads:
                thread.join()
            run.log(end=1)

        assert vlog.validate("log.jsonl").is_valid
        assert list(range(1, 201)) == [entry["step"] for entry in steps()]
        assert all(0.0 == metrics["loss"] for metrics in metrics_of())
        assert list(range(len(entries_of()))) == [entry["seq"] for entry in entries_of()]

    def test_what_a_logged_evaluation_gives_is_no_loss_of_a_step(self):
        with recorded() as run:
            for _ in run.steps([0]):
                run.log(loss=2.0)
                with run.evaluation():
                    run.log(loss=0.5)

        statistics = entries_of()[-1]["statistics"]
        assert (2.0, 2.0) == (statistics["final_loss"], statistics["best_loss"])


class TestMisuse:
    """Whatever a loop does out of order, it goes on, and what was said is written or reported."""

    def test_a_run_that_nobody_started_begins(self):
        run = recorded(1)
        for _ in run.steps():
            run.log(loss=1.0)
        run.finish()

        assert "system_initialization" == types()[0]
        assert "training_complete" == types()[-1]
        assert vlog.validate("log.jsonl").is_valid

    def test_a_start_and_a_second_one_are_one(self):
        run = recorded().start()
        with run.start() as same:
            assert same is run
        run.finish()

        assert 1 == types().count("system_initialization")
        assert 1 == types().count("training_complete")

    def test_a_run_that_is_over_writes_nothing_and_says_so(self, capsys, late_faults):
        with recorded(3) as run:
            late_faults.append(run)
        before = entries_of()
        with run:
            for _ in run.epochs(1):
                for _ in run.steps([0] * 2):
                    run.log(loss=1.0)
            with run.step(), run.evaluation():
                pass
            with run.checkpoint("x"):
                pass
            run.set_verbosity("low")
        run.finish()

        assert before == entries_of()
        assert "this training is not recorded" in capsys.readouterr().err
        for what in ("start", "log", "batch_done", "evaluation_ended", "set_verbosity"):
            assert f"{what} is not recorded: the run is over" in text_of(ERRORS)

    def test_a_generator_that_outlives_its_run_says_nothing(self):
        with recorded() as run:
            epochs = run.epochs(2)
            next(epochs)
            batches = run.steps([0, 1])
            next(batches)
        batches.close()
        epochs.close()

        assert not Path(ERRORS).exists()
        assert "training_complete" == types()[-1]

    def test_a_step_inside_a_step_is_a_part_of_it(self):
        with recorded() as run:
            for _ in run.steps([0, 0]):
                with run.step(samples=9), run.step():
                    run.log(loss=1.0)
            with run.evaluation(), run.step():
                pass

        assert [1, 2] == [entry["step"] for entry in steps()]

    def test_a_step_that_raises_and_is_caught_does_not_count(self):
        with recorded() as run:
            for number in range(3):
                try:
                    with run.step():
                        run.log(attempt=number)
                        if number == 1:
                            fail_with(MemoryError)
                        run.log(loss=1.0)
                except MemoryError:
                    continue

        assert [0, 2] == [metrics["attempt"] for metrics in metrics_of() if "loss" in metrics]

    @pytest.mark.parametrize("loader", [[], iter([]), (number for number in ())])
    def test_epochs_and_loaders_may_be_empty(self, loader):
        with recorded() as run:
            for _ in run.epochs(2):
                for _ in run.steps(loader):
                    pass
            for _ in run.epochs(0):
                pass

        assert [0, 0] == [entry["steps"] for entry in of_type(entries_of(), "epoch_complete")]
        assert vlog.validate("log.jsonl").is_valid

    def test_a_loader_may_be_a_generator_or_have_a_length_that_raises(self):
        class Odd:
            def __len__(self):
                raise LookupError("no length today")

            def __iter__(self):
                return iter([1, 2])

        with recorded() as run:
            for loader in (Odd(), (number for number in (3, 4)), map(int, "56")):
                for number in run.steps(loader):
                    run.log(loss=number)

        assert [1, 2, 3, 4, 5, 6] == [metrics["loss"] for metrics in metrics_of()]
        assert "no length today" in text_of(ERRORS)

    def test_more_steps_than_planned_are_all_of_them(self):
        with recorded(2) as run:
            for _ in run.steps([0] * 4):
                pass

        assert [50.0, 100.0, 100.0, 100.0] == [
            entry["progress"]["progress_percent"] for entry in steps()
        ]
        assert vlog.validate("log.jsonl").is_valid

    def test_two_runs_at_once_keep_to_themselves(self):
        optimizer = small_optimizer()

        def train(name):
            with recorded(log_file=f"{name}.jsonl") as run:
                for number in run.steps([0] * 20):
                    run.log({name: number})

        threads = [threading.Thread(target=train, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        with recorded(log_file="c.jsonl") as outer:
            for _ in outer.steps([0] * 2):
                with recorded(log_file="c.jsonl", optimizer=optimizer) as inner:
                    for _ in inner.steps([0] * 3):
                        optimizer.step()
        for thread in threads:
            thread.join()

        for name in "abc":
            assert vlog.validate(f"{name}.jsonl").is_valid
        runs = vlog.summarize("c.jsonl").runs
        assert [2, 3, 3] == [run.progress.step for run in runs]
        assert {State.COMPLETE} == {run.state for run in runs}

    def test_odd_arguments_reach_the_error_log_and_not_the_loop(self):
        with recorded() as run:
            run.log(5)
            with run.checkpoint(5):
                pass
            with run.step(samples="many"):
                pass

        assert 2 == text_of(ERRORS).count("\n  TypeError")
        assert "samples or tokens of a step are no count" in text_of(ERRORS)
        assert "training_complete" == types()[-1]


class TestResume:
    def test_the_earlier_run_is_named_and_the_steps_go_on(self):
        with recorded(4) as first:
            for _ in first.steps():
                if first.step_number == 2:
                    break
            with first.step():
                pass
            with first.checkpoint("checkpoint-2"):
                Path("checkpoint-2").mkdir()
        with recorded(
            4, start_step=2, resume_from_checkpoint=Path("checkpoint-2"), verbosity_level="high"
        ) as second:
            for _ in second.epochs(2, start=1):
                for _ in second.steps([0] * 2):
                    pass

        resumed = of_type(entries_of(), "system_initialization")[1]
        assert first.run_id == resumed["resumed_from"]
        assert "checkpoint-2" == resumed["resumed_from_checkpoint"]
        ours = [entry for entry in steps() if entry["run_id"] == second.run_id]
        assert [(3, 1.5), (4, 2.0)] == [(entry["step"], entry["epoch"]) for entry in ours]
        assert 0 == ours[-1]["progress"]["remaining_steps"]


class TestFault:
    @pytest.mark.parametrize(
        "method",
        [
            "start", "training_started", "epoch_begin", "epoch_complete", "step_begin",
            "step_complete", "micro_batch", "log", "evaluation_start", "evaluation_complete",
            "prediction_step", "checkpoint_saved", "record", "complete",
        ],
    )  # fmt: skip
    def test_a_recorder_that_raises_does_not_reach_the_loop(
        self, monkeypatch, method, capsys, late_faults
    ):
        run = recorded(verbosity_level="ultra")
        late_faults.append(run)

        def broken(*args, **kwargs):
            raise LookupError("broken on purpose")

        monkeypatch.setattr(run._run.recorder, method, broken)
        seen = []
        with run:
            for _ in run.epochs(1):
                for number in run.steps([1, 2]):
                    run.log(loss=number)
                    seen.append(number)
                with run.evaluation():
                    seen.extend(run.steps([3]))
                with run.checkpoint("x"):
                    seen.append(4)

        assert [1, 2, 3, 4] == seen
        assert "broken on purpose" in text_of(ERRORS) or method == "record"
        if method == "complete":
            run._run.recorder.interrupt("the test is over")

    def test_an_object_that_cannot_be_described_costs_no_other_part(self):
        class Odd:
            def parameters(self):
                raise LookupError("no parameters")

        with recorded(model=Odd(), config=5, dataset=[1]):
            pass

        (entry,) = of_type(entries_of(), "training_initialization")
        assert "not_described" in entry["arguments"]
        assert "sample_structure" in entry["dataset"]["train"]


class TestMemory:
    def test_nothing_of_the_training_is_held_after_the_run(self):
        class Batch:
            pass

        model = torch.nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        batch = Batch()
        gone = [weakref.ref(each) for each in (model, optimizer, batch)]
        with recorded(model=model, optimizer=optimizer, dataset=[batch], config=vars(batch)) as run:
            for each in run.steps([batch]):
                optimizer.step()
                del each
        hooks = optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks
        gc.collect()
        gc.disable()
        try:
            del model, optimizer, batch
            assert [None] * 3 == [each() for each in gone]
        finally:
            gc.enable()
        assert [{}, {}] == [dict(each) for each in hooks]
        assert run.step_number == 1

    def test_a_batch_is_let_go_while_the_next_one_is_waited_for(self):
        class Batch:
            pass

        alive = []

        def loader():
            for _ in range(3):
                batch = Batch()
                alive.append(weakref.ref(batch))
                yield batch
                del batch
                assert alive[-1]() is None

        with recorded() as run:
            for batch in run.steps(loader()):
                del batch

        assert 3 == len(alive)


class TestRefusal:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"total_steps": 0}, "total_steps is 0. Expected a whole number, 1 or more."),
            ({"total_steps": -1}, "total_steps is -1. Expected a whole number, 1 or more."),
            ({"total_steps": "10"}, "total_steps is '10'. Expected a whole number, 1 or more."),
            ({"total_steps": True}, "total_steps is True. Expected a whole number, 1 or more."),
            ({"start_step": -1}, "start_step is -1. Expected a whole number, 0 or more."),
            ({"evaluate_every": 0}, "evaluate_every is 0. Expected a whole number, 1 or more."),
            ({"save_every": 0.5}, "save_every is 0.5. Expected a whole number, 1 or more."),
            ({"optimizer": "adam"}, "optimizer is a str. Expected a torch optimizer, or None."),
            ({"name": 5}, "name is 5. Expected a text."),
            (
                {"resume_from_checkpoint": True},
                "resume_from_checkpoint is True. Expected a path, or None.",
            ),
            ({"save_evry": 5}, "Unknown option 'save_evry'. Did you mean 'save_every'?"),
            ({"totl_steps": 5}, "Unknown option 'totl_steps'. Did you mean 'total_steps'?"),
        ],
    )
    def test_names_what_was_got_and_what_is_allowed(self, options, message):
        assert refusal_of(recorded, **options).startswith(message)

    @pytest.mark.parametrize(
        ("method", "arguments", "options", "message"),
        [
            ("steps", [[1]], {"accumulate": 0}, "accumulate is 0. Expected a whole number, 1 or"),
            ("steps", [], {"accumulate": 2}, "accumulate is 2 without a loader. Give the loader"),
            ("epochs", ["3"], {}, "number is '3'. Expected a whole number, 0 or more."),
            ("epochs", [3], {"start": 1.5}, "start is 1.5. Expected a whole number, 0 or more."),
        ],
    )
    def test_a_loop_is_refused_before_it_begins(self, method, arguments, options, message):
        run = recorded()

        assert refusal_of(getattr(run, method), *arguments, **options).startswith(message)


class TestVerbosity:
    def test_can_be_given_as_its_own_type(self):
        with recorded(verbosity_level=Verbosity.LOW) as run, run.step():
            pass

        assert [] == steps()
        assert "low" == json.loads(text_of("log.jsonl").splitlines()[0])["verbosity"]
