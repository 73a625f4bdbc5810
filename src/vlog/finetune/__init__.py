"""Fine-tuning by one call: a checked configuration, checked data, LoRA, and a recorded run.

configuration (keys) -> data (source, files, forms) -> model -> training: each is checked whole
before the next one begins, so that nothing is loaded or written for a mistake.
"""

from vlog.finetune.training import train_with_config

__all__ = ["train_with_config"]
