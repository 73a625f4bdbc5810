"""Training data, read and checked: from here on it is a `datasets.Dataset` that TRL can take."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlog.errors import ConfigurationError
from vlog.finetune.files import Row, read_rows
from vlog.finetune.forms import Form, find_fault, find_form, forms, sample_of
from vlog.finetune.sources import files_of, is_saved

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_SHOWN = 5
_MOST_CHECKED = 1_000  # rows of an iterable data set, in front of the training
_BATCH = 1_000
_SPLITS = {"dataset": ("train",), "eval_dataset": ("validation", "valid", "eval", "dev", "test")}


@dataclass(frozen=True, slots=True)
class Data:
    """A data set that has been checked.

    Attributes:
        source: Where it comes from.
        form: The form of its rows.
        columns: The columns that were found.
        rows: How many rows; None where that is not known.
        dataset: What TRL is given.
        picked: The files or the split of it that vlog has picked, if any.
    """

    source: str
    form: Form
    columns: list[str]
    rows: int | None
    dataset: Any
    picked: frozenset[str] = frozenset()

    def describe(self) -> dict[str, Any]:
        """Return what `dataset_ready` says of it."""
        found = {"source": self.source, "form": self.form.name, "columns": self.columns}
        return found if self.rows is None else {**found, "rows": self.rows}


def load_data(name: str, source: Any, text_field: str | None) -> Data:
    """Read and check a data set.

    Files are read whole. Every row is checked: of an iterable data set, the first 1,000 rows now,
    and each of them when it is trained on.

    Args:
        name: The configuration key, for messages: `dataset` or `eval_dataset`.
        source: What `find_source` returned for it.
        text_field: The user's column of texts, if any.

    Raises:
        ConfigurationError: the data cannot be loaded, or a row is not what its form asks for. The
            message names the file, the first bad rows, and their columns.
    """
    if isinstance(source, Path) and (source.is_file() or not is_saved(source)):
        return _load_files(name, source, text_field)
    return _load_ready(name, source, text_field)


def refuse_overlap(data: dict[str, Data]) -> None:
    """Refuse to evaluate on what is trained on, unless the caller has named the file himself.

    Args:
        data: By configuration key.

    Raises:
        ConfigurationError: the same file of a folder, or the same split, would serve as both.
    """
    both = frozenset.intersection(*(each.picked for each in data.values()))
    if len(data) > 1 and both:
        raise ConfigurationError(
            f"dataset and eval_dataset would both be {min(both)!r}. Give other data to "
            "eval_dataset, or name files `train...` and `validation...`, and splits alike."
        )


def _load_files(name: str, path: Path, text_field: str | None) -> Data:
    samples: list[dict[str, Any]] = []
    columns: dict[str, None] = {}  # a set that keeps its order
    form: Form | None = None
    files = files_of(path, name)
    for file in files:
        form, count = _read_file(file, form, text_field, samples, columns)
        if not count:
            raise ConfigurationError(f"{str(file)!r} has no rows. Nothing was trained.")
    assert form is not None  # noqa: S101 - a file without a form has been refused
    import datasets  # noqa: PLC0415

    picked = frozenset(os.path.realpath(each) for each in files if each != path)
    table = datasets.Dataset.from_list(samples)
    return Data(str(path), form, list(columns), len(samples), table, picked)


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
    opened = _open(name, source)
    split = _split_of(name, opened)
    dataset = opened if split is None else opened[split]
    label = str(source) if isinstance(source, (str, Path)) else type(source).__name__
    first = next(iter(dataset.with_format(None)), None)
    if first is None:
        raise ConfigurationError(f"{name} {label!r} has no rows. Nothing was trained.")
    form = find_form(first, text_field)
    bad = _BadRows(label)
    if form is None:
        bad.add("row 0", _no_form(Row("row 0", first), text_field))
        bad.refuse(form)
    assert form is not None  # noqa: S101 - it has been refused
    is_iterable = not hasattr(dataset, "__len__")
    columns = list(first)
    if form.name == "prompt_completion" and isinstance(first["prompt"], list):
        form = replace(form, holds_messages=True)
    rows = islice(dataset, _MOST_CHECKED) if is_iterable else _rows_of(dataset, form)
    for index, row in enumerate(rows):
        fault = find_fault(_set_only(row), form)
        if fault:
            bad.add(f"row {index}, column {fault[0]!r}", fault[1])
    bad.refuse(form)
    picked = frozenset() if split is None else frozenset([f"{_identity(source)}[{split}]"])
    if is_iterable:
        samples = _as_checked(dataset, label, form, columns)
        return Data(label, form, columns, None, samples, picked)
    return Data(label, form, columns, len(dataset), _as_samples(dataset, form, columns), picked)


def _identity(source: Any) -> str:
    if isinstance(source, str):
        return source
    kind = type(source).__name__
    return os.path.realpath(source) if isinstance(source, Path) else f"{kind} {id(source):x}"


def _rows_of(table: Any, form: Form) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, the columns of `form` alone; many at a time are faster."""
    used = [each for each in table.column_names if each in (*form.columns, *form.optional)]
    for batch in table.with_format(None).select_columns(used).iter(_BATCH):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))


def _set_only(row: dict[str, Any]) -> dict[str, Any]:
    """Return `row` with its messages as they were given: a table has every key in every one."""
    return {column: _messages_set_only(value) for column, value in row.items()}


def _messages_set_only(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        return value
    return [
        {key: part for key, part in each.items() if key in ("role", "content")} for each in value
    ]


def _as_samples(dataset: Any, form: Form, columns: list[str]) -> Any:
    if form.name in ("messages", "prompt_completion"):
        return dataset.select_columns(list(form.columns))
    if form.columns == ("text",):
        return dataset.select_columns(["text"])
    return dataset.map(sample_of, fn_kwargs={"form": form}, remove_columns=columns)


def _as_checked(dataset: Any, label: str, form: Form, columns: list[str]) -> Any:
    """Return the samples of an iterable data set, each checked when it is read."""

    def check(row: dict[str, Any], index: int) -> dict[str, Any]:
        fault = find_fault(_set_only(row), form)
        if fault:
            bad = f"row {index}, column {fault[0]!r} {fault[1]}"
            raise ConfigurationError(f"{label!r}: {bad}. Every row must have {form.words}.")
        return sample_of(row, form)

    kept = sample_of(dict.fromkeys(columns, ""), form)
    others = [column for column in columns if column not in kept]
    return dataset.map(check, with_indices=True, remove_columns=others)


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


def _split_of(name: str, dataset: Any) -> str | None:
    """Return the name of the split that serves as `name`; None for a data set without splits."""
    if not isinstance(dataset, dict):
        return None
    for split in _SPLITS[name]:
        if split in dataset:
            return split
    if len(dataset) == 1:
        return str(next(iter(dataset)))
    raise ConfigurationError(
        f"{name} has the splits {', '.join(map(repr, dataset))}. Expected one of: "
        f"{', '.join(_SPLITS[name])}. Or give one split of it: a datasets.Dataset."
    )
