"""Whether what a source says can be true: the schema's types and ranges, held against it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vlog.schema import RESOURCE_USAGE

if TYPE_CHECKING:
    from vlog.schema import Field

_SECTIONS = {each.name: each for each in RESOURCE_USAGE.fields}
_SLACK = 1e-6  # of a range: counters and rounding are not exact
_LONGEST_TEXT = 1_000


def fit(name: str, values: object) -> tuple[dict[str, Any], dict[str, Exception]]:
    """Return the values of the section `name` that can be true, and why the others cannot.

    >>> fit("cpu", {"usage_percent": 50.0, "load_1_minute": float("nan")})
    ({'usage_percent': 50.0}, {'load_1_minute': ValueError('nan is not a finite number')})
    """
    if not isinstance(values, dict):
        raise TypeError(f"it returned a {type(values).__name__}, not a dict of fields")
    gaps: dict[str, Exception] = {}
    definition = _SECTIONS.get(name)
    known = {each.name: each for each in definition.fields} if definition else {}
    return _fit_object(values, known, "", gaps), gaps


def _fit_object(
    values: dict[Any, Any], known: dict[str, Field], path: str, gaps: dict[str, Exception]
) -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        here = f"{path}.{key}" if path else str(key)
        if not isinstance(key, str):
            gaps[here] = TypeError(f"key {key!r} is no string")
            continue
        try:
            found[key] = _fit_value(value, known.get(key), here, gaps)
        except (TypeError, ValueError) as error:
            gaps[here] = error
    return found


def _fit_value(value: Any, field: Field | None, path: str, gaps: dict[str, Exception]) -> Any:
    kind = type(value)
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if field is not None:
        _check(value, field)
    if kind is dict:
        known = {each.name: each for each in field.fields} if field else {}
        return _fit_object(value, known, path, gaps)
    if kind in (list, tuple):
        items = {each.name: each for each in field.items} if field else {}
        return [
            _fit_object(each, items, f"{path}[{each.get('index', place)}]", gaps)
            if type(each) is dict
            else _fit_value(each, None, path, gaps)
            for place, each in enumerate(value)
        ]
    if kind is int and not -(2**63) <= value < 2**64:
        raise ValueError("it has more than 64 bits")
    if kind is str:
        if len(value) > _LONGEST_TEXT:
            raise ValueError(f"it has {len(value)} characters")
        value.encode()
    elif kind not in (int, float, bool, type(None)):
        raise TypeError(f"a {kind.__name__} is no number or text")
    return value


_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list, tuple),
}


def _check(value: Any, field: Field) -> None:
    """Refuse a value of another kind than the field's, or out of its range."""
    if type(value) not in _KINDS.get(field.kind, (type(value),)):
        raise TypeError(f"a {type(value).__name__} stands where {field.kind} is expected")
    lowest, highest = field.minimum, field.maximum
    if lowest is not None and not value >= lowest - _SLACK:
        raise ValueError(f"{value} is below {lowest}")
    if highest is not None and not value <= highest + _SLACK:
        raise ValueError(f"{value} is above {highest}")
