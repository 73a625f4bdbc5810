"""Whatever ends a loop, its last entry says what it was, and the loop does not notice."""

from __future__ import annotations

import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import torch
from processes import text_of, wait_for
from trainers import entries_of, of_type

import vlog
from vlog.analysis.run_summary import State

LOOP = """
import os, sys, time, vlog
def recorded(*args, **options):
    options = {"log_file": "log.jsonl", "sources": [], "console": False} | options
    return vlog.training_run(*args, **options)
"""


def start(script):
    command = [sys.executable, "-W", "ignore", "-c", LOOP + script]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


def recorded(*args, **options):
    options = {"log_file": "log.jsonl", "sources": [], "console": False} | options
    return vlog.training_run(*args, **options)


def end():
    return entries_of()[-1]


def types():
    return [entry["type"] for entry in entries_of()]


def steps():
    return [entry["step"] for entry in of_type(entries_of(), "training_step_complete")]


def in_body(recording, stop):
    for _ in recording.epochs(2):
        for _ in recording.steps([0] * 3):
            if recording.step_number == 2:
                stop()
            recording.log(loss=1.0)


def in_loader(recording, stop):
    def loader():
        yield 1
        stop()

    for _ in recording.epochs(1):
        for _ in recording.steps(loader()):
            recording.log(loss=1.0)


def in_step(recording, stop):
    with recording.step():
        pass
    with recording.step():
        stop()


def in_evaluation(recording, stop):
    for _ in recording.steps([0]):
        pass
    with recording.evaluation():
        for _ in recording.steps([0]):
            stop()


def in_checkpoint(recording, stop):
    for _ in recording.steps([0]):
        pass
    with recording.checkpoint("x"):
        stop()


@pytest.mark.parametrize("place", [in_body, in_loader, in_step, in_evaluation, in_checkpoint])
class TestRaised:
    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (LookupError("lost"), "training_failed"),
            (KeyboardInterrupt(), "training_interrupted"),
            (SystemExit(3), "training_interrupted"),
            (GeneratorExit(), "training_interrupted"),
        ],
    )
    def test_passes_untouched_and_is_the_end(self, place, error, kind):
        def stop():
            raise error

        with pytest.raises(type(error)) as caught, recorded(6) as recording:
            place(recording, stop)

        assert caught.value is error
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert {place.__name__, "stop"} <= set(frames)
        assert (None, None) == (error.__cause__, error.__context__)
        assert kind == end()["type"]
        assert [1] == steps()
        assert {"evaluation_complete", "model_checkpoint_save"}.isdisjoint(types())
        assert vlog.validate("log.jsonl").is_valid
        assert not Path("verbose_logging_errors.log").exists()


class TestFailed:
    def test_the_stack_is_the_loops_own(self):
        with pytest.raises(ZeroDivisionError), recorded() as recording:
            in_body(recording, lambda: 1 / 0)

        exception = end()["exception"]
        assert ("ZeroDivisionError", "division by zero") == (
            exception["type"],
            exception["message"],
        )
        assert "in in_body" in exception["stack"]
        assert State.FAILED == vlog.summarize("log.jsonl").runs[0].state

    def test_what_a_step_has_logged_by_then_is_kept(self):
        held = []  # a generator that somebody holds is not closed on the way

        def fail():
            with recorded() as recording:
                held.append(recording.steps([0], accumulate=2))
                for _ in held[0]:
                    recording.log(loss=7.0)
                    raise LookupError

        with pytest.raises(LookupError):
            fail()

        (update,) = of_type(entries_of(), "training_metrics_update")
        assert (1, {"loss": 7.0}) == (update["step"], update["metrics"])
        assert [] == steps()

    def test_a_step_whose_optimizer_was_called_is_done(self):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)

        def train():
            with recorded(optimizer=optimizer) as recording:
                for _ in recording.steps([0] * 3):
                    optimizer.step()
                    if recording.step_number == 2:
                        raise LookupError

        with pytest.raises(LookupError):
            train()

        assert [1, 2] == steps()


class TestLeft:
    def test_a_step_that_is_broken_off_counts_if_it_was_logged(self):
        for is_logged, count in ((True, [1, 2]), (False, [1])):
            with recorded(log_file="log.jsonl") as recording:
                for number in recording.steps([1, 2, 3]):
                    if is_logged or number == 1:
                        recording.log(loss=1.0)
                    if number == 2:
                        break

            assert count == steps()
            assert "training_complete" == end()["type"]
            Path("log.jsonl").unlink()

    def test_a_watched_optimizer_alone_says_whether_it_counts(self):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        with recorded(optimizer=optimizer) as recording:
            for _ in recording.steps([0] * 3):
                recording.log(loss=1.0)
                break
            for _ in recording.steps([0] * 3):
                optimizer.step()
                break

        assert [1] == steps()
        assert ["training_metrics_update", "training_step_complete"] == [
            name for name in types() if name.startswith("training_")
        ][2:4]

    def test_an_epoch_that_is_broken_off_is_no_whole_one(self):
        with recorded() as recording:
            for _ in recording.epochs(4):
                for number in recording.steps([1, 2, 3, 4]):
                    recording.log(loss=1.0)
                    if number == 2:
                        break
                break

        (epoch,) = of_type(entries_of(), "epoch_complete")
        assert (0.5, 2) == (epoch["epoch"], epoch["steps"])
        assert "stopped" in epoch["message"]

    def test_a_return_from_within_completes_the_run(self):
        def train():
            with recorded(9) as recording:
                for _ in recording.epochs(3):
                    for number in recording.steps([1, 2, 3]):
                        recording.log(loss=1.0)
                        if number == 2:
                            return number
            return None

        assert 2 == train()
        assert [1, 2] == steps()
        assert "training_complete" == end()["type"]

    def test_a_generator_of_the_users_is_closed_as_without_us(self):
        closed = []

        def loader():
            try:
                yield from range(5)
            finally:
                closed.append(True)

        with recorded() as recording:
            for _ in recording.steps(loader()):
                break
            assert [True] == closed


class TestProcess:
    def test_an_exit_without_finish_is_judged_by_the_steps(self):
        process = start("""
for total in (2, 3):
    recording = recorded(total, log_file=f"{total}.jsonl").start()
    for _ in range(2):
        with recording.step():
            recording.log(loss=1.0)

# A fork of the process that trains has nothing to say, however it ends.
if os.fork() == 0:
    recording.log(child=1)
    with recording.step():
        pass
    sys.exit(recording.finish())
os.wait()

# One that is forked between construction and start records in the child.
late = recorded(log_file="late.jsonl")
if os.fork() == 0:
    with late, late.step():
        pass
    os._exit(0)
os.wait()
""")
        out, error = process.communicate(timeout=60)
        assert (0, "") == (process.returncode, out), error
        two, three, late = (entries_of(f"{name}.jsonl") for name in ("2", "3", "late"))
        assert "training_complete" == two[-1]["type"]
        assert ("training_interrupted", "interpreter exit") == (
            three[-1]["type"],
            three[-1]["reason"],
        )
        assert 1 == len({entry["pid"] for entry in three})
        assert "child" not in text_of("3.jsonl")
        assert ("training_complete", 1) == (late[-1]["type"], late[-1]["step"])

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_every_entry_that_was_returned_survives_a_signal(self, number):
        process = start("""
with recorded(10**9) as recording:
    for epoch in recording.epochs(10**6):
        for batch in recording.steps(range(8)):
            recording.log(loss=1.0)
            print(recording.step_number - 1, flush=True)
            time.sleep(0.001)
""")
        wait_for(lambda: "Step 30 completed" in text_of("log.jsonl"), "step 30", process)
        process.send_signal(number)
        out, error = process.communicate(timeout=60)

        assert -number == process.returncode, error
        assert steps() == list(range(1, steps()[-1] + 1))
        assert int(out.splitlines()[-1]) <= steps()[-1]
        assert 1 == len({entry["pid"] for entry in entries_of()})
        is_told = number == signal.SIGTERM
        assert is_told == (end().get("reason") == "signal SIGTERM")
        assert vlog.validate("log.jsonl").is_valid


class Telling(torch.utils.data.Dataset):
    """A data set that uses a run where it is read."""

    def __init__(self, recording):
        self.recording = recording

    def __len__(self):
        return 6

    def __getitem__(self, index):
        self.recording.log(read=index)
        with self.recording.evaluation():
            pass
        return index


class TestWorkers:
    def test_forked_workers_write_nothing(self):
        with recorded() as recording:
            loader = torch.utils.data.DataLoader(
                Telling(recording), num_workers=2, multiprocessing_context="fork"
            )
            for _ in recording.epochs(1):
                for batch in recording.steps(loader):
                    recording.log(loss=batch)

        assert [1, 2, 3, 4, 5, 6] == steps()
        assert '"read"' not in text_of("log.jsonl")
        assert "evaluation_start" not in types()
        assert 1 == len({entry["pid"] for entry in entries_of()})
        assert 6 == end()["statistics"]["total_steps"]
        assert not Path("verbose_logging_errors.log").exists()
