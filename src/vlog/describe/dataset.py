"""A data set's shape: type, size, columns, the structure of a sample, never its content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

_MAX_KEYS = 50
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
        `features` (Hugging Face), `sample_structure`, and `sample` if asked for.
    """
    if isinstance(dataset, Mapping):
        return {
            str(name): describe_dataset(part, with_content=with_content)
            for name, part in dataset.items()
        }
    found: dict[str, Any] = {"type": f"{type(dataset).__module__}.{type(dataset).__qualname__}"}
    with suppress(TypeError, NotImplementedError):
        found["size"] = len(dataset)
    columns = getattr(dataset, "column_names", None)
    if isinstance(columns, (list, tuple)):
        found["columns"] = list(columns)
    features = getattr(dataset, "features", None)
    if isinstance(features, Mapping):
        found["features"] = {name: str(kind) for name, kind in features.items()}
    if not _is_plain(dataset):
        found["sample_structure"] = "not read: see `batch` of the first step"
    elif found.get("size"):
        found |= _sample(dataset[0], with_content)
    return found


def _is_plain(dataset: Any) -> bool:
    """Return whether reading a sample runs no code but the container's own."""
    if type(dataset) in (list, tuple):
        return True
    is_table = type(dataset).__module__.startswith("datasets.") and hasattr(dataset, "format")
    return is_table and dataset.format["type"] != "custom"


def _sample(sample: Any, with_content: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"sample_structure": describe_structure(sample)}
    if isinstance(sample, Mapping):
        found["columns"] = [str(key) for key in sample]
    if with_content:
        found["sample"] = _content(sample)
    return found


def describe_structure(value: Any) -> Any:
    """Return types, shapes and lengths in place of values."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, Mapping):
        items = list(value.items())[:_MAX_KEYS]
        return {str(key): describe_structure(item) for key, item in items}
    if isinstance(value, (list, tuple)):
        inner = {"items": describe_structure(value[0])} if value else {}
        return {"type": type(value).__name__, "length": len(value), **inner}
    if isinstance(value, (str, bytes)):
        return {"type": type(value).__name__, "length": len(value)}
    return {"type": type(value).__name__}


def count_batch(batch: Any) -> dict[str, int]:
    """Return the counts of a batch, from its shapes alone.

    Args:
        batch: A dict or sequence of tensors, or one tensor.

    Returns:
        `samples` (first dimension of the first tensor) and `tokens` (elements of `input_ids`,
        padding included), as far as they can be told.
    """
    found: dict[str, int] = {}
    for part in _parts(batch):
        shape = getattr(part, "shape", None)
        if shape:
            found["samples"] = int(shape[0])
            break
    ids = batch.get("input_ids") if isinstance(batch, Mapping) else None
    tokens = getattr(ids, "numel", None)
    if tokens is not None:
        found["tokens"] = int(tokens())
    return found


def _parts(batch: Any) -> Iterable[Any]:
    if isinstance(batch, Mapping):
        return batch.values()
    return batch if isinstance(batch, (list, tuple)) else (batch,)


def _content(sample: Any) -> Any:
    if isinstance(sample, Mapping):
        return {str(key): str(value)[:_MAX_CONTENT] for key, value in sample.items()}
    return str(sample)[:_MAX_CONTENT]
