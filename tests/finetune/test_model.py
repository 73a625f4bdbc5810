"""What a model is loaded by, and with which arguments."""

import sys
import types

import pytest

from vlog.finetune.configuration import check_configuration
from vlog.finetune.model import PLAIN_CHAT_TEMPLATE, _loading, load_model


def configuration(**config):
    return check_configuration({"model_name": "owner/model", "dataset": "owner/data"} | config)


@pytest.fixture
def unsloth(monkeypatch):
    """Put a stand-in in the place of Unsloth; return what it is called with."""
    calls = {}

    class FastLanguageModel:
        @staticmethod
        def from_pretrained(**arguments):
            calls["from_pretrained"] = arguments
            return "model", types.SimpleNamespace(chat_template=None)

        @staticmethod
        def get_peft_model(model, **arguments):
            calls["get_peft_model"] = arguments
            return f"{model} with adapters"

    module = types.ModuleType("unsloth")
    module.FastLanguageModel = FastLanguageModel
    monkeypatch.setitem(sys.modules, "unsloth", module)
    return calls


class TestUnsloth:
    def test_loads_the_model_where_it_is_asked_for(self, unsloth):
        model, tokenizer = load_model(
            configuration(use_unsloth=True, lora_r=4, seed=3, max_seq_length=128)
        )

        assert model == "model with adapters"
        assert tokenizer.chat_template == PLAIN_CHAT_TEMPLATE
        assert {"model_name": "owner/model", "max_seq_length": 128, "dtype": None,
                "load_in_4bit": False} == unsloth["from_pretrained"]  # fmt: skip
        adapters = unsloth["get_peft_model"]
        assert (4, 16, 3, "unsloth") == tuple(
            adapters[name]
            for name in ("r", "lora_alpha", "random_state", "use_gradient_checkpointing")
        )
        assert "q_proj" in adapters["target_modules"]

    def test_adds_no_adapters_where_they_are_not_wanted(self, unsloth):
        model, _ = load_model(configuration(use_unsloth=True, use_lora=False))

        assert model == "model"
        assert "get_peft_model" not in unsloth


class TestLoading:
    """Where a model goes, on machines that this one is not."""

    @pytest.fixture
    def gpu(self, monkeypatch):
        import torch

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def test_is_to_the_processor_without_a_gpu(self):
        import torch

        assert {"dtype": torch.float32} == _loading(configuration(use_cpu=True))

    def test_is_over_all_gpus_in_a_single_process(self, gpu):
        assert _loading(configuration()) == {"dtype": "auto", "device_map": "auto"}

    def test_is_left_to_each_of_several_ranks(self, gpu, monkeypatch):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("LOCAL_RANK", "1")

        assert _loading(configuration()) == {"dtype": "auto"}

    def test_of_four_bits_is_to_the_ranks_own_gpu(self, gpu, monkeypatch):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("LOCAL_RANK", "1")
        monkeypatch.setattr("transformers.BitsAndBytesConfig", dict)
        found = _loading(configuration(load_in_4bit=True))

        assert {"": 1} == found["device_map"]
        assert found["quantization_config"]["load_in_4bit"] is True

    def test_of_weights_that_are_trained_themselves_is_in_32_bits(self, gpu):
        import torch

        assert torch.float32 is _loading(configuration(use_lora=False))["dtype"]


class TestPlainChatTemplate:
    def test_is_a_line_for_each_message(self, model_folder):
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(model_folder)
        tokenizer.chat_template = PLAIN_CHAT_TEMPLATE
        messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]

        assert "system: Be kind.\nuser: Hi\nassistant: " == tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
