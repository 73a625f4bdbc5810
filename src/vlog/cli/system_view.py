"""`vlog system` as people read it: what the monitor sees here and now, and what it cannot see."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from vlog.cli.screen import Cell
from vlog.schema import RESOURCE_USAGE
from vlog.units import duration, gigabytes, number, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vlog.cli.screen import Screen
    from vlog.resources import Missing, Reading

_BAR_CELLS = 20
_UNITS: dict[str, Callable[[float], str]] = {
    "_percent": percent,
    "_mb_per_second": lambda value: f"{number(value)} MB/s",
    "_per_second": lambda value: f"{number(value)} /s",
    "_seconds": duration,
    "_gb": gigabytes,
    "_celsius": lambda value: f"{number(value)} °C",
    "_watts": lambda value: f"{number(value)} W",
    "_joules": lambda value: f"{number(value)} J",
    "_mhz": lambda value: f"{number(value)} MHz",
}


def print_reading(screen: Screen, reading: Reading) -> None:
    """Print every section of a reading, then what is missing and why."""
    definitions = {field.name: field for field in RESOURCE_USAGE.fields}
    for name, values in reading.values.items():
        definition = definitions.get(name)
        screen.section(f"{name}: {definition.about}" if definition else name)
        screen.pairs(_rows(values, screen.is_terminal))
        for items in (each for each in values.values() if _is_objects(each)):
            for item in items:
                screen.line()
                screen.pairs(_rows(item, screen.is_terminal))
    _print_missing(screen, reading.missing)


def _print_missing(screen: Screen, missing: Mapping[str, Missing]) -> None:
    screen.section("Not seen here")
    if missing:
        screen.pairs((path, Cell(what.why, "dim")) for path, what in missing.items())
    else:
        screen.line(Cell("  everything is seen", "green"))


def _rows(values: dict[str, Any], is_terminal: bool) -> Iterator[tuple[str, Cell]]:
    labels = Counter(map(_label, values))
    for name, value in values.items():
        if _is_objects(value):
            continue
        if isinstance(value, dict):
            for key, inner in value.items():
                yield f"{_label(name)} {_label(key)}", Cell(_text(key, inner))
            continue
        bar = _bar(value) if is_terminal and name.endswith("usage_percent") else ""
        # Two amounts of one thing: its unit tells them apart.
        label = _label(name) if labels[_label(name)] == 1 else name.replace("_", " ")
        yield label, Cell(f"{_text(name, value)}{bar}")


def _text(name: str, value: Any) -> str:
    """Return a value with its unit, which is at the end of its key."""
    if isinstance(value, dict):
        return ", ".join(f"{_label(key)} {_text(key, inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(name, each) for each in value) or "none"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        unit = next((unit for unit in _UNITS if name.endswith(unit)), None)
        return number(value) if unit is None else _UNITS[unit](value)
    return str(value)


def _label(name: str) -> str:
    for unit in _UNITS:
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def _bar(value: float) -> str:
    full = round(_BAR_CELLS * min(value, 100) / 100)
    return f"  {'█' * full}{'░' * (_BAR_CELLS - full)}"


def _is_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
