"""Real fine-tunings of a very small model: what they return, and what they leave."""

import json
import logging
import sys
import threading
import types
from pathlib import Path

import datasets
import pytest
import torch
from trainers import entries_of, of_type

import vlog
from vlog.errors import ConfigurationError, LogFileError
from vlog.finetune.configuration import check_configuration
from vlog.finetune.logs import log_options
from vlog.handlers import StandardFormatter

pytestmark = pytest.mark.filterwarnings("ignore:::trl", "ignore:::peft", "ignore:::datasets")

LOG, STANDARD_LOG = "verbose_training_logs.jsonl", "training_logs.jsonl"
ROWS = [
    {"instruction": f"Add {n} and {n}.", "input": "in words" if n % 2 else "", "output": str(2 * n)}
    for n in range(16)
]
MESSAGES = [
    {"messages": [{"role": "user", "content": f"Add {n}."}, {"role": "assistant", "content": "0"}]}
    for n in range(16)
]


def write(name, rows):
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return name


@pytest.fixture
def train(model_folder):
    """Return a function that trains with a few settings and those given."""
    was_on = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()

    def run(dataset=None, **config):
        settings = {
            "model_name": model_folder,
            "max_steps": 3,
            "max_seq_length": 64,
            "gradient_accumulation_steps": 2,
            "console": False,
        }
        return vlog.train_with_config(settings | config, dataset)

    yield run
    if was_on:
        datasets.enable_progress_bars()


class TestTrainWithConfig:
    def test_trains_and_leaves_two_valid_logs_and_a_checkpoint(self, train, capsys):
        output = train(write("data.jsonl", ROWS), verbosity_level="ultra", console=None)
        entries = entries_of(LOG)
        run = vlog.summarize(LOG).runs[0]

        assert (3, 3) == (output.global_step, run.progress.step)
        assert output.training_loss == pytest.approx(
            sum(step["metrics"]["loss"] for step in of_type(entries, "training_step_complete")) / 3
        )
        for path in (LOG, STANDARD_LOG):
            assert [] == vlog.validate(path).problems
        assert Path("results/checkpoint-3/adapter_model.safetensors").exists()
        assert (12, 1) == (run.progress.samples, len(vlog.summarize(LOG).runs))
        assert run.progress.tokens > 12
        assert 6 == len(of_type(entries, "micro_batch"))
        assert {"input_ids", "labels"} <= set(of_type(entries, "micro_batch")[0]["batch"])
        assert not Path("verbose_logging_errors.log").exists()
        shown = capsys.readouterr()
        assert "{'loss'" not in shown.out
        assert "Model loaded" in shown.err

    def test_tells_its_milestones_before_the_run(self, train, model_folder):
        train(write("data.jsonl", ROWS))
        configuration, dataset, model, first = entries_of(LOG)[:4]

        assert [
            "configuration_loaded", "dataset_ready", "model_loaded", "system_initialization"
        ] == [entry["type"] for entry in (configuration, dataset, model, first)]  # fmt: skip
        assert configuration["configuration"]["model_name"] == model_folder
        assert configuration["configuration"]["lora_r"] == 16
        assert "lora_r" not in configuration["given"]
        assert {"source": "data.jsonl", "form": "instruction", "rows": 16,
                "columns": ["instruction", "input", "output"]} == dataset["dataset"]  # fmt: skip
        assert 0 < model["model"]["trainable_parameters"] < model["model"]["total_parameters"]
        assert all(entry["timing"] for entry in (configuration, dataset, model))
        flat = entries_of(STANDARD_LOG)
        assert ["configuration_loaded", "dataset_ready", "model_loaded"] == [
            entry["type"] for entry in flat[:3]
        ]

    def test_without_verbose_logging_writes_the_standard_log_alone(self, train):
        train(write("data.jsonl", ROWS), use_verbose_logging=False)

        assert not Path(LOG).exists()
        assert [1, 2, 3] == [
            entry["step"] for entry in of_type(entries_of(STANDARD_LOG), "training_step_complete")
        ]

    def test_writes_where_it_is_told_to(self, train):
        Path("logs").mkdir()
        train(write("data.jsonl", ROWS), log_file="logs/a.jsonl", output_dir="out/deep")
        train("data.jsonl", log_file="logs/b.jsonl", standard_log="logs/flat.jsonl")

        assert ["a.jsonl", "b.jsonl", "flat.jsonl", "training_logs.jsonl"] == sorted(
            path.name for path in Path("logs").iterdir() if not path.name.startswith(".")
        )
        assert Path("out/deep/checkpoint-3").is_dir()
        assert not Path(LOG).exists()

    def test_takes_messages_for_a_tokenizer_without_a_chat_template(self, train):
        train(write("data.jsonl", MESSAGES))
        template = Path("results/checkpoint-3/chat_template.jinja").read_text(encoding="utf-8")

        assert "message['role']" in template
        assert of_type(entries_of(LOG), "training_complete")

    def test_takes_texts_and_trains_all_weights(self, train):
        texts = datasets.Dataset.from_list([{"text": f"number {n}"} for n in range(16)])
        train(texts, use_lora=False, optim="sgd", gradient_checkpointing=False)
        entries = entries_of(LOG)
        model = of_type(entries, "model_loaded")[0]["model"]

        assert model["trainable_parameters"] == model["total_parameters"]
        assert of_type(entries, "configuration_loaded")[0]["configuration"]["dataset"] == "Dataset"
        assert Path("results/checkpoint-3/model.safetensors").exists()

    def test_takes_an_iterable_data_set(self, train):
        rows = datasets.Dataset.from_list(
            [{"prompt": f"{n} + 1 =", "completion": str(n + 1)} for n in range(16)]
        )

        assert train(rows.to_iterable_dataset()).global_step == 3

    def test_evaluates_on_data_for_that(self, train):
        write("eval.jsonl", ROWS[:4])
        train(write("data.jsonl", ROWS), eval_dataset="eval.jsonl", eval_steps=2, save_steps=2)
        entries = entries_of(LOG)

        # The trainer evaluates and saves at the last step too.
        assert [2, 3] == [entry["step"] for entry in of_type(entries, "evaluation_complete")]
        assert [2, 3] == [entry["step"] for entry in of_type(entries, "model_checkpoint_save")]
        assert of_type(entries, "dataset_ready")[0]["eval_dataset"]["rows"] == 4

    def test_counts_epochs_where_there_are_no_max_steps(self, train):
        write("data.jsonl", ROWS[:4])

        assert train("data.jsonl", max_steps=None, num_train_epochs=2).global_step == 2

    def test_goes_on_from_the_last_checkpoint(self, train):
        write("data.jsonl", ROWS)
        train("data.jsonl", max_steps=2)
        output = train("data.jsonl", max_steps=3, resume_from_checkpoint=True)
        first, second = vlog.summarize(LOG).runs

        assert output.global_step == 3
        assert [] == vlog.validate(LOG).problems
        assert (2, 3, first.run_id) == (
            second.progress.start_step, second.progress.step, second.started.links["resumed_from"]
        )  # fmt: skip

    def test_works_in_another_thread(self, train):
        write("data.jsonl", ROWS)
        outputs = []
        thread = threading.Thread(target=lambda: outputs.append(train("data.jsonl")))
        thread.start()
        thread.join()

        assert [3] == [output.global_step for output in outputs]
        assert [] == vlog.validate(LOG).problems

    def test_writes_to_what_the_app_configured(self, train):
        vlog.configure()
        train(write("data.jsonl", ROWS))

        assert "model_loaded" in [entry["type"] for entry in entries_of(LOG)]

    @pytest.mark.parametrize("log_file", [None, "a.jsonl"])
    def test_shares_the_standard_log_that_the_app_configured(self, train, log_file, capsys):
        vlog.configure()
        standard = next(h for h in logging.getLogger("vlog").handlers
                        if isinstance(h.formatter, StandardFormatter))  # fmt: skip
        standard.setLevel(24)
        train(
            write("data.jsonl", ROWS), use_verbose_logging=log_file is not None, log_file=log_file
        )

        assert "training_complete" == entries_of(STANDARD_LOG)[-1]["type"]
        assert [] == of_type(entries_of(STANDARD_LOG), "training_step_complete")
        assert {"data.jsonl", STANDARD_LOG, "results", log_file or STANDARD_LOG} == {
            path.name for path in Path().iterdir() if not path.name.startswith(".")
        }
        assert "pid" not in capsys.readouterr().err

        train("data.jsonl")  # the app's handlers work as before

        assert 2 == len(of_type(entries_of(STANDARD_LOG), "training_complete"))
        assert of_type(entries_of(LOG), "training_step_complete")

    def test_trains_what_unsloth_loaded(self, train, monkeypatch):
        import peft
        from transformers import AutoModelForCausalLM, AutoTokenizer

        class FastLanguageModel:
            @staticmethod
            def from_pretrained(model_name, **_):
                tokenizer = AutoTokenizer.from_pretrained(model_name)
                return AutoModelForCausalLM.from_pretrained(model_name), tokenizer

            @staticmethod
            def get_peft_model(model, r, target_modules, **_):
                return peft.get_peft_model(
                    model, peft.LoraConfig(r=r, target_modules=target_modules)
                )

        unsloth = types.ModuleType("unsloth")
        unsloth.FastLanguageModel = FastLanguageModel
        monkeypatch.setitem(sys.modules, "unsloth", unsloth)

        assert train(write("data.jsonl", ROWS), use_unsloth=True).global_step == 3
        assert "training_complete" == entries_of(LOG)[-1]["type"]

    def test_hides_secrets_of_the_configuration(self, train):
        train(write("data.jsonl", ROWS), run_name="hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345")

        assert "hf_AbCdEf" not in Path(LOG).read_text(encoding="utf-8")


class TestRowsThatArePromptsAlone:
    def test_are_told_and_left_out(self, train):
        long = {"prompt": "word " * 100, "completion": "end"}
        write("data.jsonl", [{"prompt": "a", "completion": "b"}] * 6 + [long])
        train("data.jsonl")
        warning = of_type(entries_of(LOG), "log_record")[0]

        assert warning["level"] == "WARNING"
        assert warning["message"].startswith("In 1 of 7 rows the prompt alone fills")

    def test_are_refused_where_there_are_no_others(self, train):
        with pytest.raises(ConfigurationError, match="Give a larger max_seq_length"):
            train(write("data.jsonl", ROWS), max_seq_length=4)


class TestARefusal:
    """After the configuration and the data, before the model: nothing is written either."""

    @pytest.mark.parametrize(
        ("config", "fault"),
        [
            ({"resume_from_checkpoint": True}, "there is no checkpoint in './results'"),
            ({"report_to": "wandbb"}, "Unknown tracker 'wandbb'"),
            ({"fp16": True}, "float16 needs a GPU"),
        ],
    )
    def test_names_what_this_machine_cannot_do(self, train, config, fault):
        if "fp16" in config and torch.accelerator.is_available():
            pytest.skip("this machine can")
        write("data.jsonl", ROWS)

        with pytest.raises(ConfigurationError, match=fault):
            train("data.jsonl", **config)

        assert ["data.jsonl"] == [path.name for path in Path().iterdir()]

    def test_of_a_log_that_cannot_be_written_comes_before_the_model(self, train):
        Path("file").write_text("", encoding="utf-8")

        with pytest.raises(LogFileError):
            train(write("data.jsonl", ROWS), log_file="file/log.jsonl", model_name="owner/none")


class TestStandardLog:
    """An argument, else the environment variable, else the default."""

    @pytest.mark.parametrize(
        ("config", "variable", "expected"),
        [
            ({}, "env.jsonl", "env.jsonl"),
            ({"log_file": "a.jsonl"}, "env.jsonl", "env.jsonl"),
            ({"log_file": "a.jsonl"}, "false", False),
            ({"log_file": "a.jsonl"}, "", True),
            ({"use_verbose_logging": False}, "env.jsonl", "env.jsonl"),
            ({"use_verbose_logging": False}, "false", True),
            ({"standard_log": "b.jsonl"}, "env.jsonl", "b.jsonl"),
        ],
    )
    def test_is_the_first_that_is_given(self, config, variable, expected, monkeypatch):
        monkeypatch.setenv("VLOG_STANDARD_LOG", variable)
        values = check_configuration({"model_name": "a/b", "dataset": "a/b", **config})

        assert expected == log_options(values)["standard_log"]


class TestAnInterruptionBeforeTheRun:
    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
    def test_is_recorded_and_raised(self, train, error, monkeypatch):
        def load_model(values):
            raise error

        monkeypatch.setattr("vlog.finetune.training.load_model", load_model)
        with pytest.raises(error):
            train(write("data.jsonl", ROWS))
        last = entries_of(LOG)[-1]

        assert ("training_interrupted", error.__name__) == (last["type"], last["reason"])
        assert [] == vlog.validate(LOG).problems


class TestAnEnd:
    def test_is_told_where_train_raises_before_the_run(self, train):
        write("data.jsonl", ROWS)
        Path("checkpoint-1").mkdir()
        Path("checkpoint-1/trainer_state.json").write_text("{", encoding="utf-8")
        with pytest.raises(ValueError, match="checkpoint"):
            train("data.jsonl", resume_from_checkpoint="checkpoint-1")

        assert "training_failed" == entries_of(LOG)[-1]["type"]
        assert "training_start" not in [entry["type"] for entry in entries_of(LOG)]

    def test_of_a_run_is_told_once(self, train, monkeypatch):
        def training_step(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("trl.SFTTrainer.training_step", training_step)
        with pytest.raises(KeyboardInterrupt):
            train(write("data.jsonl", ROWS))

        assert 1 == len(of_type(entries_of(LOG), "training_interrupted"))


class TestAFailureBeforeTheRun:
    @pytest.mark.parametrize(
        ("config", "kind"),
        [
            ({"model_name": "owner/none"}, OSError),
            ({"lora_target_modules": ["none"]}, ValueError),
        ],
        ids=["model", "adapters"],
    )
    def test_is_recorded_and_raised(self, train, config, kind):
        with pytest.raises(kind):
            train(write("data.jsonl", ROWS), **config)
        last = entries_of(LOG)[-1]

        assert last["type"] == "training_failed"
        assert "Training could not begin" in last["message"]
        assert last["exception"]["stack"].startswith("Traceback")
        assert "failed" == vlog.summarize(LOG).runs[-1].state
        assert [] == vlog.validate(LOG).problems
