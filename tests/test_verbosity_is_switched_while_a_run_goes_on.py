"""From Python and from another process, for good or for some steps, and it is written down."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from monitored import Fixed
from processes import wait_for
from trainers import entries_of, make_trainer, of_type
from transformers import TrainerCallback

import vlog
from vlog.errors import ConfigurationError
from vlog.verbosity import Verbosity
from vlog.verbosity_request import VerbosityRequest, leave_request, request_path, take_request

COMMAND = [sys.executable, "-m", "vlog", "verbosity"]


def changes_of(entries):
    names = ("verbosity_before", "verbosity_now", "source")
    return [tuple(entry[name] for name in names) for entry in of_type(entries, "verbosity_changed")]


def steps_of(entries):
    return [entry["step"] for entry in of_type(entries, "training_step_complete")]


class TestFromPython:
    def test_a_loop_goes_on_at_another_verbosity_for_some_steps(self):
        with vlog.training_run(12, "low", "log.jsonl", sources=[]) as run:
            for step in run.steps():
                run.log(loss=1.0)
                if step == 4:
                    run.set_verbosity("ultra", steps=3)
        entries = entries_of()

        assert [4, 5, 6] == steps_of(entries)
        assert [5, 6] == [entry["step"] for entry in of_type(entries, "step_begin")]
        assert changes_of(entries) == [
            ("low", "ultra", "python"),
            ("ultra", "low", "steps are over"),
        ]
        assert vlog.validate("log.jsonl").is_valid

    def test_a_trainer_goes_on_at_another_verbosity_to_its_end(self):
        callback = vlog.VerboseLoggingCallback("high", "log.jsonl", sources=[])

        class Switch(TrainerCallback):
            def on_step_begin(self, args, state, control, **kwargs):
                if state.global_step == 3:
                    callback.set_verbosity("low")

        make_trainer([callback, Switch()]).train()

        assert [1, 2, 3] == steps_of(entries_of())
        assert [("high", "low", "python")] == changes_of(entries_of())

    def test_a_step_that_waits_for_its_log_then_is_written_whole(self):
        callback = vlog.VerboseLoggingCallback("low", "log.jsonl", sources=[])

        class Switch(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                if state.global_step == 2:
                    callback.set_verbosity("high")

        make_trainer([callback, Switch()], logging_steps=1).train()

        first, *_ = of_type(entries_of(), "training_step_complete")
        assert (2, True) == (first["step"], first["timing"]["step_time_seconds"] > 0)
        assert 33.3333 == first["progress"]["progress_percent"]
        assert vlog.validate("log.jsonl").is_valid

    def test_a_second_request_takes_the_place_of_the_first(self):
        with vlog.training_run(9, "low", "log.jsonl", sources=[]) as run:
            for step in run.steps():
                if step == 2:
                    run.set_verbosity("high", steps=2)
                    run.set_verbosity("medium")

        assert [2, 3, 4, 5, 6, 7, 8, 9] == steps_of(entries_of())

    def test_the_verbosity_of_before_comes_back_when_two_requests_overlap(self):
        with vlog.training_run(12, "low", "log.jsonl", sources=[]) as run:
            for step in run.steps():
                if step in (2, 4):
                    run.set_verbosity("medium", steps=4)

        assert [2, 3, 4, 5, 6, 7] == steps_of(entries_of())
        assert ("medium", "low", "steps are over") == changes_of(entries_of())[-1]

    def test_without_a_run_it_holds_for_the_runs_to_come(self):
        callback = vlog.VerboseLoggingCallback("high", "log.jsonl", sources=[])
        callback.set_verbosity("low")
        make_trainer([callback]).train()

        assert [] == steps_of(entries_of())
        assert "low" == entries_of()[0]["logging"]["verbosity_level"]

    @pytest.mark.parametrize(
        ("arguments", "part"),
        [
            (("loud",), "Unknown verbosity 'loud'"),
            (("low", 0), "steps is 0. Expected a whole number, 1 or more."),
            (("low", "10"), "steps is '10'"),
            (("low", 10), "no run goes on"),
        ],
    )
    def test_what_cannot_be_done_is_refused(self, arguments, part):
        callback = vlog.VerboseLoggingCallback("high", "log.jsonl")

        with pytest.raises(ConfigurationError, match=part):
            callback.set_verbosity(*arguments)

    def test_the_machine_is_measured_in_the_detail_that_it_wants(self):
        temperatures = Fixed("temperatures", {"max_celsius": 50.0})
        with vlog.training_run(
            verbosity_level="high",
            log_file="log.jsonl",
            sources=[temperatures],
            reading_interval_seconds=0.01,
        ) as run:
            run.set_verbosity("ultra")
            steps = run.steps()
            wait_for(
                lambda: next(steps) and '"max_celsius"' in Path("log.jsonl").read_text(), "them"
            )


class TestFromAnotherProcess:
    def test_the_run_takes_the_request_and_the_command_says_so(self):
        done = threading.Event()
        said = {}

        def ask():
            said["result"] = subprocess.run(
                [*COMMAND, "log.jsonl", "ultra", "--steps", "5", "--json"],
                capture_output=True,
                text=True,
                check=False,
            )
            done.set()

        with vlog.training_run(verbosity_level="low", log_file="log.jsonl", sources=[]) as run:
            threading.Thread(target=ask).start()
            for _ in run.steps():
                if done.wait(0.002) and '"steps are over"' in Path("log.jsonl").read_text():
                    break

        assert 0 == said["result"].returncode, said["result"].stderr
        assert {"verbosity": "ultra", "steps": 5, "taken_by": ["log.jsonl"]} == json.loads(
            said["result"].stdout
        )
        assert [("low", "ultra", "command"), ("ultra", "low", "steps are over")] == changes_of(
            entries_of()
        )
        assert 5 == len(steps_of(entries_of()))
        assert not request_path(Path("log.jsonl")).exists()

    def test_a_second_request_waits_for_the_first_to_be_taken(self):
        leave_request(Path("log.jsonl"), VerbosityRequest(Verbosity.ULTRA))

        with pytest.raises(FileExistsError):
            leave_request(Path("log.jsonl"), VerbosityRequest(Verbosity.LOW))
        assert VerbosityRequest(Verbosity.ULTRA) == take_request(Path("log.jsonl"))
        assert [] == list(Path.cwd().iterdir())

    def test_a_request_for_an_earlier_run_is_taken_away(self):
        leave_request(Path("log.jsonl"), VerbosityRequest(Verbosity.ULTRA))
        with vlog.training_run(2, "low", "log.jsonl", sources=[]) as run:
            for _ in run.steps():
                pass

        assert [] == changes_of(entries_of())
        assert not request_path(Path("log.jsonl")).exists()

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[]", b'{"verbosity": "loud"}', b'{"verbosity":"low","steps":-1}']
    )
    def test_a_request_that_cannot_be_understood_is_reported_and_taken_away(self, content):
        path = request_path(Path("log.jsonl"))
        path.write_bytes(content)

        with pytest.raises(ValueError, match=r"request|JSON|verbosity|steps|input|char"):
            take_request(Path("log.jsonl"))
        assert not path.exists()

    def test_nobody_there_is_an_error_and_leaves_no_request(self, monkeypatch):
        monkeypatch.setattr("vlog.cli.verbosity._WAIT_SECONDS", 0.2)
        from vlog.cli.verbosity import ask

        with vlog.training_run(1, "low", "log.jsonl", sources=[]) as run:
            list(run.steps())
        with pytest.raises(ConfigurationError, match="No run has answered"):
            ask(Path("log.jsonl"), VerbosityRequest(Verbosity.ULTRA))
        assert not request_path(Path("log.jsonl")).exists()

    def test_a_log_that_is_not_there_is_an_error(self):
        result = subprocess.run(
            [*COMMAND, "nowhere.jsonl", "low"], capture_output=True, text=True, check=False
        )

        assert 2 == result.returncode
        assert "nowhere.jsonl does not exist" in result.stderr
