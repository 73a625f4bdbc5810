"""Any Python value as something that JSON can hold.

Numbers that are not finite become `None` and are named in a dict beside; what cannot be encoded
becomes a string in angle brackets that says what it was; what is too long is cut and says so. A
tensor that is not in the host's memory is described and never read.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from enum import Enum
from os import PathLike
from typing import Any

MAX_DEPTH = 16
MAX_ITEMS = 1_000  # in one container
MAX_VALUES = 20_000  # in one entry
MAX_TEXT = 32_768  # characters in one string
_SMALL_ARRAY = 64
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1


def normalize(
    value: Any, path: str = "", keep: tuple[type, ...] = ()
) -> tuple[Any, dict[str, str]]:
    """Return `value` for JSON, and the names of the non-finite numbers in it.

    Args:
        value: Anything.
        path: The dotted name of `value`, which the names begin with.
        keep: Types that the encoder knows and that are passed on as they are.

    >>> normalize({"loss": float("nan"), "step": 3})
    ({'loss': None, 'step': 3}, {'loss': 'nan'})
    """
    walk = _Walk(keep)
    return walk.convert(value, path, 0), walk.non_finite


def clean_text(text: str) -> str:
    """Return `text` as valid UTF-8 of at most `MAX_TEXT` characters.

    A text that is too long keeps its two ends: a traceback's first and last lines say most.
    """
    if len(text) > MAX_TEXT:
        half = MAX_TEXT // 2
        text = f"{text[:half]}<cut: {len(text) - 2 * half} characters>{text[-half:]}"
    if text.isascii():
        return str.__str__(text)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def non_finite_name(value: float) -> str:
    """Return `nan`, `inf` or `-inf`."""
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


class _Walk:
    """One conversion: what it has seen and may still see."""

    def __init__(self, keep: tuple[type, ...]) -> None:
        self.non_finite: dict[str, str] = {}
        self._keep = keep
        self._left = MAX_VALUES
        self._open: set[int] = set()  # containers that are being walked, to find cycles

    def convert(self, value: Any, path: str, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is float:
            return self._number(value, path)
        if kind is str:
            return clean_text(value)
        if kind is int:
            return value if _MIN_INT <= value <= _MAX_INT else f"<int: {_digits(value)}>"
        return self._convert_other(value, path, depth)

    def _number(self, value: float, path: str) -> float | None:
        if math.isfinite(value):
            return value
        self.non_finite[path] = non_finite_name(value)
        return None

    def _convert_other(self, value: Any, path: str, depth: int) -> Any:
        try:
            if self._keep and isinstance(value, self._keep):
                return value
            simple = _simplify(value)
            if simple is not value:
                return self.convert(simple, path, depth)
            if isinstance(value, (Mapping, Sequence, AbstractSet)):
                return self._convert_container(value, path, depth)
            return clean_text(f"<{type(value).__name__}: {repr(value)[:200]}>")
        except Exception as error:  # noqa: BLE001 - a value may raise anything, and says so here
            return f"<{type(value).__name__}: raised {type(error).__name__}>"

    def _convert_container(self, value: Any, path: str, depth: int) -> Any:
        if id(value) in self._open:
            return f"<{type(value).__name__}: refers to itself>"
        if depth >= MAX_DEPTH:
            return f"<{type(value).__name__}: nested deeper than {MAX_DEPTH}>"
        self._open.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._convert_mapping(value, path, depth)
            return self._convert_items(value, path, depth)
        finally:
            self._open.discard(id(value))

    def _convert_mapping(self, value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in value.items():
            if len(result) >= MAX_ITEMS or self._left <= 0:
                result["<cut>"] = f"{len(value) - len(result)} more keys"
                break
            self._left -= 1
            name = clean_text(key) if type(key) is str else clean_text(_key_text(key))
            result[name] = self.convert(item, f"{path}.{name}" if path else name, depth + 1)
        return result

    def _convert_items(self, value: Any, path: str, depth: int) -> list[Any]:
        result: list[Any] = []
        for index, item in enumerate(value):
            if index >= MAX_ITEMS or self._left <= 0:
                result.append(f"<cut: {len(value) - index} more items>")
                break
            self._left -= 1
            result.append(self.convert(item, f"{path}[{index}]", depth + 1))
        return result


def _simplify(value: Any) -> Any:
    """Return a plainer value for `value`, or `value` itself where there is none."""
    for kind, plain in _PLAIN_FORMS:
        if isinstance(value, kind):
            return plain(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return _simplify_array(value)


# The first that fits: an enum of strings is an enum, a bool is an int.
_PLAIN_FORMS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: value.value),
    ((bytes, bytearray, memoryview), lambda value: f"<{type(value).__name__}: {len(value)} bytes>"),
    (str, str.__str__),  # exactly a str, whatever `__str__` its class has
    (bool, bool),
    (int, int),
    (float, float),
    (PathLike, str),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, lambda value: value.total_seconds()),
    (BaseException, lambda value: f"<{type(value).__name__}: {value}>"),
    (type, lambda value: f"{value.__module__}.{value.__qualname__}"),
)


def _simplify_array(value: Any) -> Any:
    """Return a NumPy or torch value as numbers if it is small and in the host's memory."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        # Reading from a device would wait for it; a meta tensor has nothing to read.
        is_readable = value.device.type == "cpu" and value.layout is torch.strided
        if not is_readable or value.numel() > _SMALL_ARRAY:
            return f"<tensor: {value.dtype} {tuple(value.shape)} on {value.device}>"
        return value.detach().tolist()
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        if value.size > _SMALL_ARRAY:
            return f"<ndarray: {value.dtype} {value.shape}>"
        if isinstance(value, numpy.longdouble):  # `tolist` gives it back as it is
            return float(value)
        return value.tolist()
    return value


def _key_text(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    try:
        return str(key)
    except Exception as error:  # noqa: BLE001 - a key may raise anything, and says so here
        return f"<{type(key).__name__}: raised {type(error).__name__}>"


def _digits(value: int) -> str:
    """Return the number in decimal, or its size where Python refuses to print that many digits."""
    try:
        return str(value)
    except ValueError:
        return f"{value.bit_length()} bits"
