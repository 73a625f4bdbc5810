"""A configuration is checked whole, and what is wrong with it is said with what is allowed."""

import subprocess
import sys
import types
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import vlog
from vlog.errors import ConfigurationError, MissingExtraError
from vlog.finetune.configuration import check_configuration, check_installed
from vlog.finetune.keys import KEYS, Number

NEEDED = {"model_name": "owner/model", "dataset": "owner/data"}


def refusal(**config):
    with pytest.raises(ConfigurationError) as raised:
        check_configuration(NEEDED | config)
    return str(raised.value)


class TestCheckConfiguration:
    def test_takes_every_key_of_the_guide(self):
        values = check_configuration(
            {
                "use_verbose_logging": True,
                "verbosity_level": "high",
                "model_name": "unsloth/llama-3-8b-bnb-4bit",
                "max_seq_length": 2048,
                "num_train_epochs": 3,
                "per_device_train_batch_size": 2,
                "gradient_accumulation_steps": 4,
                "learning_rate": 2e-4,
                "max_steps": 60,
                "warmup_steps": 5,
                "save_steps": 25,
                "logging_steps": 1,
                "output_dir": "./results",
            },
            "owner/data",
        )

        assert (60, 2048, "owner/data") == tuple(
            values[name] for name in ("max_steps", "max_seq_length", "dataset")
        )

    def test_has_a_value_for_each_key(self):
        assert [key.name for key in KEYS] == list(check_configuration(NEEDED))

    @pytest.mark.parametrize("key", KEYS, ids=[key.name for key in KEYS])
    def test_takes_the_default_of_each_key_and_none_for_it(self, key):
        left_out = check_configuration(NEEDED)
        default = {} if key.default is None else {key.name: key.default}

        assert left_out == check_configuration(NEEDED | default)
        if key.name not in NEEDED:
            assert left_out == check_configuration(NEEDED | {key.name: None})

    def test_takes_numbers_of_numpy_and_paths_and_text_enums(self, tmp_path):
        class Course(StrEnum):
            COSINE = "cosine"

        values = check_configuration(
            NEEDED
            | {
                "max_steps": np.int64(3),
                "learning_rate": np.float32(0.5),
                "output_dir": tmp_path / "out",
                "lr_scheduler_type": Course.COSINE,
            }
        )

        assert (3, int) == (values["max_steps"], type(values["max_steps"]))
        assert values["learning_rate"] == 0.5
        assert str(tmp_path / "out") == values["output_dir"]

    def test_takes_the_argument_in_place_of_the_key(self):
        assert check_configuration(NEEDED, "other/data")["dataset"] == "other/data"

    @pytest.mark.parametrize("name", ["model_name", "dataset"])
    def test_asks_for_what_has_no_default(self, name):
        assert refusal(**{name: None}).startswith(f"{name} is missing. Give a Hub name")

    @pytest.mark.parametrize("config", [["model_name"], "model_name", 3])
    def test_refuses_what_is_no_dict(self, config):
        with pytest.raises(ConfigurationError, match="Expected a dict, or None"):
            check_configuration(config)

    @pytest.mark.parametrize(
        ("name", "nearest"),
        [("max_step", "max_steps"), ("lora_rank", "lora_r"), ("verbosity", "verbosity_level"),
         ("zzzz", None), (3, None)],
    )  # fmt: skip
    def test_refuses_an_unknown_key_and_names_the_nearest(self, name, nearest):
        with pytest.raises(ConfigurationError) as raised:
            check_configuration({**NEEDED, name: 1})
        hint = f" Did you mean {nearest!r}?" if nearest else ""

        assert str(raised.value).startswith(
            f"Unknown configuration key {name!r}.{hint} Expected one of: use_verbose_logging, "
        )

    @pytest.mark.parametrize(
        ("name", "value", "allowed"),
        [
            ("use_verbose_logging", "yes", "Expected True or False."),
            ("use_lora", 1, "Expected True or False."),
            ("max_steps", 0, "Expected a whole number from 1 to 2,147,483,647, or -1."),
            ("max_steps", True, "Expected a whole number"),
            ("max_steps", 2.0, "Expected a whole number"),
            ("max_steps", "60", "Expected a whole number"),
            ("max_steps", 10**30, "Expected a whole number"),
            ("max_steps", 10**400, "Expected a whole number"),
            ("learning_rate", 10**400, "Expected a number above 0"),
            ("learning_rate", Fraction(10**400), "Expected a number above 0"),
            ("warmup_steps", -1, "Expected a whole number from 0"),
            ("max_seq_length", 0, "Expected a whole number from 1"),
            ("lora_r", 0, "Expected a whole number from 1 to 65,536."),
            ("lora_dropout", 1, "Expected a number from 0 to 0.99."),
            ("learning_rate", 0, "Expected a number above 0 and below 100."),
            ("learning_rate", float("nan"), "Expected a number above 0"),
            ("learning_rate", float("inf"), "Expected a number above 0"),
            ("learning_rate", "2e-4", "Expected a number above 0"),
            ("num_train_epochs", 0, "Expected a number above 0"),
            ("lr_scheduler_type", "cosin", "Did you mean 'cosine'?"),
            ("optim", "adamw", "Expected one of: adamw_torch"),
            ("model_name", "  ", "Expected a text."),
            ("run_name", 5, "Expected a text."),
            ("lora_target_modules", [], "Expected a text, or a list of texts."),
            ("lora_target_modules", ["q_proj", 1], "Expected a text, or a list of texts."),
            ("report_to", 1, "Expected a text, or a list of texts."),
            ("output_dir", "", "Expected a path."),
            ("log_file", 3, "Expected a path."),
            ("log_file", "a\0b", "Expected a path."),
            ("resume_from_checkpoint", 3, "Expected True, False or the path of a checkpoint."),
            ("resume_from_checkpoint", "none/there", "there is no such folder"),
            ("verbosity_level", "hgih", "Expected one of: low, medium, high, ultra."),
            ("model_name", "./none", "there is no such folder"),
            ("model_name", "/none/there", "there is no such folder"),
        ],
    )
    def test_refuses_a_wrong_value(self, name, value, allowed):
        message = refusal(**{name: value})

        assert allowed in message
        assert repr(value)[:40] in message

    def test_cuts_a_long_value_that_it_refuses(self):
        assert len(refusal(max_steps="x" * 100_000)) < 300

    def test_survives_a_value_whose_repr_raises(self):
        class Rude:
            def __repr__(self):
                raise RuntimeError("no")

        assert "whose repr raises RuntimeError" in refusal(max_steps=Rude())

    @pytest.mark.parametrize(
        ("config", "why"),
        [
            ({"bf16": True, "fp16": True}, "bf16 and fp16 are both given: choose one."),
            ({"use_unsloth": True, "use_cpu": True}, "Unsloth needs a GPU"),
            ({"fp16": True, "use_cpu": True}, "float16 needs a GPU"),
            ({"load_in_4bit": True, "use_lora": False}, "cannot be trained"),
            ({"eval_steps": 5}, "eval_steps is given without an eval_dataset"),
        ],
    )
    def test_refuses_values_that_do_not_go_together(self, config, why):
        assert why in refusal(**config)

    def test_refuses_an_output_dir_that_is_a_file(self, tmp_path):
        (tmp_path / "file").write_text("", encoding="utf-8")

        assert "no folder can be made or written there" in refusal(output_dir="file/results")

    def test_refuses_an_output_dir_whose_name_is_too_long(self):
        message = refusal(output_dir="x" * 5_000)

        assert "File name too long" in message
        assert len(message) < 200

    def test_refuses_a_checkpoint_that_no_trainer_wrote(self):
        Path("checkpoint-1").mkdir()

        assert "has no trainer_state.json" in refusal(resume_from_checkpoint="checkpoint-1")


class TestData:
    ROW = '{"text": "a"}\n'

    @pytest.mark.parametrize(
        "config",
        [
            {"dataset": "training_logs.jsonl"},
            {"dataset": "a.jsonl", "log_file": "b/../a.jsonl"},
            {"dataset": "a.jsonl", "standard_log": "link.jsonl"},
            {"dataset": "owner/data", "eval_dataset": "a.jsonl", "log_file": "a.jsonl"},
            {"dataset": "folder", "log_file": "folder/train.jsonl"},
            {"dataset": "folder", "log_file": "folder/new.jsonl"},
        ],
    )
    def test_is_refused_where_a_log_would_be_written_into_it(self, config):
        Path("folder").mkdir()
        Path("b").mkdir()
        for name in ("a.jsonl", "training_logs.jsonl", "folder/train.jsonl"):
            Path(name).write_text(self.ROW, encoding="utf-8")
        Path("link.jsonl").symlink_to("a.jsonl")

        assert "would be written into" in refusal(**config)

    def test_is_refused_where_a_variable_or_the_app_names_it_as_a_log(self, monkeypatch):
        Path("a.jsonl").write_text(self.ROW, encoding="utf-8")
        monkeypatch.setenv("VLOG_LOG_FILE", "a.jsonl")
        assert "would be written into" in refusal(dataset="a.jsonl")

        monkeypatch.delenv("VLOG_LOG_FILE")
        vlog.configure()
        Path("training_logs.jsonl").write_text(self.ROW, encoding="utf-8")
        assert "would be written into" in refusal(dataset="training_logs.jsonl")

    def test_is_refused_where_the_error_log_is_a_link_to_it(self):
        Path("a.jsonl").write_text(self.ROW, encoding="utf-8")
        Path("verbose_logging_errors.log").symlink_to("a.jsonl")

        assert "would be written into" in refusal(dataset="a.jsonl")

    def test_may_lie_beside_the_logs(self):
        Path("train.jsonl").write_text(self.ROW, encoding="utf-8")

        assert Path() == check_configuration(NEEDED | {"dataset": "."})["dataset"]

    def test_without_a_length_needs_max_steps(self):
        import datasets

        rows = datasets.Dataset.from_list([{"text": "a"}]).to_iterable_dataset()

        assert "Give max_steps, or a datasets.Dataset" in refusal(dataset=rows)
        assert rows is check_configuration(NEEDED | {"dataset": rows, "max_steps": 1})["dataset"]

    def test_is_told_by_its_class(self):
        import datasets

        class Mine(datasets.Dataset):
            pass

        mine = Mine(datasets.Dataset.from_list([{"text": "a"}]).data)

        assert mine is check_configuration(NEEDED | {"dataset": mine})["dataset"]
        assert "Expected a Hub name" in refusal(dataset=datasets.Value("int32"))


class TestNumber:
    def test_says_what_it_takes(self):
        assert Number("x", "", minimum=1, maximum=5).allowed == "a number from 1 to 5"


class TestCheckInstalled:
    @pytest.mark.parametrize("package", ["torch", "transformers", "trl", "peft", "datasets"])
    def test_names_what_is_missing_and_how_to_install_it(self, package, monkeypatch):
        monkeypatch.setitem(sys.modules, package, None)

        with pytest.raises(MissingExtraError) as raised:
            check_installed(check_configuration(NEEDED))

        assert f"needs {package}. Install it with: pip install 'vlog-training[finetune]'" in str(
            raised.value
        )

    @pytest.mark.parametrize(
        ("config", "package"),
        [
            ({"use_unsloth": True}, "unsloth"),
            ({"load_in_4bit": True}, "bitsandbytes"),
            ({"optim": "adamw_8bit"}, "bitsandbytes"),
        ],
    )
    def test_refuses_an_option_whose_package_is_not_there(self, config, package, monkeypatch):
        monkeypatch.setitem(sys.modules, package, None)
        values = check_configuration(NEEDED | config)

        with pytest.raises(MissingExtraError, match=f"pip install {package}"):
            check_installed(values)

        monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        check_installed(values)

    def test_refuses_an_old_trl(self, monkeypatch):
        monkeypatch.setattr("importlib.metadata.version", lambda _: "0.24.0")

        with pytest.raises(MissingExtraError, match=r"trl 0\.24\.0 is too old: .* 1 or newer"):
            check_installed(check_configuration(NEEDED))


class TestARefusal:
    def test_imports_nothing_heavy_and_leaves_nothing(self):
        """In a process of its own, because here everything is imported already."""
        Path("data.jsonl").write_text('{"text": ""}\n', encoding="utf-8")
        script = """
import sys, vlog
for config in ({"max_step": 1}, {"model_name": "m/m", "dataset": "data.jsonl"}):
    try:
        vlog.train_with_config(config)
    except vlog.errors.ConfigurationError as error:
        print(error)
heavy = {"torch", "transformers", "trl", "peft", "datasets", "pandas", "pyarrow"}
print(sorted(heavy & set(sys.modules)))
"""
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )

        assert "Did you mean 'max_steps'?" in done.stdout
        assert "line 1, column 'text' is empty" in done.stdout
        assert done.stdout.splitlines()[-1] == "[]"
        assert [path.name for path in Path().iterdir()] == ["data.jsonl"]
