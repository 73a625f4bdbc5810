"""`train_with_config`: from a dict to a trained model, and a log of how it came about."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlog.clock import SystemClock
from vlog.describe import describe_model
from vlog.describe.exception import described
from vlog.errors import ConfigurationError
from vlog.finetune.arguments import make_arguments
from vlog.finetune.configuration import DATA_KEYS, check_configuration, check_installed
from vlog.finetune.data import load_data, refuse_overlap
from vlog.finetune.milestones import Milestones
from vlog.finetune.model import load_model
from vlog.schema import EventType, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vlog.finetune.data import Data


def train_with_config(config: Mapping[str, Any] | None = None, dataset: Any = None) -> Any:
    """Fine-tune a model as `config` says, by TRL's `SFTTrainer` and LoRA, and record it.

    It blocks until the training is over. The configuration and the data are checked before
    anything is loaded or written.

    Args:
        config: What `vlog.finetune.keys.KEYS` lists; `model_name` is required. A value of None
            stands for the default.
        dataset: A Hub name, a folder, a CSV, JSON or JSONL file, or a `datasets.Dataset`. It takes
            the place of `config["dataset"]`; one of the two is required. See
            `vlog.finetune.forms` for the columns.

    Returns:
        What `SFTTrainer.train()` returns: `global_step`, `training_loss`, `metrics`. The trained
        adapters (or model) are in the last checkpoint of `output_dir`.

    Raises:
        ConfigurationError: a key, a value or a row of the data cannot be used.
        LogFileError: a log cannot be written where it was asked for.
        MissingExtraError: a package is not installed.
    """
    clock = SystemClock()
    begun = clock.monotonic()
    values = check_configuration(config, dataset)
    check_installed(values)
    checked = clock.monotonic()
    data = {
        name: load_data(name, values[name], values["text_field"])
        for name in DATA_KEYS
        if values[name] is not None
    }
    refuse_overlap(data)
    loaded = clock.monotonic()
    _import_packages(values)
    arguments = make_arguments(values)
    milestones = Milestones(values)
    try:
        milestones.record(
            EventType.CONFIGURATION_LOADED,
            f"⚙️ Configuration loaded - {values['model_name']}",
            configuration=_shown(values),
            given=sorted(name for name, value in (config or {}).items() if value is not None),
            timing={"check_seconds": round(checked - begun, 6)},
        )
        milestones.record(
            EventType.DATASET_READY,
            f"📚 Data set ready - {_in_words(data['dataset'])}",
            **{name: each.describe() for name, each in data.items()},
            timing={"load_seconds": round(loaded - checked, 6)},
        )
        trainer = _make_trainer(values, data, arguments, milestones)
        return trainer.train(resume_from_checkpoint=values["resume_from_checkpoint"])
    except BaseException as error:
        milestones.record_end(error)
        raise


_importing = threading.Lock()  # trl cannot be imported by two threads at once


def _import_packages(values: dict[str, Any]) -> None:
    with _importing:
        if values["use_unsloth"]:
            import unsloth  # noqa: F401, PLC0415 - before what it patches: transformers, trl, peft
        from trl import SFTConfig, SFTTrainer  # noqa: F401, PLC0415


def _make_trainer(
    values: dict[str, Any], data: dict[str, Data], arguments: Any, milestones: Milestones
) -> Any:
    import transformers  # noqa: PLC0415
    from trl import SFTTrainer  # noqa: PLC0415

    clock = SystemClock()
    begun = clock.monotonic()
    model, tokenizer = load_model(values)
    found = described(describe_model, model)
    milestones.record(
        EventType.MODEL_LOADED,
        f"🧠 Model loaded - {found.get('total_parameters', 0):,} parameters, "
        f"{found.get('trainable_parameters', 0):,} to train",
        model=found,
        timing={"load_seconds": round(clock.monotonic() - begun, 6)},
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=data["dataset"].dataset,
        eval_dataset=data["eval_dataset"].dataset if "eval_dataset" in data else None,
        processing_class=tokenizer,
        callbacks=[milestones.callback],
    )
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    if not values["packing"]:
        _check_samples(data["dataset"].rows, trainer.train_dataset, milestones)
    return trainer


def _check_samples(rows: int | None, samples: Any, milestones: Milestones) -> None:
    """Tell of rows that the trainer left out, and refuse to go on if none is left."""
    if rows is None or len(samples) == rows:
        return
    why = (
        f"In {rows - len(samples):,} of {rows:,} rows the prompt alone fills max_seq_length, and "
        "nothing is left to train on"
    )
    if not len(samples):
        raise ConfigurationError(f"{why}. Give a larger max_seq_length.")
    milestones.record(EventType.LOG_RECORD, f"{why}: they are left out.", level=Severity.WARNING)


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration as its entry has it: a data set itself becomes its type."""
    shown = {name: value for name, value in values.items() if value is not None}
    for name in DATA_KEYS:
        if name in shown and not isinstance(shown[name], (str, Path)):
            shown[name] = type(shown[name]).__name__
    return shown


def _in_words(data: Data) -> str:
    rows = "rows of unknown number" if data.rows is None else f"{data.rows:,} rows"
    return f"{rows} of {data.form.name}"
