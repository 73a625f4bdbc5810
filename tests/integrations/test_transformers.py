"""The callback on real Trainer runs: the right entries, with the numbers of their own step."""

from __future__ import annotations

import json
import math
import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from trainers import IterableTexts, Texts, entries_of, make_trainer, of_type, small_model
from transformers import LlamaForCausalLM, TrainerCallback

from vlog import VerboseLoggingCallback, configure, validate
from vlog.errors import ConfigurationError

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
    def runs(self, record):
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
        assert (24, ["input_ids", "labels"]) == (train["size"], train["columns"])
        assert train["sample_structure"]["input_ids"] == {"shape": [8], "dtype": "int64"}
        assert initialization["arguments"]["max_steps"] == 6
        assert (0, 6) == (start["start_step"], start["total_steps"])

    def test_a_sample_is_written_only_when_asked_for(self, record):
        assert "sample" not in record().entries[1]["dataset"]["train"]
        Path("log.jsonl").unlink()

        run = record(callback_options={"log_sample_content": True})

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


class PoisonedModel(LlamaForCausalLM):
    """A model whose loss is NaN at one call, while its gradients stay finite."""

    poisoned_call = 0
    calls = 0

    def forward(self, input_ids=None, labels=None, attention_mask=None, **inputs):
        output = super().forward(
            input_ids=input_ids, labels=labels, attention_mask=attention_mask, **inputs
        )
        self.calls += 1
        if self.calls == self.poisoned_call:
            output["loss"] = output["loss"] + math.nan
        return output


def poisoned_model(call):
    model = PoisonedModel(small_model().config)
    model.poisoned_call = call
    return model


class GreedyModel(LlamaForCausalLM):
    """A model that runs out of memory on a batch of more than four."""

    def forward(self, input_ids=None, labels=None, attention_mask=None, **inputs):
        if len(input_ids) > 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().forward(input_ids=input_ids, labels=labels, **inputs)


class TestNonFiniteLoss:
    def test_a_loss_that_the_filter_hides_is_null_and_named(self, record):
        run = record(model=poisoned_model(3), max_steps=5, max_grad_norm=0.0)

        third = run.steps[2]
        assert third["metrics"]["loss"] is None
        assert third["non_finite"]["metrics.loss"] == "nan"
        after = run.types[run.entries.index(third) + 1]
        assert after == "training_anomaly"
        (alert,) = [a for a in run.of_type("training_anomaly") if a["alert"] == "non_finite_loss"]
        assert (3, "WARNING") == (alert["evidence"]["anomalous_step"], alert["level"])

    def test_the_alert_is_raised_once_and_resolved_once(self, record):
        run = record(model=poisoned_model(3), max_steps=6)

        changes = [
            (entry["type"], entry["step"])
            for entry in run.of_type("training_anomaly", "alert_resolved")
            if entry["alert"] == "non_finite_loss"
        ]
        assert [("training_anomaly", 3), ("alert_resolved", 4)] == changes

    def test_a_step_without_a_log_is_named_too(self, record):
        run = record(model=poisoned_model(3), max_steps=8, logging_steps=4)

        assert [3] == [
            entry["step"]
            for entry in run.steps
            if entry.get("non_finite", {}).get("metrics.loss") and entry["step"] < 4
        ]
        fourth = run.steps[3]
        assert 3 in fourth["non_finite_steps"]


class TestRuns:
    def test_a_second_train_is_a_run_of_its_own_that_names_the_first(self, record):
        run = record()
        run.trainer.train()

        first, second = of_type(entries_of(), "system_initialization")
        assert first["run_id"] != second["run_id"]
        assert second["previous_run_id"] == first["run_id"]
        assert len(of_type(entries_of(), "training_complete")) == 2
        assert validate("log.jsonl").is_valid

    def test_a_resumed_run_names_the_run_that_wrote_the_checkpoint(self, record):
        first = record(max_steps=4, save_strategy="steps", save_steps=2)
        callback = VerboseLoggingCallback("high", "log.jsonl")
        trainer = make_trainer([callback], max_steps=8)
        trainer.train(resume_from_checkpoint="out/checkpoint-2")

        second = [e for e in entries_of() if e.get("run_id") != first.entries[0]["run_id"]]
        assert second[0]["resumed_from"] == first.entries[0]["run_id"]
        assert second[2]["start_step"] == 2
        steps = of_type(second, "training_step_complete")
        assert [3, 4, 5, 6, 7, 8] == [entry["step"] for entry in steps]
        assert second[-1]["statistics"]["steps"] == 6

    def test_an_out_of_memory_restart_is_linked(self, record):
        run = record(
            model=GreedyModel(small_model().config),
            auto_find_batch_size=True,
            per_device_train_batch_size=5,
            max_steps=2,
        )

        first, *_, last = run.of_type("system_initialization")
        assert last["restarted_from"] in {e["run_id"] for e in run.of_type("training_failed")}
        assert run.of_type("training_failed")[0]["run_id"] == first["run_id"]
        assert run.types[-1] == "training_complete"

    def test_an_exception_that_the_caller_catches_is_the_end(self):
        def fail(index):
            raise ValueError("bad sample: password=hunter2hunter2")

        callback = VerboseLoggingCallback("high", "log.jsonl")
        trainer = make_trainer([callback], train=Texts(24), max_steps=6)
        trainer.train_dataset.before = fail
        with pytest.raises(ValueError, match="bad sample"):
            trainer.train()

        end = entries_of()[-1]
        assert (end["type"], end["level"]) == ("training_failed", "ERROR")
        assert end["exception"]["type"] == "ValueError"
        assert "in fail" in end["exception"]["stack"]
        assert "hunter2" not in json.dumps(end)

    def test_ctrl_c_is_an_interruption(self):
        class Press(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                if state.global_step == 3:
                    raise KeyboardInterrupt

        trainer = make_trainer([VerboseLoggingCallback("high", "log.jsonl"), Press()])
        with pytest.raises(KeyboardInterrupt):
            trainer.train()

        end = entries_of()[-1]
        assert (end["type"], end["reason"]) == ("training_interrupted", "KeyboardInterrupt")
        steps = of_type(entries_of(), "training_step_complete")
        assert [1, 2, 3] == [entry["step"] for entry in steps]

    def test_a_callback_added_late_says_what_is_missing(self):
        trainer = make_trainer([])
        trainer.add_callback(VerboseLoggingCallback("high", "log.jsonl"))
        trainer.train()

        entries = entries_of()
        assert "exceptions" in entries[0]["logging"]["missing"][0]
        assert entries[-1]["type"] == "training_complete"
        assert entries[-1]["statistics"]["tokens"] == 6 * 2 * 8

    def test_two_callbacks_with_their_own_files_do_not_mix(self):
        callbacks = [
            VerboseLoggingCallback("low", "low.jsonl"),
            VerboseLoggingCallback("ultra", "ultra.jsonl"),
        ]
        make_trainer(callbacks).train()

        low, ultra = entries_of("low.jsonl"), entries_of("ultra.jsonl")
        assert {e["run_id"] for e in low}.isdisjoint(e["run_id"] for e in ultra)
        assert not of_type(low, "training_step_complete")
        assert len(of_type(ultra, "training_step_complete")) == 6
        assert validate("low.jsonl").is_valid
        assert validate("ultra.jsonl").is_valid


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "parts"),
        [
            (
                {"verbosity_level": "hgih"},
                ["Unknown verbosity 'hgih'", "low, medium, high, ultra"],
            ),
            ({"verbosity_level": 3}, ["Unknown verbosity 3"]),
            ({"log_file": "missing/log.jsonl"}, ["does not exist", "mkdir -p"]),
            ({"log_file": "."}, ["is a folder"]),
            ({"log_file": "a_file/log.jsonl"}, ["is a file", "parent is a folder"]),
            ({"log_file": None}, ["log_file is None", "path of a file"]),
            ({"log_file": "log.jsonl", "standard_log": "log.jsonl"}, ["Give two files"]),
            ({"verbosity": "low"}, ["Unknown option 'verbosity'", "'verbosity_level'"]),
            ({"compress": "zip"}, ["Unknown compression 'zip'", "zstd, gzip, none"]),
            ({"max_mb": -1}, ["max_mb is -1", "0 or more"]),
            ({"memory_alert_percent": 0}, ["memory_alert_percent is 0", "up to 100"]),
            ({"memory_alert_percent": "90"}, ["memory_alert_percent is '90'"]),
            ({"reading_interval_seconds": -2}, ["reading_interval_seconds is -2"]),
        ],
    )
    def test_what_cannot_be_used_is_refused_at_construction(self, options, parts):
        Path("a_file").touch()

        with pytest.raises(ConfigurationError) as refusal:
            VerboseLoggingCallback(**options)

        assert all(part in str(refusal.value) for part in parts), refusal.value
        assert ["a_file"] == [path.name for path in Path().iterdir()]

    def test_a_folder_that_cannot_be_written_is_refused(self, monkeypatch):
        monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere

        with pytest.raises(ConfigurationError, match="cannot be written by this user"):
            VerboseLoggingCallback(log_file="log.jsonl")


class TestKeyMethods:
    def test_they_say_what_the_guide_says(self):
        callback = VerboseLoggingCallback("high", "log.jsonl")

        assert "python" in callback._get_comprehensive_system_info()["versions"]
        assert 0 < callback._get_current_resource_usage()["memory"]["usage_percent"] <= 100
        assert callback._get_model_info(small_model())["total_parameters"] > 0
        callback._write_log({"type": "my_note", "level": "warning", "message": "hi", "seq": 7})

        (entry,) = entries_of()
        assert ("log_record", "WARNING", "hi") == tuple(
            entry[name] for name in ("type", "level", "message")
        )
        assert entry["fields"] == {"type": "my_note", "seq": 7}

    def test_an_entry_of_the_callers_takes_its_place_in_the_run(self):
        callback = VerboseLoggingCallback("high", "log.jsonl")

        class Note(TrainerCallback):
            def on_step_begin(self, args, state, control, **kwargs):
                callback._write_log({"type": "note", "message": "mine", "run_id": "other"})

        make_trainer([callback, Note()], max_steps=2).train()

        notes = of_type(entries_of(), "log_record")
        assert [entries_of()[0]["run_id"]] * 2 == [note["run_id"] for note in notes]
        assert validate("log.jsonl").is_valid


class TestConfiguredLogger:
    def test_a_callback_without_a_file_uses_what_is_configured(self):
        configure()
        make_trainer([VerboseLoggingCallback()]).train()

        assert validate("verbose_training_logs.jsonl").is_valid
        assert entries_of("verbose_training_logs.jsonl")[-1]["type"] == "training_complete"
        assert "loss" in of_type(entries_of("training_logs.jsonl"), "training_step_complete")[0]

    def test_a_file_that_is_given_wins(self):
        configure()
        make_trainer([VerboseLoggingCallback("low", "own.jsonl")]).train()

        assert entries_of("own.jsonl")[-1]["type"] == "training_complete"
        assert not Path("verbose_training_logs.jsonl").exists()


class TestMemoryAlert:
    def test_it_is_raised_once_at_the_crossing_and_resolved_once(self, record):
        class Memory:
            name = "memory"

            def __init__(self):
                self.usage = iter([50.0, 91.0, 95.0, 89.5, 92.0, 40.0, *[40.0] * 10_000])

            def read(self):
                return {"usage_percent": next(self.usage)}

        run = record(
            max_steps=30,
            train=Texts(60, before=lambda _: time.sleep(0.005)),
            callback_options={"sources": [Memory()], "reading_interval_seconds": 0.005},
        )

        changes = [
            (entry["type"], entry["alert"], entry["value"])
            for entry in run.of_type("resource_warning", "alert_resolved")
        ]
        assert changes == [
            ("resource_warning", "high_memory_usage", 91.0),
            ("alert_resolved", "high_memory_usage", 40.0),
        ]
        assert run.of_type("resource_warning")[0]["level"] == "WARNING"
