"""Any Python value as something that JSON can hold.

Numbers that are not finite become `None` and are named in a dict beside; what cannot be encoded
becomes a string in angle brackets that says what it was; what is too long is cut and says so. A
tensor that is not in the host's memory is described and never read, nor is an iterator.

What a value raises stands in its place. What is no `Exception` passes: a Ctrl-C, or the
`SystemExit` of a signal handler, may come in the midst of any value, and is an order to stop.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections import UserString
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized, ValuesView
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from enum import Enum
from itertools import islice
from os import PathLike
from types import SimpleNamespace
from typing import Any
from uuid import UUID

MAX_DEPTH = 16
MAX_ITEMS = 1_000  # in one container
MAX_VALUES = 20_000  # in one entry
MAX_TEXT = 32_768  # characters in one string
_MAX_REPR = 200
_CUT_MARK = 40  # characters, at least as many as what says that a text is cut
_SMALL_ARRAY = 64
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1
_PLAIN_CONTAINERS = frozenset({dict, list, tuple})


def normalize(
    value: Any, path: str = "", keep: tuple[type, ...] = ()
) -> tuple[Any, dict[str, str]]:
    """Return `value` for JSON, and the names of the non-finite numbers in it.

    What has been normalized stays as it is: a record's fields come through here twice.

    Args:
        value: Anything.
        path: The dotted name of `value`, which the names begin with.
        keep: Types that the encoder knows and that are passed on as they are.

    >>> normalize({"loss": float("nan"), "step": 3})
    ({'loss': None, 'step': 3}, {'loss': 'nan'})
    """
    walk = _Walk(keep)
    return walk.convert(value, path, 0), walk.non_finite


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """Return `text` as valid UTF-8, cut to `limit` characters.

    A text that is too long keeps its two ends: a traceback's first and last lines say most.
    """
    text = str.__str__(text)  # exactly a str, whatever its class has made of it
    if len(text) > limit:
        half = (limit - _CUT_MARK) // 2
        text = f"{text[:half]}<cut: {len(text) - 2 * half} characters>{text[-half:]}"
    if text.isascii():
        return text
    valid = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return valid if len(valid) <= limit else clean_text(valid, limit)


def class_name(value: object) -> str:
    """Return the name of a value's class, whatever the class itself says of that.

    >>> class_name(ValueError("no"))
    'ValueError'
    """
    name: str = _NAME_OF(type(value))
    return clean_text(name, _MAX_REPR)


_NAME_OF = type.__dict__["__name__"].__get__  # past a metaclass that raises


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
        try:
            return self._convert_other(value, path, depth)
        except Exception as error:  # noqa: BLE001 - a value may raise anything, and says so here
            return f"<{class_name(value)}: {_raised(error)}>"

    def _number(self, value: float, path: str) -> float | None:
        if math.isfinite(value):
            return value
        self.non_finite[_unused(path, self.non_finite)] = non_finite_name(value)
        return None

    def _convert_other(self, value: Any, path: str, depth: int) -> Any:
        if self._keep and isinstance(value, self._keep):
            return value
        if type(value) not in _PLAIN_CONTAINERS:  # most values that come here
            simple = _simplify(value)
            if simple is not value:
                return self.convert(simple, path, depth)
        pairs = _pairs(value)
        if pairs is not None or isinstance(value, (Sequence, AbstractSet, ValuesView)):
            return self._convert_container(value, pairs, path, depth)
        return f"<{class_name(value)}: {clean_text(repr(value), _MAX_REPR)}>"

    def _convert_container(
        self, value: Any, pairs: Iterable[tuple[Any, Any]] | None, path: str, depth: int
    ) -> Any:
        if id(value) in self._open:
            return f"<{class_name(value)}: refers to itself>"
        if depth >= MAX_DEPTH:
            return f"<{class_name(value)}: nested deeper than {MAX_DEPTH}>"
        self._open.add(id(value))
        try:
            if pairs is None:
                return self._convert_items(value, path, depth)
            return self._convert_pairs(value, pairs, path, depth)
        finally:
            self._open.discard(id(value))

    def _convert_pairs(
        self, value: Any, pairs: Iterable[tuple[Any, Any]], path: str, depth: int
    ) -> dict[str, Any]:
        result: dict[str, Any] = {}
        taken, problem = _take(pairs)
        for key, item in taken[: self._room(taken)]:
            self._left -= 1
            name = _unused(clean_text(_key_text(key)), result)
            result[name] = self.convert(item, f"{path}.{name}" if path else name, depth + 1)
        if problem or len(result) < len(taken):
            left_out = problem or f"{_rest(value, len(result))} keys"
            result[_unused("<cut>", result)] = left_out
        return result

    def _convert_items(self, value: Any, path: str, depth: int) -> list[Any]:
        result: list[Any] = []
        taken, problem = _take(value)
        for index, item in enumerate(taken[: self._room(taken)]):
            self._left -= 1
            result.append(self.convert(item, f"{path}[{index}]", depth + 1))
        if problem or len(result) < len(taken):
            result.append(f"<cut: {problem or f'{_rest(value, len(result))} items'}>")
        return result

    def _room(self, taken: list[Any]) -> int:
        """Return how many items may be shown: one less than all, where another says so."""
        return min(self._left, MAX_ITEMS - (len(taken) > MAX_ITEMS))


def _take(items: Iterable[Any]) -> tuple[list[Any], str]:
    """Return the first items, one more than are shown, and what went wrong behind them.

    All at once: the code of an item, or another thread, may change what it stands in.
    """
    taken: list[Any] = []
    try:
        taken.extend(islice(items, MAX_ITEMS + 1))
    except Exception as error:
        if not taken:
            raise
        return taken, _raised(error)
    return taken, ""


def _rest(value: Sized, shown: int) -> str:
    """Return how many more there are, if the container knows."""
    try:
        return f"{len(value) - shown} more"
    except Exception:  # noqa: BLE001 - infinite, or beyond what `len` can say
        return "more"


def _unused(name: str, used: Mapping[str, Any]) -> str:
    """Return `name`, with a number where another key has become the same text."""
    number, unused = 2, name
    while unused in used:
        unused = f"{name} ({number})"
        number += 1
    return unused


def _pairs(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """Return keys and values of a mapping or of an object made of fields; None for others."""
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, (SimpleNamespace, _loaded("argparse", "Namespace"))):
        return vars(value).items()
    if dataclasses.is_dataclass(value):
        return _fields(value, (field.name for field in dataclasses.fields(value)))
    if isinstance(value, tuple) and hasattr(type(value), "_fields"):  # a named one
        return zip(getattr(type(value), "_fields"), value, strict=False)  # noqa: B009 - typed so
    if isinstance(value, _loaded("pydantic", "BaseModel")):
        return _fields(value, type(value).model_fields)
    return None


def _fields(value: Any, names: Iterable[str]) -> Iterable[tuple[str, Any]]:
    for name in names:
        try:
            item = getattr(value, name)
        except Exception as error:  # noqa: BLE001 - a property, or not set yet; it says so
            item = f"<{_raised(error)}>"
        yield name, item


def _loaded(module: str, name: str) -> Any:
    """Return a class of a module that may not be loaded; no value is of it then."""
    return getattr(sys.modules.get(module), name, ())


def _simplify(value: Any) -> Any:
    """Return a plainer value for `value`, or `value` itself where there is none."""
    for kind, plain in _PLAIN_FORMS:
        if isinstance(value, kind):
            return plain(value)
    return _simplify_array(value)


# The first that fits: an enum of strings is an enum, a bool is an int.
_PLAIN_FORMS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: value.value),
    (
        (bytes, bytearray, memoryview),
        lambda value: f"<{class_name(value)}: {len(value)} bytes>",
    ),
    (str, str.__str__),  # exactly a str, whatever `__str__` its class has
    (bool, bool),
    (int, int),
    (float, float),
    ((PathLike, UUID, UserString), str),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, lambda value: value.total_seconds()),
    (BaseException, lambda value: f"<{class_name(value)}: {value}>"),
    (type, lambda value: f"{value.__module__}.{value.__qualname__}"),
)


def _simplify_array(value: Any) -> Any:
    """Return an array's numbers if it is small and NumPy's, or torch's in the host's memory."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _simplify_tensor(value, torch)
    if isinstance(value, (_loaded("torch", "dtype"), _loaded("torch", "device"))):
        return str(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        return _simplify_numpy(value, numpy)
    kind = type(value)
    if hasattr(kind, "dtype") and hasattr(kind, "shape"):
        return f"<{class_name(value)}: {value.dtype} {value.shape}>"
    return value


def _simplify_tensor(value: Any, torch: Any) -> Any:
    # Reading from a device would wait for it, reading a distributed tensor for other ranks; a meta
    # or fake tensor has nothing to read.
    is_plain = type(value).__torch_dispatch__ is torch.Tensor.__torch_dispatch__
    is_dense = value.layout is torch.strided and not value.is_nested and not value.is_quantized
    if is_plain and is_dense and value.device.type == "cpu" and value.numel() <= _SMALL_ARRAY:
        return value.detach().tolist()
    shape = "nested" if value.is_nested else tuple(value.shape)
    return f"<tensor: {value.dtype} {shape} on {value.device}>"


def _simplify_numpy(value: Any, numpy: Any) -> Any:
    if value.size > _SMALL_ARRAY:
        return f"<ndarray: {value.dtype} {value.shape}>"
    if value.dtype.kind in "mM":  # `tolist` makes nanoseconds a bare number
        return value.astype(str).tolist()
    plain = value.tolist()
    if isinstance(plain, numpy.generic):  # a number that Python has no type for
        return complex(plain) if value.dtype.kind == "c" else float(plain)
    return plain


def _key_text(key: Any) -> str:
    if type(key) is str:
        return key
    try:
        if isinstance(key, bytes):
            return key.decode("utf-8", "backslashreplace")
        return str.__str__(key) if isinstance(key, str) else str(_simplify_array(key))
    except Exception as error:  # noqa: BLE001 - a key may raise anything, and says so here
        return f"<{class_name(key)}: {_raised(error)}>"


def _raised(error: Exception) -> str:
    return f"raised {class_name(error)}"


def _digits(value: int) -> str:
    """Return the number in decimal, or its size where Python refuses to print that many digits."""
    try:
        return str(value)
    except ValueError:
        return f"{value.bit_length()} bits"
