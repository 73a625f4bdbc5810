"""The structure of batches, most of which are like the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlog.describe.dataset import describe_structure
from vlog.encoded import Encoded
from vlog.redaction import Rules, redact, rules_in_force
from vlog.values import normalize

_MAX_ARRAYS = 50


class BatchStructures:
    """Describe batches, and keep the last description for those that are alike."""

    def __init__(self) -> None:
        self._outline: object = None
        self._rules: Rules | None = None
        self._last = Encoded({})

    def of(self, batch: Any) -> Encoded:
        """Return types, shapes and lengths in place of values, ready to be written."""
        rules, outline = rules_in_force(), _outline_of(batch)
        if rules is not self._rules or not _is_same(outline, self._outline):
            structure, _ = normalize(describe_structure(batch), "batch")
            self._last = Encoded(redact(structure, "batch"))
            self._outline, self._rules = outline, rules
        return self._last


def _is_same(outline: object, other: object) -> bool:
    try:
        return outline is not None and outline == other
    except Exception:  # noqa: BLE001 - a shape or dtype of somebody's own
        return False


def _outline_of(batch: Any) -> object:
    """Return what tells a batch of arrays from one of another structure; None if it is none."""
    try:
        if isinstance(batch, Mapping):
            return [(name, each.shape, each.dtype) for name, each in batch.items()]
        if type(batch) in (tuple, list) and len(batch) <= _MAX_ARRAYS:
            return type(batch), [(each.shape, each.dtype) for each in batch]
    except Exception:  # noqa: BLE001 - something in it is no array
        return None
    return None
