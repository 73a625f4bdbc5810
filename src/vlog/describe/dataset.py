"""A data set's shape: type, size, columns, the structure of a sample, never its content."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

_MAX_KEYS = 50
_MAX_CONTENT = 500  # characters of a sample's value, when its content is asked for


def describe_dataset(
    dataset: Any, *, may_read_sample: bool = True, with_content: bool = False
) -> dict[str, Any]:
    """Return what is known of a data set.

    Args:
        dataset: A Hugging Face, torch or plain sequence data set, an iterable one, or a dict of
            them.
        may_read_sample: Whether its first sample may be fetched. A data set that opens its file
            in the first worker that asks must not be touched by the main process, so the caller
            says no when workers will do the reading.
        with_content: Whether to add the first sample's values, cut to a readable length.

    Returns:
        `type`, `size` (samples; absent where the data set has no length), `columns`,
        `features` (Hugging Face), `sample_structure`, and `sample` if asked for.
    """
    if isinstance(dataset, Mapping):
        return {
            str(name): describe_dataset(
                part, may_read_sample=may_read_sample, with_content=with_content
            )
            for name, part in dataset.items()
        }
    found: dict[str, Any] = {"type": f"{type(dataset).__module__}.{type(dataset).__qualname__}"}
    with suppress(TypeError, NotImplementedError):
        found["size"] = len(dataset)
    columns = getattr(dataset, "column_names", None)
    if columns:
        found["columns"] = list(columns)
    features = getattr(dataset, "features", None)
    if isinstance(features, Mapping):
        found["features"] = {name: str(kind) for name, kind in features.items()}
    if found.get("size") and hasattr(dataset, "__getitem__"):
        found |= _sample(dataset, columns, may_read_sample, with_content)
    return found


def _sample(
    dataset: Any, columns: Any, may_read_sample: bool, with_content: bool
) -> dict[str, Any]:
    # A Hugging Face data set is a table in memory or in a map: any process may look at it.
    is_table = type(dataset).__module__.partition(".")[0] == "datasets"
    if not (may_read_sample or is_table):
        return {"sample_structure": "not read: the workers of the data loader open the data"}
    try:
        with _random_state_kept():
            sample = dataset[0]
    except Exception as error:  # noqa: BLE001 - a data set may raise anything; it says so itself
        return {"sample_structure": f"not read: {type(error).__name__}: {error}"}
    found: dict[str, Any] = {"sample_structure": describe_structure(sample)}
    if isinstance(sample, Mapping) and not columns:
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

    Returns:
        `samples` (first dimension) and `tokens` (elements of `input_ids`, padding included), as
        far as they can be told.
    """
    found: dict[str, int] = {}
    if isinstance(batch, Mapping):
        for value in batch.values():
            shape = getattr(value, "shape", None)
            if shape:
                found["samples"] = int(shape[0])
                break
        tokens = getattr(batch.get("input_ids"), "numel", None)
        if tokens is not None:
            found["tokens"] = int(tokens())
    return found


def _content(sample: Any) -> Any:
    if isinstance(sample, Mapping):
        return {str(key): str(value)[:_MAX_CONTENT] for key, value in sample.items()}
    return str(sample)[:_MAX_CONTENT]


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Leave the random generators as they were: a sample may be augmented at random."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    python_state = random.getstate()
    numpy_state = numpy.random.get_state() if numpy is not None else None
    torch_state = torch.get_rng_state() if torch is not None else None
    try:
        yield
    finally:
        random.setstate(python_state)
        if numpy is not None:
            numpy.random.set_state(numpy_state)
        if torch is not None:
            torch.set_rng_state(torch_state)
