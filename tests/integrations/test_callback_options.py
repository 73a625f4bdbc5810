"""What the callback refuses, its key methods, and where its entries go."""

from __future__ import annotations

from pathlib import Path

import pytest
from trainers import entries_of, make_trainer, of_type, small_model
from transformers import TrainerCallback

from vlog import VerboseLoggingCallback, configure, validate
from vlog.errors import ConfigurationError


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
            ({"log_file": "/dev/null"}, ["is a device, a pipe or a socket"]),
            ({"log_file": "."}, ["is a folder"]),
            ({"log_file": "a_file/log.jsonl"}, ["is a file", "parent is a folder"]),
            ({"log_file": "log.jsonl.gz"}, ["ending of a compressed file", "'log.jsonl'"]),
            ({"log_file": None}, ["log_file is None", "path of a file"]),
            ({"log_file": "log.jsonl", "standard_log": "log.jsonl"}, ["Give two files"]),
            ({"verbosity": "low"}, ["Unknown option 'verbosity'", "'verbosity_level'"]),
            ({"compress": "zip"}, ["Unknown compression 'zip'", "zstd, gzip, none"]),
            ({"max_mb": -1}, ["max_mb is -1", "0 or more"]),
            ({"memory_alert_percent": 0}, ["memory_alert_percent is 0", "up to 100"]),
            ({"memory_alert_percent": "90"}, ["memory_alert_percent is '90'"]),
            ({"reading_interval_seconds": 1e-9}, ["reading_interval_seconds is 1e-09", "0.001"]),
            ({"overhead_budget_percent": -0.1}, ["overhead_budget_percent is -0.1", "to 100"]),
            ({"overhead_budget_percent": True}, ["overhead_budget_percent is True", "0 (for no"]),
            ({"slow_step_alert_factor": 0.5}, ["slow_step_alert_factor is 0.5", "above 1"]),
            ({"wrap_trainer": "no"}, ["wrap_trainer is 'no'", "True or False"]),
            ({"log_sample_content": 1}, ["log_sample_content is 1", "True or False"]),
            ({"console": "live"}, ["console is 'live'", "True, False or None"]),
            ({"sources": 5}, ["sources is 5", "list of sources"]),
            ({"sources": ["cpu"]}, ["sources is ['cpu']", "list of sources"]),
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
