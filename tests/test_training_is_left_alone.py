"""Recording changes nothing in a training: not its numbers, its memory, its devices, its end."""

from __future__ import annotations

import gc
import logging
import pickle
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest
import torch
from trainers import Texts, entries_of, make_trainer, of_type
from transformers import Trainer, TrainerCallback

from vlog import VerboseLoggingCallback


class TestImport:
    def test_loads_neither_torch_nor_transformers_and_configures_nothing(self):
        script = (
            "import sys, logging, vlog\n"
            "assert not {'torch', 'transformers', 'structlog', 'rich', 'yaml'} & set(sys.modules)\n"
            "assert logging.getLevelName(14) == 'HIGH'\n"
            "assert not logging.getLogger().handlers and not logging.getLogger('vlog').handlers\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True)

    def test_every_public_name_is_there(self):
        import verbose_logging
        import vlog

        assert sorted(vlog.__all__) == vlog.__all__
        for name in vlog.__all__:
            assert getattr(vlog, name) is getattr(verbose_logging, name)
        assert dir(verbose_logging) == dir(vlog)
        with pytest.raises(AttributeError, match="'verbose_logging' has no attribute 'reader'"):
            verbose_logging.reader  # noqa: B018 - a module of vlog, no name of its own

    def test_a_name_needs_no_package_of_another_name(self):
        """Each name of `verbose_logging` is there where the packages of the others are not."""
        script = (
            "import sys\n"
            "sys.modules.update(dict.fromkeys(('datasets', 'peft', 'starlette', 'trl')))\n"
            "from verbose_logging import VerboseLoggingCallback, configure, read\n"
            "sys.modules['transformers'] = None\n"
            "from verbose_logging import train_with_config, training_run, validate\n"
            "try:\n"
            "    from verbose_logging import LogApp\n"
            "except ImportError as error:\n"
            "    print(error)\n"
        )
        command = [sys.executable, "-W", "ignore", "-c", script]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout

        assert printed.startswith("LogApp needs starlette. Install it with: pip install ")


class TestNumbers:
    def test_a_recorded_training_learns_what_an_unrecorded_one_does(self, record):
        plain = make_trainer([], evaluate=Texts(4), eval_strategy="steps", eval_steps=2)
        plain.train()
        recorded = record("ultra", evaluate=Texts(4), eval_strategy="steps", eval_steps=2).trainer

        losses = [
            [log.get("loss", log.get("eval_loss")) for log in each.state.log_history]
            for each in (plain, recorded)
        ]
        assert losses[0] == losses[1]
        for one, other in zip(plain.model.parameters(), recorded.model.parameters(), strict=True):
            assert torch.equal(one, other)


class TestDevice:
    def test_nothing_reads_a_tensor_that_is_not_on_the_host(self, monkeypatch):
        """A meta tensor raises on `.item()`, `bool()`, `float()` and `.cpu()`."""
        callback = VerboseLoggingCallback("ultra", "log.jsonl")
        trainer = make_trainer([callback], max_steps=2)
        run = callback._begin_run(None, []).recorder
        batch = {name: torch.zeros(2, 8, device="meta") for name in ("input_ids", "labels")}
        loss = torch.zeros((), device="meta")
        state = trainer.state
        hooks = (trainer.args, state, trainer.control)
        callback.on_train_begin(*hooks, model=trainer.model.to("meta"))
        callback.on_step_begin(*hooks)
        callback.micro_batch_begins()
        callback.micro_batch_ended(batch, loss)
        rate = torch.zeros((), device="meta")
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        optimizer.param_groups[0]["lr"] = rate
        callback.on_pre_optimizer_step(*hooks, optimizer=optimizer)
        callback.on_optimizer_step(*hooks)
        state.global_step = 1
        trainer.control.should_log = True
        callback.on_step_end(*hooks)
        callback.on_log(*hooks, logs={"loss": loss, "grad_norm": loss, "odd": rate})
        callback.on_evaluate(*hooks, metrics={"eval_loss": loss})
        run.interrupt("test")

        assert not Path("verbose_logging_errors.log").exists()
        (step,) = of_type(entries_of(), "training_step_complete")
        assert step["metrics"]["loss"] == "<tensor: torch.float32 () on meta>"

    def test_no_hook_sleeps(self, monkeypatch, record):
        def refuse(_seconds):
            raise AssertionError("the training thread slept")

        monkeypatch.setattr(time, "sleep", refuse)
        record("ultra")


class TestMemory:
    def test_deleting_the_trainer_frees_the_model_at_once(self, record):
        run = record("ultra", evaluate=Texts(4), eval_strategy="steps", eval_steps=3)
        model = weakref.ref(run.trainer.model)
        trainer = weakref.ref(run.trainer)
        gc.collect()
        gc.disable()
        try:
            del run.trainer
            assert trainer() is None
            assert model() is None
        finally:
            gc.enable()


class TestFault:
    def test_neither_a_handler_nor_a_record_factory_of_the_app_reaches_it(self, capsys):
        class Raising(logging.Handler):
            def emit(self, record):
                raise LookupError("the app's handler")

        def factory(*args, **kwargs):
            raise LookupError("the app's factory")

        before = logging.getLogRecordFactory()
        logging.getLogger("vlog").addHandler(Raising())
        logging.setLogRecordFactory(factory)
        try:
            assert make_trainer([VerboseLoggingCallback()]).train().global_step == 6
            assert make_trainer([VerboseLoggingCallback("low", "own.jsonl")]).train()
        finally:
            logging.setLogRecordFactory(before)

        assert "the app's handler" in capsys.readouterr().err
        assert entries_of("own.jsonl")[-1]["type"] == "training_complete"

    def test_an_end_in_the_far_future_costs_no_entry(self, record):
        class Stop(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                control.should_training_stop = state.global_step == 3

        run = record(max_steps=10**15, others=[Stop()])

        assert [1, 2, 3] == [entry["step"] for entry in run.steps]
        assert all(entry["timing"]["eta_minutes"] > 0 for entry in run.steps)

    def test_a_hook_that_raises_is_reported_and_the_training_goes_on(self, monkeypatch):
        callback = VerboseLoggingCallback("high", "log.jsonl")
        trainer = make_trainer([callback])
        monkeypatch.setattr("vlog.step_entries.StepEntries.complete", lambda *_, **__: 1 / 0)

        assert trainer.train().global_step == 6
        assert "ZeroDivisionError" in Path("verbose_logging_errors.log").read_text()
        assert entries_of()[-1]["overhead"]["failed"] == 6

    def test_values_that_cannot_be_encoded_are_written_as_text(self, record):
        class Odd:
            def __repr__(self):
                raise ValueError

        class LogsOddities(Trainer):
            def log(self, logs, *args):
                logs["odd"] = Odd()
                logs["big"] = 2**70
                super().log(logs, *args)

        run = record(trainer_class=LogsOddities)

        assert run.steps[0]["metrics"]["odd"] == "<Odd: raised ValueError>"
        assert run.steps[0]["metrics"]["big"] == "<int: 1180591620717411303424>"

    @pytest.mark.parametrize("verbosity", ["low", "ultra"])
    def test_a_callback_can_be_sent_to_another_process(self, verbosity):
        callback = VerboseLoggingCallback(verbosity, "log.jsonl", max_mb=3)

        copy = pickle.loads(pickle.dumps(callback))

        assert callback.__getstate__() == copy.__getstate__()
