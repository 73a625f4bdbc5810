"""The Trainer's own progress and ours: one of them at a time, and the Trainer's is given back."""

import pytest
from trainers import make_trainer
from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from vlog import VerboseLoggingCallback
from vlog.handlers import ConsoleHandler


@pytest.fixture
def stood_back(monkeypatch):
    calls = []
    monkeypatch.setattr(ConsoleHandler, "stand_back", lambda _self: calls.append(True))
    return calls


def shown_by(trainer):
    kinds = (ProgressCallback, PrinterCallback)
    return [type(each) for each in trainer.callback_handler.callbacks if isinstance(each, kinds)]


def train(console, *, bar=False, fails=False):
    """Train with a callback; return the Trainer and what it showed in the middle of the run."""
    seen = []

    class Look(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            seen.extend(shown_by(trainer))
            if fails:
                raise ZeroDivisionError

    callback = VerboseLoggingCallback("high", "log.jsonl", console=console)
    trainer = make_trainer([callback, Look()], max_steps=1, disable_tqdm=not bar)
    if not bar:
        trainer.add_callback(PrinterCallback)
    if fails:
        with pytest.raises(ZeroDivisionError):
            trainer.train()
    else:
        trainer.train()
    return trainer, seen


class TestTrainerProgress:
    @pytest.mark.parametrize(("bar", "kind"), [(True, ProgressCallback), (False, PrinterCallback)])
    def test_ours_stands_back_behind_theirs(self, stood_back, bar, kind):
        trainer, seen = train(None, bar=bar)

        assert [kind] == seen == shown_by(trainer)
        assert stood_back

    @pytest.mark.parametrize("fails", [False, True])
    def test_ours_takes_the_place_of_theirs_for_the_run_if_it_is_asked_to(self, stood_back, fails):
        trainer, seen = train(True, bar=True, fails=fails)

        assert [] == seen
        assert [ProgressCallback] == shown_by(trainer)
        assert not stood_back

    def test_ours_stands_back_where_the_run_has_begun_already(self, stood_back):
        seen = []

        class Look(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                seen.extend(shown_by(trainer))

        trainer = make_trainer([Look()], max_steps=1, disable_tqdm=False)
        trainer.add_callback(VerboseLoggingCallback("high", "log.jsonl", console=True))
        trainer.train()

        assert [ProgressCallback] == seen
        assert stood_back

    def test_theirs_come_back_to_their_places(self):
        class Last(TrainerCallback):
            pass

        callback = VerboseLoggingCallback("high", "log.jsonl", console=True)
        trainer = make_trainer([callback], max_steps=1, disable_tqdm=False)
        trainer.add_callback(Last())
        before = list(trainer.callback_handler.callbacks)
        for _ in range(2):
            trainer.train()

        assert before == trainer.callback_handler.callbacks

    def test_a_training_inside_a_training_is_looked_at_by_itself(self):
        callback = VerboseLoggingCallback("high", "log.jsonl", console=True)
        inner = make_trainer([callback], max_steps=1, disable_tqdm=False, output_dir="inner")
        seen = []

        class Nest(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                inner.train()
                seen.append(shown_by(outer))

        outer = make_trainer([callback, Nest()], max_steps=1, disable_tqdm=False)
        outer.train()

        assert [[]] == seen
        assert [ProgressCallback] == shown_by(inner) == shown_by(outer)

    def test_is_no_matter_without_a_console(self, stood_back):
        trainer, seen = train(False, bar=True)

        assert [ProgressCallback] == seen == shown_by(trainer)
        assert not stood_back


class TestRunName:
    def test_a_secret_in_it_is_not_shown(self, capfd):
        callback = VerboseLoggingCallback("high", "log.jsonl", console=True)
        secret = "hf_AbCd1234AbCd1234AbCd1234AbCd1234Ab"
        make_trainer([callback], run_name=f"exp {secret}").train()
        shown = capfd.readouterr().err

        assert "exp <redacted>" in shown
        assert secret not in shown
