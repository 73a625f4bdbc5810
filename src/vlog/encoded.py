"""A value that is encoded once, for all the entries that carry it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping


class Encoded:
    """A value of JSON with its text; normalized and without secrets, so that nobody looks again.

    Args:
        values: The value.

    Attributes:
        values: The same. Nobody changes it.
        json: The same, encoded.
    """

    __slots__ = ("json", "values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.json = orjson.dumps(values)
