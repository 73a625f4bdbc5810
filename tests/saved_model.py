"""A very small model with its tokenizer, saved as a user's would be."""

import sysconfig
from pathlib import Path


def save_model(folder):
    """Save a Llama of a few thousand parameters, and a tokenizer without a chat template."""
    import tokenizers
    import torch
    import transformers

    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    text = Path(sysconfig.get_path("stdlib"), "argparse.py").read_text(encoding="utf-8")
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(
        [text], vocab_size=400, special_tokens=["<pad>", "<end>"], show_progress=False
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, pad_token="<pad>", eos_token="<end>"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=1,
        )
    ).save_pretrained(folder)
