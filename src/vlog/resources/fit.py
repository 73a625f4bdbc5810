"""Whether what a source says can be true: the schema's types and ranges, held against it."""

from __future__ import annotations

import math
from typing import Any

from vlog.schema import RESOURCE_USAGE, Field

Gaps = dict[str, Exception]

_SECTIONS = {each.name: each for each in RESOURCE_USAGE.fields}
_SLACK = 1e-6  # of a range: counters and rounding are not exact
_LONGEST_TEXT = 1_000


def fit(name: str, values: object) -> tuple[dict[str, Any], Gaps]:
    """Return the values of the section `name` that can be true, and why the others cannot.

    >>> fit("cpu", {"usage_percent": 50.0, "load_1_minute": float("nan")})
    ({'usage_percent': 50.0}, {'load_1_minute': ValueError('nan is not a finite number')})
    """
    if not isinstance(values, dict):
        raise TypeError(f"it returned a {type(values).__name__}, not a dict of fields")
    gaps: Gaps = {}
    definition = _SECTIONS.get(name)
    known = {each.name: each for each in definition.fields} if definition else {}
    return _fit_object(values, known, None, "", gaps), gaps


def _fit_object(
    values: dict[Any, Any], known: dict[str, Field], inner: Field | None, path: str, gaps: Gaps
) -> dict[str, Any]:
    """Return the values that can be true of an object.

    Args:
        values: The object.
        known: Its fields, by key.
        inner: What a value under any other key is, if that is known.
        path: Where it stands.
        gaps: Takes why the others cannot be true.
    """
    found = {}
    for key, value in values.items():
        here = f"{path}.{key}" if path else str(key)
        if not isinstance(key, str):
            gaps[here] = TypeError(f"key {key!r} is no string")
            continue
        try:
            found[key] = _fit_value(value, known.get(key, inner), here, gaps)
        except (TypeError, ValueError) as error:
            gaps[here] = error
    return found


def _fit_value(value: Any, field: Field | None, path: str, gaps: Gaps) -> Any:
    kind = type(value)
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if field is not None:
        _check(value, field)
    if kind is dict:
        known = {each.name: each for each in field.fields} if field else {}
        return _fit_object(value, known, _inner_of(field), path, gaps)
    if kind in (list, tuple):
        return _fit_list(value, _inner_of(field), path, gaps)
    if kind is int and not -(2**63) <= value < 2**64:
        raise ValueError("it has more than 64 bits")
    if kind is str:
        if len(value) > _LONGEST_TEXT:
            raise ValueError(f"it has {len(value)} characters")
        value.encode()
    elif kind not in (int, float, bool, type(None)):
        raise TypeError(f"a {kind.__name__} is no number or text")
    return value


def _fit_list(values: Any, inner: Field | None, path: str, gaps: Gaps) -> list[Any]:
    """Return the items that can be true; an object is named by its `index`, where it has one."""
    found = []
    for place, value in enumerate(values):
        here = f"{path}[{value.get('index', place) if type(value) is dict else place}]"
        try:
            found.append(_fit_value(value, inner, here, gaps))
        except (TypeError, ValueError) as error:
            gaps[here] = error
    return found


def _inner_of(field: Field | None) -> Field | None:
    """Return what stands in an array, or under any key of an object whose keys are free."""
    if field is None or not (field.items or field.values):
        return None
    return Field(field.name, field.values or "object", field.about, fields=field.items)


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
