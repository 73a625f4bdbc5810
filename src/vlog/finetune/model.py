"""The model that is trained, with its adapters, and its tokenizer: by transformers or Unsloth."""

from __future__ import annotations

import os
from typing import Any

# For a tokenizer that has none, as that of a base model.
PLAIN_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)
_PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load_model(values: dict[str, Any]) -> tuple[Any, Any]:
    """Return the model, with adapters if `use_lora` asks for them, and its tokenizer.

    A tokenizer without a chat template gets a plain one, `role: content` a line, which
    checkpoints then have as well.
    """
    from transformers import set_seed  # noqa: PLC0415

    set_seed(values["seed"])  # the adapters begin with random numbers
    load = _load_by_unsloth if values["use_unsloth"] else _load_by_transformers
    model, tokenizer = load(values)
    if not getattr(tokenizer, "chat_template", None):
        tokenizer.chat_template = PLAIN_CHAT_TEMPLATE
    return model, tokenizer


def _load_by_transformers(values: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    name = os.path.expanduser(values["model_name"])  # noqa: PTH111 - it may be a Hub name
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForCausalLM.from_pretrained(name, **_loading(values))
    if values["use_lora"]:
        import peft  # noqa: PLC0415

        adapters = peft.LoraConfig(
            r=values["lora_r"],
            lora_alpha=values["lora_alpha"],
            lora_dropout=values["lora_dropout"],
            target_modules=values["lora_target_modules"],
            task_type="CAUSAL_LM",
        )
        model = peft.get_peft_model(model, adapters)
    return model, tokenizer


def _loading(values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that say where a model is loaded to, and in which numbers."""
    import torch  # noqa: PLC0415

    has_gpu = torch.cuda.is_available() and not values["use_cpu"]
    # Weights that are trained themselves lose small updates in 16 bits.
    found: dict[str, Any] = {"dtype": "auto" if has_gpu and values["use_lora"] else torch.float32}
    if values["load_in_4bit"]:
        from transformers import BitsAndBytesConfig  # noqa: PLC0415

        found["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float16 if values["fp16"] else torch.bfloat16,
        )
    if has_gpu and int(os.environ.get("WORLD_SIZE", "1")) == 1:
        found["device_map"] = "auto"  # several ranks place it themselves, one GPU each
    elif has_gpu and values["load_in_4bit"]:
        found["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0"))}
    return found


def _load_by_unsloth(values: dict[str, Any]) -> tuple[Any, Any]:
    from unsloth import FastLanguageModel  # noqa: PLC0415

    model, tokenizer = FastLanguageModel.from_pretrained(
        model_name=values["model_name"],
        max_seq_length=values["max_seq_length"],
        dtype=None,  # as it fits the GPU
        load_in_4bit=values["load_in_4bit"],
    )
    if values["use_lora"]:
        modules = values["lora_target_modules"]
        model = FastLanguageModel.get_peft_model(
            model,
            r=values["lora_r"],
            lora_alpha=values["lora_alpha"],
            lora_dropout=values["lora_dropout"],
            target_modules=_PROJECTIONS if modules == "all-linear" else modules,
            bias="none",
            use_gradient_checkpointing="unsloth" if values["gradient_checkpointing"] else False,
            random_state=values["seed"],
        )
    return model, tokenizer
