"""The callback on real Trainer runs: the right entries, with the numbers of their own step."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from trainers import IterableTexts, Texts, entries_of, of_type
from transformers import TrainerCallback

from vlog import validate

MILESTONES = [
    "system_initialization",
    "training_initialization",
    "training_start",
    "evaluation_complete",
    "model_checkpoint_save",
    "epoch_complete",
    "training_complete",
]


class TestMetrics:
    def test_each_step_has_the_numbers_of_the_trainers_history(self, record):
        run = record(max_steps=8)

        history = {log["step"]: log for log in run.trainer.state.log_history if "loss" in log}
        names = ("loss", "learning_rate", "grad_norm")
        expected = [[step] + [history[step][name] for name in names] for step in range(1, 9)]
        assert expected == [
            [entry["step"]] + [entry["metrics"][name] for name in names] for entry in run.steps
        ]

    def test_a_log_every_third_step_says_what_it_is_the_mean_of(self, record):
        run = record(max_steps=7, logging_steps=3)

        losses = {
            log["step"]: log["loss"] for log in run.trainer.state.log_history if "loss" in log
        }
        assert losses == {
            entry["step"]: entry["metrics"]["loss"]
            for entry in run.steps
            if "loss" in entry["metrics"]
        }
        assert {3: 3, 6: 3} == {
            entry["step"]: entry["loss_window_steps"]
            for entry in run.steps
            if "loss_window_steps" in entry
        }
        assert all("learning_rate" in entry["metrics"] for entry in run.steps)

    def test_the_learning_rate_without_a_log_is_the_one_the_step_learned_with(self, record):
        logged = record(max_steps=5)
        rates = [entry["metrics"]["learning_rate"] for entry in logged.steps]
        Path("log.jsonl").unlink()

        run = record(max_steps=5, logging_steps=5)

        assert rates == [entry["metrics"]["learning_rate"] for entry in run.steps]

    def test_logging_once_an_epoch_becomes_an_update(self, record):
        run = record(max_steps=-1, num_train_epochs=2, logging_strategy="epoch")

        updates = run.of_type("training_metrics_update")
        logs = [log for log in run.trainer.state.log_history if "loss" in log]
        assert [log["loss"] for log in logs] == [entry["metrics"]["loss"] for entry in updates]
        assert [12, 12] == [entry["loss_window_steps"] for entry in updates]
        assert not any("loss" in entry["metrics"] for entry in run.steps)

    def test_another_callback_that_asks_for_a_log_is_followed(self, record):
        class AskAtStepTwo(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                control.should_log = state.global_step == 2

        run = record(max_steps=4, logging_steps=100, others=[AskAtStepTwo()])

        (update,) = run.of_type("training_metrics_update")
        assert update["step"] == 2
        assert [1, 2, 3, 4] == [entry["step"] for entry in run.steps]

    def test_another_callback_that_clears_a_log_costs_no_entry(self, record):
        class ClearEvenSteps(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                control.should_log = control.should_log and state.global_step % 2 == 1

        run = record(max_steps=4, others=[ClearEvenSteps()])

        assert [1, 2, 3, 4] == [entry["step"] for entry in run.steps]
        assert [1, 3] == [entry["step"] for entry in run.steps if "loss" in entry["metrics"]]

    def test_gradient_accumulation_counts_every_micro_batch(self, record):
        run = record("ultra", max_steps=3, gradient_accumulation_steps=4)

        assert [0, 1, 2, 3] * 3 == [e["micro_batch"] for e in run.of_type("micro_batch")]
        complete = run.of_type("training_complete")[0]["statistics"]
        assert (3 * 4 * 2, 3 * 4 * 2 * 8) == (complete["samples"], complete["tokens"])


class TestVerbosity:
    @pytest.fixture
    def runs(self, record, first_reading):
        found = {}
        for verbosity in ("low", "medium", "high", "ultra"):
            found[verbosity] = record(
                verbosity,
                max_steps=10,
                evaluate=Texts(4),
                eval_strategy="steps",
                eval_steps=5,
                save_strategy="steps",
                save_steps=5,
            )
            Path("log.jsonl").unlink()
        return found

    def test_low_has_milestones_only(self, runs):
        assert set(MILESTONES) == set(runs["low"].types)

    def test_each_level_has_what_the_one_below_has(self, runs):
        for less, more in pairwise(("low", "medium", "high", "ultra")):
            for kind in set(runs[less].types):
                assert runs[more].types.count(kind) >= runs[less].types.count(kind)
            assert len(runs[more].entries) > len(runs[less].entries)

    def test_medium_has_resources_every_fifth_step(self, runs):
        steps = [entry["step"] for entry in runs["medium"].steps if "resource_usage" in entry]
        assert [5, 10] == steps
        assert "phases" not in runs["medium"].steps[0]

    def test_high_has_resources_and_phases_in_every_step(self, runs):
        assert all("resource_usage" in entry for entry in runs["high"].steps)
        assert all("phases" in entry for entry in runs["high"].steps)

    def test_ultra_has_every_event(self, runs):
        types = runs["ultra"].types
        assert (10, 10) == (types.count("step_begin"), types.count("micro_batch"))
        assert types.count("prediction_step") == 2
        assert types.count("training_metrics_update") == 3  # two evaluations and the end

    def test_every_line_is_valid_and_no_number_is_missing(self, runs):
        for run in runs.values():
            Path("log.jsonl").write_text(
                "".join(json.dumps(entry) + "\n" for entry in run.entries), encoding="utf-8"
            )
            report = validate("log.jsonl")
            assert report.is_valid, report
            assert list(range(len(run.entries))) == [entry["seq"] for entry in run.entries]


class TestContent:
    def test_the_first_entries_say_where_and_what(self, record):
        run = record()

        system, initialization, start = run.entries[:3]
        assert system["schema_version"] == 1
        assert system["environment"]["versions"]["torch"] == torch.__version__
        assert system["logging"]["missing"] == []
        model = initialization["model"]
        expected = sum(parameter.numel() for parameter in run.trainer.model.parameters())
        assert expected == model["total_parameters"]
        assert {"model", "lm_head"} == set(model["parameters_by_module"])
        assert model["config"]["hidden_size"] == 16
        train = initialization["dataset"]["train"]
        assert 24 == train["size"]
        shape = {"shape": [2, 8], "dtype": "int64"}
        assert {"input_ids": shape, "labels": shape} == run.steps[0]["batch"]
        assert not any("batch" in entry for entry in run.steps[1:])
        assert initialization["arguments"]["max_steps"] == 6
        assert (0, 6) == (start["start_step"], start["total_steps"])

    def test_a_sample_is_written_only_when_asked_for(self, record):
        samples = [Texts(1)[0]] * 24
        train = record(train=samples).entries[1]["dataset"]["train"]
        assert "sample" not in train
        assert ["input_ids", "labels"] == train["columns"]
        assert train["sample_structure"]["input_ids"] == {"shape": [8], "dtype": "int64"}
        Path("log.jsonl").unlink()

        run = record(train=samples, callback_options={"log_sample_content": True})

        assert "input_ids" in run.entries[1]["dataset"]["train"]["sample"]

    def test_a_checkpoint_has_path_size_and_duration(self, record):
        run = record(save_strategy="steps", save_steps=3)

        saved = run.of_type("model_checkpoint_save")
        assert [3, 6] == [entry["step"] for entry in saved]
        folder = Path(saved[0]["checkpoint"]["path"])
        files = [path for path in folder.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        assert len(files) == saved[0]["checkpoint"]["files"]
        assert round(size / 2**20, 3) == saved[0]["checkpoint"]["size_mb"]
        assert saved[0]["timing"]["checkpoint_seconds"] > 0

    def test_progress_and_eta_end_at_the_end(self, record):
        last = record(max_steps=8).steps[-1]

        assert last["progress"] == {
            "progress_percent": 100.0,
            "total_steps": 8,
            "remaining_steps": 0,
        }
        assert last["timing"]["eta_minutes"] == 0.0

    def test_the_standard_log_is_flat(self, record):
        record(callback_options={"standard_log": True}, max_steps=3)

        step = of_type(entries_of("training_logs.jsonl"), "training_step_complete")[-1]
        assert set(step) == {
            "timestamp", "type", "level", "message", "step", "epoch", "loss", "learning_rate",
            "grad_norm", "step_time", "avg_step_time", "eta_minutes", "progress_percent",
            "remaining_steps",
        }  # fmt: skip

    def test_an_iterable_data_set_that_ends_early_is_recorded_to_its_end(self, record):
        run = record(train=IterableTexts(7), max_steps=4, gradient_accumulation_steps=2)

        assert run.types[-1] == "training_complete"
        steps = [entry["step"] for entry in run.steps]
        assert list(range(1, run.trainer.state.global_step + 1)) == steps

    def test_evaluation_outside_of_a_run_follows_the_runs_end(self, record):
        run = record(evaluate=Texts(4))
        run.trainer.evaluate()

        *_, end, alone = entries_of()
        assert (end["type"], alone["type"]) == ("training_complete", "evaluation_complete")
        assert alone["after_run"] == end["run_id"]
        assert "run_id" not in alone
        assert validate("log.jsonl").is_valid

    def test_a_token_in_the_arguments_is_not_written(self, record):
        secret = "hf_" + "a1B2" * 8
        record(hub_token=secret, run_name=f"with {secret}")

        assert secret not in Path("log.jsonl").read_text(encoding="utf-8")
