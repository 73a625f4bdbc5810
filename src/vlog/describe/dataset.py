"""A data set's shape: type, size, columns, the structure of a sample, never its content."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from vlog.describe.exception import described
from vlog.values import class_name, clean_text

_MAX_KEYS = 50
_MAX_DEPTH = 8
_MAX_CONTENT = 500  # characters of a sample's value, when its content is asked for


def describe_dataset(dataset: Any, *, with_content: bool = False) -> dict[str, Any]:
    """Return what is known of a data set.

    A sample is looked at only where that runs nobody's code: in a list, and in a Hugging Face
    table without a transform. Any other data set may augment at random, open its file in the
    first process that asks, or take seconds; what its samples are is seen in the first batch.

    Args:
        dataset: A Hugging Face, torch or plain sequence data set, an iterable one, or a dict of
            them.
        with_content: Whether to add the first sample's values, cut to a readable length.

    Returns:
        `type`, `size` (samples; absent where the data set has no length), `columns`,
        `features` (Hugging Face), `sample_structure`, and `sample` if asked for. What raises is
        absent, or says so.
    """
    if isinstance(dataset, Mapping):
        return {
            name: described(describe_dataset, part, with_content=with_content)
            for name, part in dataset.items()
        }
    found: dict[str, Any] = {"type": f"{type(dataset).__module__}.{type(dataset).__qualname__}"}
    with suppress(Exception):
        found["size"] = len(dataset)
    columns = _attribute(dataset, "column_names")
    if isinstance(columns, (list, tuple)):
        found["columns"] = list(columns)
    features = _attribute(dataset, "features")
    if isinstance(features, Mapping):
        found["features"] = {name: str(kind) for name, kind in features.items()}
    if not _is_plain(dataset):
        found["sample_structure"] = "not read: see `batch` of the first step"
    elif found.get("size"):
        found |= described(_first_sample, dataset, with_content)
    return found


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute; None where there is none, or it raises."""
    try:
        return getattr(value, name)
    except Exception:  # noqa: BLE001 - somebody's attribute may raise anything
        return None


def _is_plain(dataset: Any) -> bool:
    """Return whether reading a sample runs no code but the container's own."""
    if type(dataset) in (list, tuple):
        return True
    is_table = type(dataset).__module__.startswith("datasets.") and hasattr(dataset, "format")
    return is_table and dataset.format["type"] != "custom"


def _first_sample(dataset: Any, with_content: bool) -> dict[str, Any]:
    sample = dataset[0]
    found: dict[str, Any] = {"sample_structure": describe_structure(sample)}
    if isinstance(sample, Mapping):
        found["columns"] = list(sample)
    if with_content:
        found["sample"] = _content(sample)
    return found


def describe_structure(value: Any) -> Any:
    """Return types, shapes and lengths in place of values; of what raises, its type alone."""
    return _structure(value, 0)


def _structure(value: Any, depth: int) -> Any:
    try:
        return _inner_structure(value, depth)
    except Exception as error:  # noqa: BLE001 - a batch may hold anything, and it says so
        return {"type": class_name(value), "not_described": class_name(error)}


def _inner_structure(value: Any, depth: int) -> Any:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        items = islice(value.items(), _MAX_KEYS)
        return {key: _structure(item, depth + 1) for key, item in items}
    if isinstance(value, (list, tuple)):
        is_shown = value and depth < _MAX_DEPTH
        inner = {"items": _structure(value[0], depth + 1)} if is_shown else {}
        return {"type": class_name(value), "length": len(value), **inner}
    if isinstance(value, (str, bytes)):
        return {"type": class_name(value), "length": len(value)}
    return {"type": class_name(value)}


def count_batch(batch: Any) -> dict[str, int]:
    """Return the counts of a batch, from its shapes alone.

    Args:
        batch: A dict or sequence of tensors, or one tensor.

    Returns:
        `samples` (first dimension of the first tensor) and `tokens` (elements of `input_ids`,
        padding included), as far as they can be told.
    """
    found: dict[str, int] = {}
    try:
        is_mapping = isinstance(batch, Mapping)
        parts: Any = (batch,)
        if is_mapping:
            parts = batch.values()
        elif isinstance(batch, (list, tuple)):
            parts = batch
        for part in islice(parts, _MAX_KEYS):
            shape = _attribute(part, "shape")
            if shape:
                found["samples"] = int(shape[0])
                break
        ids: Any = batch.get("input_ids") if is_mapping else None
        if hasattr(ids, "numel"):
            found["tokens"] = int(ids.numel())
    except Exception:  # noqa: BLE001 - a batch may be anything; what it tells counts
        return found
    return found


def _content(sample: Any) -> Any:
    if isinstance(sample, Mapping):
        return {key: _text(value) for key, value in sample.items()}
    return _text(sample)


def _text(value: Any) -> str:
    """Return a value's text; of a tensor on a device, which is not read, the structure."""
    is_here = str(_attribute(value, "device") or "cpu") == "cpu"
    try:
        return clean_text(str(value if is_here else describe_structure(value)), _MAX_CONTENT)
    except Exception as error:  # noqa: BLE001 - a value may raise anything, and says so here
        return f"<{class_name(value)}: raised {class_name(error)}>"
