"""Runs that go wrong, end early, start again or go on: links, alerts and end states."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import pytest
from trainers import Texts, entries_of, make_trainer, of_type, small_model
from transformers import LlamaForCausalLM, TrainerCallback

from vlog import VerboseLoggingCallback, validate


class PoisonedModel(LlamaForCausalLM):
    """A model whose loss is NaN at one call, while its gradients stay finite."""

    poisoned_call = 0
    calls = 0
    is_poisoned = False

    def forward(self, input_ids=None, labels=None, attention_mask=None, **inputs):
        output = super().forward(
            input_ids=input_ids, labels=labels, attention_mask=attention_mask, **inputs
        )
        self.calls += 1
        if self.calls == self.poisoned_call or self.is_poisoned:
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

    def test_a_number_of_the_filters_own_is_no_result(self, record):
        """The filter logs 0.0 for a step whose loss is NaN."""
        for verbosity in ("low", "high"):
            run = record(verbosity, model=poisoned_model(6), max_steps=6)

            statistics = run.entries[-1]["statistics"]
            assert statistics["final_loss"] is None
            assert statistics["best_loss"] > 1
            assert 1 == statistics["non_finite_losses"]
            assert run.of_type("epoch_complete")[0]["metrics"]["loss"] > 1
            Path("log.jsonl").unlink()

    def test_without_the_filter_only_the_step_itself_is_named(self, record):
        run = record(
            model=poisoned_model(3), max_steps=5, logging_steps=5, logging_nan_inf_filter=False
        )

        fifth = run.steps[4]
        assert (None, [3]) == (fifth["metrics"]["loss"], fifth["non_finite_steps"])
        assert 1 == run.entries[-1]["statistics"]["non_finite_losses"]

    def test_without_wrapped_methods_what_is_logged_is_counted(self, record):
        run = record(
            model=poisoned_model(3),
            max_steps=4,
            logging_nan_inf_filter=False,
            callback_options={"wrap_trainer": False},
        )

        # Without its filter, the Trainer's running sum stays NaN from then on.
        assert [3, 4] == [entry["step"] for entry in run.steps if "non_finite" in entry]
        assert 2 == run.entries[-1]["statistics"]["non_finite_losses"]
        assert "wrap_trainer is off" in run.entries[0]["logging"]["missing"][0]

    def test_more_of_them_than_are_named_are_still_counted(self, record):
        model = poisoned_model(0)
        model.is_poisoned = True
        run = record(model=model, max_steps=104, logging_steps=104)

        assert {"nan"} == {entry["non_finite"]["metrics.loss"] for entry in run.steps}
        assert 104 == run.entries[-1]["statistics"]["non_finite_losses"]
        assert list(range(1, 101)) == run.steps[-1]["non_finite_steps"]
        assert validate("log.jsonl").is_valid


class TestRuns:
    def test_a_training_inside_a_training_leaves_it_whole(self):
        callback = VerboseLoggingCallback("high", "log.jsonl")

        class Nest(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                if state.global_step == 2:
                    make_trainer([callback], max_steps=3).train()

        make_trainer([callback, Nest()], max_steps=4).train()

        entries = entries_of()
        outer, inner = [e["run_id"] for e in of_type(entries, "system_initialization")]
        for run_id, steps in ((outer, 4), (inner, 3)):
            mine = [entry for entry in entries if entry["run_id"] == run_id]
            assert steps == len(of_type(mine, "training_step_complete"))
            assert mine[-1]["type"] == "training_complete"
        assert validate("log.jsonl").is_valid

    def test_a_slow_callback_is_no_wait_for_data(self, record):
        class Slow(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                time.sleep(0.2)

        run = record(max_steps=4, others=[Slow()])

        phases = run.entries[-1]["statistics"]["phases"]
        assert phases["logging_seconds"] >= 0.8
        assert phases["data_wait_seconds"] < 0.4

    def test_a_stand_alone_evaluation_lets_no_running_log_go(self):
        running = VerboseLoggingCallback("high", "log.jsonl")
        other = make_trainer([VerboseLoggingCallback("high", "log.jsonl")], evaluate=Texts(4))

        class Evaluate(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                other.evaluate()
                owners.append(running._output.handlers[0].stream is not None)

        owners = []
        make_trainer([running, Evaluate()], max_steps=2).train()

        assert [True, True] == owners
        assert validate("log.jsonl").is_valid

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
        assert of_type(second, "training_start")[0]["start_step"] == 2
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


class TestMemoryAlert:
    def test_it_is_raised_once_at_the_crossing_and_resolved_once(self, record):
        class Memory:
            name = "memory"
            can_block = False  # read by the monitor itself: every value is in a reading

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


class TestHooksOfASubclass:
    def test_may_hand_their_arguments_on_by_place(self):
        class Mine(VerboseLoggingCallback):
            def on_log(self, args, state, control, logs=None, model=None, **kwargs):
                super().on_log(args, state, control, logs, model, **kwargs)

            def on_step_end(self, args, state, control, model=None, **kwargs):
                super().on_step_end(args, state, control, model, **kwargs)

            def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
                super().on_pre_optimizer_step(args, state, control, model, **kwargs)

            def on_step_begin(self, args, state, control, model=None, **kwargs):
                super().on_step_begin(args, state, control, model, **kwargs)

        make_trainer([Mine("medium", "log.jsonl", sources=[])], logging_steps=1).train()

        steps = of_type(entries_of(), "training_step_complete")
        assert all("loss" in step["metrics"] for step in steps)
        assert steps

    def test_that_are_called_with_too_little_raise_nothing(self):
        callback = VerboseLoggingCallback("medium", "log.jsonl", sources=[])

        class Wrong(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                callback.on_log(args)
                callback.on_step_begin()
                callback.on_pre_optimizer_step()

        make_trainer([callback, Wrong()]).train()

        assert "training_complete" == entries_of()[-1]["type"]
        assert "on_log failed" in Path("verbose_logging_errors.log").read_text()
