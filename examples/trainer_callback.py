"""A Hugging Face Trainer, recorded: one import and one callback."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from vlog import VerboseLoggingCallback

ids = torch.randint(0, 256, (400, 32))
dataset = [{"input_ids": row, "labels": row} for row in ids]
model = LlamaForCausalLM(
    LlamaConfig(vocab_size=256, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                num_attention_heads=4, num_key_value_heads=4)
)  # fmt: skip

trainer = Trainer(
    model=model,
    args=TrainingArguments("results", max_steps=60, logging_steps=1, report_to=[]),
    train_dataset=dataset,
    callbacks=[VerboseLoggingCallback(verbosity_level="high")],
)
trainer.train()
