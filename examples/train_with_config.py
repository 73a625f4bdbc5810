"""A fine-tuning from a dict: the configuration and the data are checked, the run is recorded."""

import argparse
import inspect
import json
from pathlib import Path

from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from vlog import train_with_config

# In place of a model from the Hub: a small one that knows nothing yet.
text = Path(argparse.__file__).read_text(encoding="utf-8")
words = ByteLevelBPETokenizer()
words.train_from_iterator([text], vocab_size=1000)
words.save("tokenizer.json")
tokenizer = PreTrainedTokenizerFast(tokenizer_file="tokenizer.json")
tokenizer.add_special_tokens({"pad_token": "<pad>", "eos_token": "<end>"})
tokenizer.save_pretrained("model")
LlamaForCausalLM(
    LlamaConfig(vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128,
                num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4)
).save_pretrained("model")  # fmt: skip

# In place of your data: what Python says of its own functions.
rows = [
    {"instruction": f"What does {name} do?", "output": inspect.getdoc(function)}
    for name, function in inspect.getmembers(inspect, inspect.isfunction)
    if function.__doc__
]
Path("rows.json").write_text(json.dumps(rows), encoding="utf-8")

output = train_with_config(
    {
        "use_verbose_logging": True,
        "verbosity_level": "high",
        "model_name": "./model",
        "dataset": "rows.json",
        "max_seq_length": 128,
        "lora_r": 8,
        "gradient_accumulation_steps": 1,
        "max_steps": 20,
        "output_dir": "./results",
    }
)
print(f"{output.global_step} steps, loss {output.training_loss:.3f}")
