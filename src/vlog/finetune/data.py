"""Training data, read and checked: from here on it is a `datasets.Dataset` that TRL can take."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vlog.errors import ConfigurationError
from vlog.finetune.files import Row, read_rows
from vlog.finetune.forms import Form, find_fault, find_form, forms, sample_of
from vlog.finetune.sources import files_of, is_saved

_MOST_SHOWN = 5
_MOST_CHECKED = 1_000  # rows of a data set that is ready already
_SPLITS = {"dataset": ("train",), "eval_dataset": ("validation", "eval", "test", "dev")}


@dataclass(frozen=True, slots=True)
class Data:
    """A data set that has been checked.

    Attributes:
        source: Where it comes from.
        form: The form of its rows.
        columns: The columns that were found.
        rows: How many rows; None where that is not known.
        dataset: What TRL is given.
    """

    source: str
    form: Form
    columns: list[str]
    rows: int | None
    dataset: Any

    def describe(self) -> dict[str, Any]:
        """Return what `dataset_ready` says of it."""
        found = {"source": self.source, "form": self.form.name, "columns": self.columns}
        return found if self.rows is None else {**found, "rows": self.rows}


def load_data(name: str, source: Any, text_field: str | None) -> Data:
    """Read and check a data set.

    Files are read whole and every row is checked. Of a data set that is ready already (on the
    Hub, saved by `datasets`, or in memory), the first 1,000 rows are.

    Args:
        name: The configuration key, for messages: `dataset` or `eval_dataset`.
        source: What `find_source` returned for it.
        text_field: The user's column of texts, if any.

    Raises:
        ConfigurationError: the data cannot be loaded, or a row is not what its form asks for. The
            message names the file, the first bad rows, and their columns.
    """
    if isinstance(source, Path) and (source.is_file() or not is_saved(source)):
        return _load_files(source, text_field)
    return _load_ready(name, source, text_field)


def _load_files(path: Path, text_field: str | None) -> Data:
    samples: list[dict[str, Any]] = []
    columns: dict[str, None] = {}  # a set that keeps its order
    form: Form | None = None
    for file in files_of(path):
        form, count = _read_file(file, form, text_field, samples, columns)
        if not count:
            raise ConfigurationError(f"{str(file)!r} has no rows. Nothing was trained.")
    assert form is not None  # noqa: S101 - a file without a form has been refused
    import datasets  # noqa: PLC0415

    return Data(str(path), form, list(columns), len(samples), datasets.Dataset.from_list(samples))


def _read_file(
    file: Path,
    form: Form | None,
    text_field: str | None,
    samples: list[dict[str, Any]],
    columns: dict[str, None],
) -> tuple[Form | None, int]:
    """Add the samples and columns of `file`; return the form of its rows, and how many they are."""
    bad = _BadRows(str(file))
    count = 0
    for row in read_rows(file):
        count += 1
        if row.values is None:
            bad.add(row.place, row.fault)
            continue
        columns |= dict.fromkeys(row.values)
        form = form or find_form(row.values, text_field)
        fault = find_fault(row.values, form) if form else None
        if form is None:
            bad.add(row.place, _no_form(row, text_field))
        elif fault:
            bad.add(f"{row.place}, column {fault[0]!r}", fault[1])
        elif not bad.count:
            samples.append(sample_of(row.values, form))
    bad.refuse(form)
    return form, count


def _no_form(row: Row, text_field: str | None) -> str:
    found = ", ".join(map(repr, row.values or ())) or "none"
    allowed = ", or ".join(form.words for form in forms(text_field))
    return f"has no columns to train on: found {found}. Expected {allowed}"


class _BadRows:
    """The bad rows of one source: all counted, the first few kept with their text."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._shown: list[str] = []
        self.count = 0

    def add(self, place: str, fault: str) -> None:
        self.count += 1
        if self.count <= _MOST_SHOWN:
            self._shown.append(f"  {place} {fault}.")

    def refuse(self, form: Form | None) -> None:
        """Raise the error about them, if there are any."""
        if not self.count:
            return
        rows = "1 bad row" if self.count == 1 else f"{self.count:,} bad rows"
        asked = f" Every row must have {form.words}." if form else ""
        lines = [f"{self._source!r} has {rows}, and nothing was trained.{asked}", *self._shown]
        if self.count > _MOST_SHOWN:
            lines.append(f"  ... and {self.count - _MOST_SHOWN:,} more.")
        raise ConfigurationError("\n".join(lines))


def _load_ready(name: str, source: Any, text_field: str | None) -> Data:
    dataset = _split_of(name, _open(name, source))
    label = str(source) if isinstance(source, (str, Path)) else type(source).__name__
    first = list(islice(dataset, _MOST_CHECKED))
    if not first:
        raise ConfigurationError(f"{name} {label!r} has no rows. Nothing was trained.")
    form = find_form(first[0], text_field)
    bad = _BadRows(label)
    if form is None:
        bad.add("row 0", _no_form(Row("row 0", first[0]), text_field))
        bad.refuse(form)
    assert form is not None  # noqa: S101 - it has been refused
    for index, row in enumerate(first):
        fault = None if _is_conversation(row, form) else find_fault(_set_only(row), form)
        if fault:
            bad.add(f"row {index}, column {fault[0]!r}", fault[1])
    bad.refuse(form)
    rows = len(dataset) if hasattr(dataset, "__len__") else None
    return Data(label, form, list(first[0]), rows, _as_samples(dataset, form, list(first[0])))


def _is_conversation(row: dict[str, Any], form: Form) -> bool:
    """Return whether a prompt is a list of messages, which TRL takes as well."""
    return form.name == "prompt_completion" and isinstance(row["prompt"], list)


def _set_only(row: dict[str, Any]) -> dict[str, Any]:
    """Return `row` with its messages as they were given: a table has every key in every one."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        return row
    return {
        **row,
        "messages": [
            {key: value for key, value in each.items() if key in ("role", "content")}
            for each in messages
        ],
    }


def _as_samples(dataset: Any, form: Form, columns: list[str]) -> Any:
    if form.name in ("messages", "prompt_completion"):
        return dataset.select_columns(list(form.columns))
    if form.columns == ("text",):
        return dataset.select_columns(["text"])
    return dataset.map(sample_of, fn_kwargs={"form": form}, remove_columns=columns)


def _open(name: str, source: Any) -> Any:
    import datasets  # noqa: PLC0415

    if isinstance(source, Path):
        return datasets.load_from_disk(str(source))
    if not isinstance(source, str):
        return source
    try:
        return datasets.load_dataset(source)
    except Exception as error:
        raise ConfigurationError(
            f"{name} is {source!r}: no file or folder here, and it cannot be loaded from the Hub: "
            f"{type(error).__name__}: {error}"
        ) from error


def _split_of(name: str, dataset: Any) -> Any:
    """Return the split that serves as `name`, of a data set that has splits."""
    if not isinstance(dataset, dict):
        return dataset
    for split in _SPLITS[name]:
        if split in dataset:
            return dataset[split]
    if len(dataset) == 1:
        return next(iter(dataset.values()))
    raise ConfigurationError(
        f"{name} has the splits {', '.join(map(repr, dataset))}. Expected one of: "
        f"{', '.join(_SPLITS[name])}. Or give one split of it: a datasets.Dataset."
    )
