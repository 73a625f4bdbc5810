"""TRL's SFTTrainer with LoRA, recorded: the same callback as for any Trainer."""

import argparse
from pathlib import Path

from datasets import Dataset
from peft import LoraConfig
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from vlog import VerboseLoggingCallback

# A small model that knows nothing yet, and text that every Python has.
text = Path(argparse.__file__).read_text(encoding="utf-8")
words = ByteLevelBPETokenizer()
words.train_from_iterator([text], vocab_size=1000)
words.save("tokenizer.json")
tokenizer = PreTrainedTokenizerFast(tokenizer_file="tokenizer.json")
tokenizer.add_special_tokens({"pad_token": "<pad>", "eos_token": "<end>"})
model = LlamaForCausalLM(
    LlamaConfig(vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128,
                num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4)
)  # fmt: skip
dataset = Dataset.from_list([{"text": part} for part in text.split("\n\n") if part.strip()])

trainer = SFTTrainer(
    model=model,
    processing_class=tokenizer,
    args=SFTConfig("results", max_steps=20, max_length=64, logging_steps=1, bf16=False,
                   per_device_train_batch_size=2, report_to=[]),
    train_dataset=dataset,
    peft_config=LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"),
    callbacks=[VerboseLoggingCallback(verbosity_level="high")],
)  # fmt: skip
trainer.train()
