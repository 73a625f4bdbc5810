"""A model in numbers: parameters by module and dtype, size, configuration."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vlog.describe.exception import described
from vlog.schema import MB

_MAX_MODULES = 100


def describe_model(model: Any) -> dict[str, Any]:
    """Return what is known of a model without running it or reading a parameter's values.

    Args:
        model: Anything with torch's `named_parameters()`; its absence is no error.

    Returns:
        `class`, `total_parameters`, `trainable_parameters`, `trainable_percent`,
        `parameters_by_module` (top-level modules, total and trainable), `parameters_by_dtype`,
        `size_mb` (parameters and buffers), `device`, `config`. A parameter that several
        modules share (tied embeddings) counts once. Quantized weights count as they are stored,
        those of lazy modules that have no shape yet as none.
    """
    found: dict[str, Any] = {"class": f"{type(model).__module__}.{type(model).__qualname__}"}
    if hasattr(model, "named_parameters"):
        found |= _parameters(model)
    config = getattr(model, "config", None)
    if config is not None:
        found["config"] = described(config.to_dict) if hasattr(config, "to_dict") else config
    return found


def _parameters(model: Any) -> dict[str, Any]:
    by_module: dict[str, dict[str, int]] = {}
    by_dtype: Counter[str] = Counter()
    devices: Counter[str] = Counter()
    total = trainable = size = 0
    for name, parameter in model.named_parameters():
        count, bytes_ = _count_and_size(parameter)
        total += count
        size += bytes_
        by_dtype[str(parameter.dtype).removeprefix("torch.")] += count
        devices[str(parameter.device)] += 1
        module = by_module.setdefault(name.partition(".")[0], {"total": 0, "trainable": 0})
        module["total"] += count
        if parameter.requires_grad:
            trainable += count
            module["trainable"] += count
    size += sum(_count_and_size(buffer)[1] for buffer in _buffers(model))
    return {
        "total_parameters": total,
        "trainable_parameters": trainable,
        "trainable_percent": round(100 * trainable / total, 4) if total else 0.0,
        "parameters_by_module": dict(list(by_module.items())[:_MAX_MODULES]),
        "parameters_by_dtype": dict(by_dtype),
        "size_mb": round(size / MB, 3),
        "device": devices.most_common(1)[0][0] if devices else None,
    }


def _count_and_size(tensor: Any) -> tuple[int, int]:
    """Return a tensor's elements and bytes."""
    try:
        count = int(tensor.numel())
    except ValueError:  # of a lazy module: it has no shape yet
        return 0, 0
    return count, count * int(tensor.element_size())


def _buffers(model: Any) -> list[Any]:
    return list(model.buffers()) if hasattr(model, "buffers") else []
