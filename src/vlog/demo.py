"""`vlog demo`: a real Trainer run of a small language model, recorded.

A Llama of a million parameters, built from a config, learns the Python standard library's own
sources, with a tokenizer trained on them. Nothing is downloaded.
"""

from __future__ import annotations

import sysconfig
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlog.errors import ConfigurationError, LogFileError, MissingExtraError

if TYPE_CHECKING:
    from vlog.integrations.transformers import VerboseLoggingCallback

LOG_NAME = "verbose_training_logs.jsonl"
_BLOCK_TOKENS = 128
_TEXT_CHARACTERS = 1_500_000


def run_demo(folder: Path, steps: int = 200, verbosity: str = "high") -> Path:
    """Train, and return the path of the log.

    Args:
        folder: Takes the log and the checkpoints; created if need be.
        steps: Optimizer steps, at least 1. Evaluated every quarter, saved every half.
        verbosity: Of the log.

    Raises:
        ConfigurationError: `steps` or `verbosity` cannot be used.
        LogFileError: `folder` cannot be written.
        MissingExtraError: torch or transformers is not installed.
    """
    if steps < 1:
        raise ConfigurationError(f"steps is {steps}. Expected 1 or more.")
    try:
        from vlog.integrations.transformers import VerboseLoggingCallback  # noqa: PLC0415
    except ModuleNotFoundError as error:  # torch is missing behind an installed transformers
        raise MissingExtraError(
            f"The demo needs {error.name}. Install it with: pip install 'vlog-training[trainer]'"
        ) from error
    _make(folder)
    recorder = VerboseLoggingCallback(
        verbosity,
        log_file=folder / LOG_NAME,
        standard_log=True,
        reading_interval_seconds=0.5,
        console=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other packages': the demo shows ours
        _train(folder, steps, recorder)
    return recorder.log_file or folder / LOG_NAME


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogFileError(
            f"Folder {str(folder)!r} cannot be made: {error.strerror}. Give another --folder."
        ) from error


def _train(folder: Path, steps: int, recorder: VerboseLoggingCallback) -> None:
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    tokenizer, blocks = _tokens()
    held_out = len(blocks) // 20
    trainer = transformers.Trainer(
        model=_model(len(tokenizer)),
        args=transformers.TrainingArguments(
            output_dir=str(folder / "checkpoints"),
            max_steps=steps,
            per_device_train_batch_size=8,
            per_device_eval_batch_size=8,
            learning_rate=2e-3,
            warmup_steps=min(20, steps // 4),
            logging_steps=1,
            eval_strategy="steps",
            eval_steps=max(steps // 4, 1),
            save_steps=max(steps // 2, 1),
            save_total_limit=2,
            report_to=[],
            disable_tqdm=True,
            seed=0,
        ),
        train_dataset=blocks[held_out:],
        eval_dataset=blocks[:held_out],
        callbacks=[recorder],
    )
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    trainer.train()


def _tokens() -> tuple[Any, list[dict[str, list[int]]]]:
    """Return a tokenizer trained on the standard library's sources, and these as blocks."""
    import tokenizers  # noqa: PLC0415

    text = _standard_library_text()
    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        (text[start : start + 10_000] for start in range(0, len(text) // 2, 10_000)),
        vocab_size=2_000,
        show_progress=False,
    )
    ids = tokenizer.encode(text).ids
    blocks = [
        ids[start : start + _BLOCK_TOKENS]
        for start in range(0, len(ids) - _BLOCK_TOKENS, _BLOCK_TOKENS)
    ]
    return tokenizer.get_vocab(), [{"input_ids": block, "labels": block} for block in blocks]


def _standard_library_text() -> str:
    parts: list[str] = []
    size = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        parts.append(path.read_text(encoding="utf-8", errors="replace"))
        size += len(parts[-1])
        if size > _TEXT_CHARACTERS:
            break
    return "\n".join(parts)[:_TEXT_CHARACTERS]


def _model(vocabulary: int) -> Any:
    import transformers  # noqa: PLC0415

    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=128,
            intermediate_size=344,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=_BLOCK_TOKENS,
        )
    )
