"""A user's configuration, checked whole before anything is imported, loaded or written."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlog.errors import ConfigurationError, MissingExtraError, refuse_unknown
from vlog.finetune.keys import BITSANDBYTES_OPTIMIZERS, BY_NAME, KEYS, shown
from vlog.finetune.logs import log_paths
from vlog.finetune.sources import find_source, holds, is_iterable

_EXTRA = "pip install 'vlog-training[finetune]'"
DATA_KEYS = ("dataset", "eval_dataset")
_PACKAGES = ("torch", "transformers", "trl", "peft", "datasets")


def check_configuration(config: object, dataset: object = None) -> dict[str, Any]:
    """Return a value for each key: the user's, or the default where it is left out or None.

    A data set becomes what `find_source` says it is.

    Args:
        config: The user's; None for defaults alone.
        dataset: Takes the place of `config["dataset"]`, unless it is None.

    Raises:
        ConfigurationError: a key is unknown, a value is not what its key takes, two do not go
            together, or `model_name` or `dataset` is missing.
    """
    config = {} if config is None else config
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"config is {shown(config)}. Expected a dict, or None.")
    refuse_unknown(config, BY_NAME, "configuration key")
    values = {key.name: key.default for key in KEYS}
    for name, value in config.items():
        if value is not None:
            values[name] = BY_NAME[name].check(value)
    if dataset is not None:
        values["dataset"] = dataset
    _check_together(values)
    _check_folders(values)
    for name in DATA_KEYS:
        if values[name] is not None:
            values[name] = find_source(name, values[name])
    _check_data(values)
    return values


def _check_together(values: dict[str, Any]) -> None:
    """Refuse what is missing, and values that do not go together."""
    if values["model_name"] is None:
        raise ConfigurationError(
            "model_name is missing. Give a Hub name like 'unsloth/llama-3-8b-bnb-4bit', or a "
            "folder that save_pretrained wrote."
        )
    if values["dataset"] is None:
        raise ConfigurationError(f"dataset is missing. Give {BY_NAME['dataset'].about}.")
    for one, other, why in _CONTRADICTIONS:
        if values[one] and values[other]:
            raise ConfigurationError(f"{one} and {other} are both given: {why}.")
    if values["load_in_4bit"] and not values["use_lora"]:
        raise ConfigurationError(
            "load_in_4bit is True and use_lora is False: weights of 4 bits cannot be trained. "
            "Leave one of the two out."
        )
    if values["eval_steps"] is not None and values["eval_dataset"] is None:
        raise ConfigurationError("eval_steps is given without an eval_dataset. Give both.")


_CONTRADICTIONS = (
    ("bf16", "fp16", "choose one"),
    ("use_unsloth", "use_cpu", "Unsloth needs a GPU"),
    ("fp16", "use_cpu", "float16 needs a GPU"),
)


def _check_folders(values: dict[str, Any]) -> None:
    model, checkpoint = values["model_name"], values["resume_from_checkpoint"]
    is_path = model.startswith((".", "/", "~")) or "\\" in model or model.count("/") > 1
    if is_path and not os.path.isdir(os.path.expanduser(model)):  # noqa: PTH111, PTH112
        raise ConfigurationError(f"model_name is {model!r}: there is no such folder.")
    if isinstance(checkpoint, str):
        check_checkpoint(checkpoint)
    folder = Path(values["output_dir"]).absolute()
    try:
        nearest = next(each for each in (folder, *folder.parents) if _is_there(each))
    except OSError as error:
        raise ConfigurationError(
            f"output_dir is {shown(values['output_dir'])}: {error.strerror}. Give another one."
        ) from error
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ConfigurationError(
            f"output_dir is {values['output_dir']!r}: no folder can be made or written there, "
            f"because of {str(nearest)!r}. Give another one."
        )


def _is_there(path: Path) -> bool:
    """Return whether `path` exists; raise the OSError of one that cannot be."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def check_checkpoint(folder: str) -> None:
    """Refuse a folder that no Trainer wrote as a checkpoint.

    Raises:
        ConfigurationError: it is not there, or has no `trainer_state.json`.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - it says no to what cannot be a path
        raise ConfigurationError(f"resume_from_checkpoint is {folder!r}: there is no such folder.")
    if not (Path(folder) / "trainer_state.json").is_file():
        raise ConfigurationError(
            f"The checkpoint {folder!r} has no trainer_state.json. Give a folder "
            "`checkpoint-<step>` that a training wrote whole."
        )


def _check_data(values: dict[str, Any]) -> None:
    """Refuse data that logs would be written into, and a training without an end."""
    if is_iterable(values["dataset"]) and values["max_steps"] == -1:
        raise ConfigurationError(
            f"dataset is {type(values['dataset']).__name__}, which has no length. "
            "Give max_steps, or a datasets.Dataset."
        )
    for name in DATA_KEYS:
        for log in log_paths(values) if isinstance(values[name], Path) else ():
            if holds(values[name], log):
                raise ConfigurationError(
                    f"The log {str(log)!r} would be written into {name} {str(values[name])!r}. "
                    "Give another log_file or standard_log."
                )


def check_installed(values: dict[str, Any]) -> None:
    """Refuse a configuration that needs packages that are not there. Imports none of them.

    Raises:
        MissingExtraError: a package is missing or too old; the message says how to install it.
    """
    missing = [name for name in _PACKAGES if not _is_installed(name)]
    if missing:
        raise MissingExtraError(
            f"train_with_config needs {', '.join(missing)}. Install it with: {_EXTRA}"
        )
    version = metadata.version("trl")
    if int(version.partition(".")[0]) < 1:
        raise MissingExtraError(
            f"trl {version} is too old: train_with_config needs 1 or newer. "
            f"Install it with: {_EXTRA.replace('install', 'install -U')}"
        )
    if values["use_unsloth"] and not _is_installed("unsloth"):
        raise MissingExtraError(
            "use_unsloth is True, but unsloth is not installed. Install it with: "
            "pip install unsloth (it needs a GPU), or leave use_unsloth out."
        )
    optimizer = values["optim"]
    for key, is_asked in (
        ("load_in_4bit", values["load_in_4bit"]),
        ("optim", optimizer in BITSANDBYTES_OPTIMIZERS),
    ):
        if is_asked and not _is_installed("bitsandbytes"):
            raise MissingExtraError(
                f"{key} is {values[key]!r}, but bitsandbytes is not installed. Install it with: "
                f"pip install bitsandbytes, or leave {key} out."
            )


def _is_installed(package: str) -> bool:
    if package in sys.modules:
        return sys.modules[package] is not None
    return find_spec(package) is not None
