"""Where training data comes from: a path is told from a Hub name before anything is asked for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from vlog.errors import ConfigurationError
from vlog.finetune.files import READERS
from vlog.finetune.keys import shown

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")
# A text that ends like this is meant as a file, whether it is there or not.
_FILE_SUFFIXES = {*READERS, ".parquet", ".arrow", ".tsv", ".txt", ".xlsx", ".gz", ".zip", ".zst"}
_SAVED = ("dataset_info.json", "dataset_dict.json")
_CLASSES = ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")
# How the names of the files for each purpose begin, where several are in one folder.
_BEGINNINGS = {"dataset": ("train",), "eval_dataset": ("valid", "eval", "dev", "test")}
_OUR_LOG = re.compile(r"(training_logs|verbose_training_logs)(\.\S+)?\.jsonl")
_KINDS = f"a {', '.join(READERS)} file, a folder of them, or one that save_to_disk wrote"


def find_source(name: str, value: Any) -> Path | str | Any:
    """Return what `value` is: a path that is there, a Hub name, or the data itself.

    What is there under a name counts before the Hub. Nothing is opened.

    Args:
        name: The configuration key, for messages.
        value: The user's.

    Raises:
        ConfigurationError: there is no such file or folder, or it is of another kind.
    """
    if not isinstance(value, (str, os.PathLike)):
        if not _is_of(value, _CLASSES):
            raise ConfigurationError(
                f"{name} is {shown(value)}. Expected a Hub name, the path of {_KINDS}, or a "
                "datasets.Dataset (datasets.Dataset.from_list makes one of a list)."
            )
        return value
    text = os.fsdecode(value)
    path = Path(os.path.expanduser(text))  # noqa: PTH111 - it leaves an unknown user's `~` alone
    if text and os.path.exists(path):  # noqa: PTH110 - it says no to what cannot be a path
        return _check_kind(name, path)
    is_hub_name = _HUB_NAME.fullmatch(text) and path.suffix.lower() not in _FILE_SUFFIXES
    if is_hub_name and isinstance(value, str):
        return text
    raise ConfigurationError(
        f"{name} is {text!r}: there is no such file or folder (looked in {str(Path.cwd())!r}). "
        f"Expected {_KINDS}, or a Hub name like 'owner/name'."
    )


def _check_kind(name: str, path: Path) -> Path:
    if path.is_dir():
        if not is_saved(path) and not files_of(path, name):
            other = ", ".join(each.name for each in _data_files(path)[:3])
            found = f" for this key; it has {other}" if other else ""
            raise ConfigurationError(
                f"{name} is {str(path)!r}: no data in this folder{found}. Expected {_KINDS}."
            )
    elif not path.is_file() or path.suffix.lower() not in READERS:
        raise ConfigurationError(f"{name} is {str(path)!r}. Expected {_KINDS}.")
    return path


def is_saved(folder: Path) -> bool:
    """Return whether `datasets` saved this folder."""
    return any((folder / file).is_file() for file in _SAVED)


def files_of(path: Path, name: str) -> list[Path]:
    """Return the files to read: `path` itself, or those of a folder, by name.

    Of a folder, those whose names begin as befits the purpose: `train` for training; `valid`,
    `eval`, `dev` or `test` for evaluation. If there are none, those that begin as neither.

    Args:
        path: The file or folder.
        name: The configuration key: `dataset` or `eval_dataset`.
    """
    if path.is_file():
        return [path]
    files = _data_files(path)
    both = tuple(each for beginnings in _BEGINNINGS.values() for each in beginnings)
    own = [each for each in files if each.name.lower().startswith(_BEGINNINGS[name])]
    return own or [each for each in files if not each.name.lower().startswith(both)]


def holds(source: Path, file: Path) -> bool:
    """Return whether `file` is, or would be taken for, a part of the data in `source`."""
    real, data = Path(os.path.realpath(file)), Path(os.path.realpath(source))
    if not data.is_dir():
        return real == data
    if is_saved(data):
        return data in real.parents and not _OUR_LOG.fullmatch(real.name)
    listed = {Path(os.path.realpath(each)) for each in _data_files(data)}
    return real in listed or (real.parent == data and _is_data_name(real.name))


def is_iterable(value: object) -> bool:
    """Return whether `value` is a data set of which nobody knows how long it is."""
    return _is_of(value, ("IterableDataset", "IterableDatasetDict"))


def _is_of(value: object, classes: tuple[str, ...]) -> bool:
    """Return whether `value` is of one of these classes of `datasets`, which is not imported."""
    return any(
        each.__module__.partition(".")[0] == "datasets" and each.__name__ in classes
        for each in type(value).__mro__
    )


def _data_files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if _is_data_name(each.name) and each.is_file())


def _is_data_name(name: str) -> bool:
    is_data = Path(name).suffix.lower() in READERS
    return is_data and not name.startswith(".") and not _OUR_LOG.fullmatch(name)
