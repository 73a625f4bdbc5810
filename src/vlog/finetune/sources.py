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
        if type(value).__module__.partition(".")[0] != "datasets":
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
        if not is_saved(path) and not files_of(path):
            raise ConfigurationError(
                f"{name} is {str(path)!r}: no data in this folder. Expected {_KINDS}."
            )
    elif not path.is_file() or path.suffix.lower() not in READERS:
        raise ConfigurationError(f"{name} is {str(path)!r}. Expected {_KINDS}.")
    return path


def is_saved(folder: Path) -> bool:
    """Return whether `datasets` saved this folder."""
    return any((folder / file).is_file() for file in _SAVED)


def files_of(path: Path) -> list[Path]:
    """Return the files to read: `path` itself, or those of a folder, by name.

    Of a folder, those whose name begins with `train` if there are any: the others are then for
    evaluation.
    """
    if path.is_file():
        return [path]
    files = sorted(
        each for each in path.iterdir() if each.suffix.lower() in READERS and each.is_file()
    )
    return [each for each in files if each.name.lower().startswith("train")] or files
