"""Two ranks, a file each, one log: torchrun --nproc_per_node 2 examples/two_ranks.py."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

import vlog

torch.set_num_threads(1)
ids = torch.randint(0, 256, (400, 32))
dataset = [{"input_ids": row, "labels": row} for row in ids]
model = LlamaForCausalLM(
    LlamaConfig(vocab_size=256, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                num_attention_heads=4, num_key_value_heads=4)
)  # fmt: skip

arguments = TrainingArguments("results", max_steps=20, logging_steps=1, report_to=[],
                              use_cpu=not torch.cuda.is_available())  # fmt: skip
trainer = Trainer(model, arguments, train_dataset=dataset,
                  callbacks=[vlog.VerboseLoggingCallback()])  # fmt: skip
trainer.train()
trainer.accelerator.wait_for_everyone()

if trainer.is_world_process_zero():
    for entry in vlog.read("verbose_training_logs.jsonl"):  # the entries of both, by time
        if entry["type"] == "training_step_complete":
            print(entry["step"], "rank", entry["rank"], entry["timing"]["step_time_seconds"])
    (run,) = vlog.summarize("verbose_training_logs.jsonl").runs
    print({rank.rank: str(rank.state) for rank in run.ranks})
