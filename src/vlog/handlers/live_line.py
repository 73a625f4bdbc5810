"""How a training goes, in one line: as much of it as fits, the more important first.

Pure: a step and a width go in, a text comes out. What is no number is left out, like what is
absent; the loss alone may be nan or infinite.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.cells import cell_len, set_cell_size

from vlog.handlers.terminal import Part
from vlog.units import duration, number, whole
from vlog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_DIM, _BOLD, _RED, _YELLOW, _GREEN = "2", "1", "1;31", "33", "32"
_BAR_CELLS, _WIDE_BAR_CELLS, _WIDE_COLUMNS = 10, 20, 110
_SHORTEST_NAME, _LONGEST_NAME = 8, 40
_HIGH_MEMORY_PERCENT, _HIGH_GPU_MEMORY_PERCENT = 90, 95  # as the alerts have it
_DAY_SECONDS = 86_400
_LEAST_MINUTES = 0.5 / 60  # less would read as no time at all
# The items by importance; on the screen, the bar comes first and the steps before the loss.
_PERCENT, _LOSS, _STEPS, _BAR, _ETA, _TIME, _MEMORY, _GPU, _BUSY, _HEAT, _NAME, _RATE = range(12)


class Step(NamedTuple):
    """What is known after a step.

    Attributes:
        name: The run's.
        number: Steps done.
        held: The step's `metrics`, `timing` and `progress`.
        usage: The sections of the latest reading, if there is one.
        last_loss: The last one before this step, for a step that has none.
    """

    name: str
    number: int
    held: dict[str, Any]
    usage: dict[str, Any] | None = None
    last_loss: Any = None


class Signs(NamedTuple):
    """What a line is drawn with."""

    done: str
    half: str
    rest: str
    ellipsis: str
    degrees: str


UNICODE = Signs("━", "╸", "─", "…", "°C")
ASCII = Signs("#", "#", "-", "...", "C")


def signs_for(can_show: Callable[[str], bool]) -> Signs:
    """Return what a line is drawn with, where `can_show` tells which texts can be shown."""
    return UNICODE if can_show("".join(UNICODE)) else ASCII


class Item(NamedTuple):
    """A piece of the line that is there as a whole or not at all.

    Attributes:
        rank: Its place by importance, 0 first.
        gap: Blanks in front of it, unless it is the first.
        parts: Its text.
    """

    rank: int
    gap: int
    parts: tuple[Part, ...]

    @property
    def cells(self) -> int:
        """Its width, without the gap."""
        return sum(cell_len(part.text) for part in self.parts)


def live_line(step: Step, columns: int, signs: Signs = UNICODE) -> list[Part]:
    """Return the line for a terminal of `columns` cells, of which it leaves the last one free."""
    items = list(_items(step, columns, signs))
    room = columns  # every gap is counted, though the first item has none: that is the free cell
    least, has_bar = _NAME, True
    for item in sorted(items, key=lambda item: item.rank):
        if item.gap + item.cells <= room:
            room -= item.gap + item.cells
        elif item.rank == _BAR:  # it says what the percentage says
            has_bar = False
        else:
            least = item.rank
            break
    shown = [item for item in items if item.rank < least and (has_bar or item.rank != _BAR)]
    if least == _NAME:
        names = list(_name(step.name, room - 2, signs))
        room -= sum(item.gap + item.cells for item in names)
        shown += [item for item in _rate(step.held) if item.gap + item.cells <= room] + names
    return list(_side_by_side(shown))


def plain_line(step: Step, signs: Signs = UNICODE) -> str:
    """Return the line for a pipe or a file: all of it, without the bar."""
    items = [item for item in _items(step, 0, signs) if item.rank != _BAR]
    items += [*_rate(step.held), *_name(step.name, _LONGEST_NAME, signs)]
    return "".join(part.text for part in _side_by_side(items)).lstrip()


def _side_by_side(items: Iterable[Item]) -> Iterator[Part]:
    for index, item in enumerate(items):
        if index:
            yield Part(" " * item.gap)
        yield from item.parts


def _items(step: Step, columns: int, signs: Signs) -> Iterator[Item]:
    yield from _progress(step, columns, signs)
    metrics = step.held.get("metrics")
    loss = metrics.get("loss", step.last_loss) if isinstance(metrics, dict) else step.last_loss
    loss = _float(loss)
    if loss is not None:
        style = "" if math.isfinite(loss) else _RED
        yield _labelled(_LOSS, "loss", loss_text(loss), style)
    eta = _number(step.held, "timing", "eta_minutes")
    if eta is not None and eta >= _LEAST_MINUTES and not _is_done(step):
        yield _labelled(_ETA, "ETA", clock_text(60 * eta))
    seconds = _number(step.held, "timing", "step_time_seconds")
    if seconds is not None:
        yield Item(_TIME, 2, (Part(duration(seconds)), Part("/step", _DIM)))
    memory = _number(step.usage, "memory", "usage_percent")
    if memory is not None:
        yield _labelled(_MEMORY, "mem", f"{memory:.0f}%", _heed(memory, _HIGH_MEMORY_PERCENT))
    yield from _gpu(step.usage, signs)


def _progress(step: Step, columns: int, signs: Signs) -> Iterator[Item]:
    percent = _number(step.held, "progress", "progress_percent")
    total = _number(step.held, "progress", "total_steps")
    if percent is not None:
        percent = min(max(percent, 0.0), 100.0)
        cells = _WIDE_BAR_CELLS if columns >= _WIDE_COLUMNS else _BAR_CELLS
        yield Item(_BAR, 1, bar(percent, cells, signs))
        # Rounded down: 100 % means done.
        yield Item(_PERCENT, 1, (Part(f"{math.floor(percent):3d}%", _BOLD),))
    if total is not None:
        text = f"{step.number:{len(f'{total:.0f}')}d}/{total:.0f}"
    else:
        text = f"step {step.number}"
    yield Item(_STEPS, 1, (Part(text),))


def _is_done(step: Step) -> bool:
    """Return whether it is the last step; a saving that follows is no matter for an ETA."""
    return (_number(step.held, "progress", "progress_percent") or 0.0) >= 100


def bar(percent: float, cells: int, signs: Signs = UNICODE) -> tuple[Part, ...]:
    """Return a bar of which `percent` (0 to 100) is done, to half a cell.

    >>> "".join(part.text for part in bar(45, 10, ASCII))
    '#####-----'
    """
    halves = round(2 * cells * percent / 100)
    done = signs.done * (halves // 2) + signs.half * (halves % 2)
    return Part(done, _GREEN), Part(signs.rest * (cells - len(done)), _DIM)


def loss_text(loss: float) -> str:
    """Return a loss in four significant digits, so that its width hardly ever changes.

    >>> loss_text(0.2), loss_text(12.345), loss_text(12345.6)
    ('0.2000', '12.35', '12,346')
    """
    is_short = abs(loss) < 1000
    return f"{loss:#.4g}" if is_short else number(loss)


def clock_text(seconds: float) -> str:
    """Return a duration as on a stop watch; days in words.

    >>> clock_text(9.4), clock_text(192), clock_text(7384), clock_text(200_000)
    ('0:09', '3:12', '2:03:04', '2 d 08 h')
    """
    if seconds >= _DAY_SECONDS:
        return duration(seconds)
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _gpu(usage: dict[str, Any] | None, signs: Signs) -> Iterator[Item]:
    """Yield memory, utilization and temperature of the device with the fullest memory."""
    found = _at(usage, "gpu", "devices")
    devices = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    if not devices:
        return
    fullest = max(devices, key=_fullness)
    index = _number(fullest, "index")
    label = "GPU" if len(devices) == 1 or index is None else f"GPU {index:.0f}"
    memory, busy, heat = (
        _number(fullest, name)
        for name in ("memory_usage_percent", "utilization_percent", "temperature_celsius")
    )
    if memory is not None:
        style = _heed(memory, _HIGH_GPU_MEMORY_PERCENT)
        yield _labelled(_GPU, f"{label} mem", f"{memory:.0f}%", style)
        label = ""
    if busy is not None:
        yield _labelled(_BUSY, f"{label} busy".strip(), f"{busy:.0f}%", gap=1 if not label else 2)
        label = ""
    if heat is not None:
        yield _labelled(_HEAT, label, f"{heat:.0f} {signs.degrees}", gap=1 if not label else 2)


def _fullness(device: dict[str, Any]) -> tuple[float, float]:
    memory, heat = _number(device, "memory_usage_percent"), _number(device, "temperature_celsius")
    return (-1.0 if memory is None else memory, -1.0 if heat is None else heat)


def _rate(held: dict[str, Any]) -> Iterator[Item]:
    for unit in ("tokens", "samples"):
        rate = _number(held, "timing", f"{unit}_per_second")
        if rate is not None:
            text = whole(rate) if rate >= 100 else f"{rate:#.3g}"
            yield Item(_RATE, 2, (Part(text), Part(f" {unit}/s", _DIM)))
            return


def _name(name: str, room: int, signs: Signs) -> Iterator[Item]:
    """Yield the run's name, if there is room for some of it: cut by an ellipsis."""
    text = visible(name)
    room = min(room, _LONGEST_NAME)
    if cell_len(text) > room:
        if room < _SHORTEST_NAME:
            return
        text = set_cell_size(text, room - len(signs.ellipsis)).rstrip() + signs.ellipsis
    if text:
        yield Item(_NAME, 2, (Part(text, _DIM),))


def _labelled(rank: int, label: str, text: str, style: str = "", gap: int = 2) -> Item:
    return Item(rank, gap, (Part(f"{label} " if label else "", _DIM), Part(text, style)))


def _heed(value: float, limit: float) -> str:
    return _YELLOW if value > limit else ""


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _number(value: Any, *keys: str) -> float | None:
    found = _float(_at(value, *keys))
    return found if found is not None and math.isfinite(found) else None


def _float(value: Any) -> float | None:
    """Return a number, NumPy's too. A tensor is none: to look at it would wait for its device."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.nan  # an integer of hundreds of digits
