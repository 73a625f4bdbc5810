"""`vlog tail`: the last entries of a log, one line each, and those to come."""

from __future__ import annotations

import sys
import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vlog.analysis.fields import integer_at, number_at, object_at, text_at, time_of
from vlog.cli.screen import Cell, Screen, print_note
from vlog.family import list_family, telling_fields
from vlog.reader import growing_lines, parse, read_lines
from vlog.schema import EventType
from vlog.units import duration, number, percent
from vlog.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from vlog.family import FamilyLines
    from vlog.file_lines import Line
    from vlog.filters import Filter

POLL_SECONDS = 0.2
_LONGEST_VALUE = 60  # characters
_SPARE_LINES = 20
_TELLING_CELLS = {"rank": 7, "pid": 11}
_LEVEL_STYLES = {"DEBUG": "dim", "INFO": "green", "WARNING": "yellow", "ERROR": "bold red"}


class Tail:
    """The entries of a log that a filter accepts, on the screen.

    Attributes:
        unreadable: Lines that were no entries, a torn last one left out.
    """

    def __init__(self, screen: Screen, wanted: Filter, *, is_raw: bool) -> None:
        self.unreadable = 0
        self._screen = screen
        self._wanted = wanted
        self._telling: tuple[str, ...] = ()  # the fields that tell the log's files apart
        self._print = self._print_raw if is_raw else self._print_pretty

    def show(self, path: Path, count: int) -> None:
        """Print the last `count` entries."""
        self._telling = telling_fields(list_family(path))
        self._print_last(read_lines(path, on_problem=self._add_problem), count)

    def follow(self, path: Path, count: int) -> None:
        """Print the last `count` entries, then every new one, without an end."""
        log = growing_lines(path, on_problem=self._add_problem)
        if not any(file.exists() for file in list_family(path)):
            print_note(f"waiting for {path}: Ctrl-C ends it.")
        self._print_last(self._poll(log), count)
        while True:
            sys.stdout.flush()
            time.sleep(POLL_SECONDS)
            for line, entry in self._entries(self._poll(log)):
                self._print(line.raw, entry)

    def _poll(self, log: FamilyLines) -> Iterator[Line]:
        lines = log.poll()
        self._telling = telling_fields(log.files)  # a file may have come
        return lines

    def _print_last(self, lines: Iterable[Line], count: int) -> None:
        if self._wanted.accepts_all:
            # Only lines near the end need parsing: some more, since not all may be entries.
            lines = deque(lines, maxlen=count + _SPARE_LINES)
        last = deque(((line.raw, entry) for line, entry in self._entries(lines)), maxlen=count)
        for raw, entry in last:
            self._print(raw, entry)

    def _entries(self, lines: Iterable[Line]) -> Iterator[tuple[Line, dict[str, Any]]]:
        for line in lines:
            try:
                entry = parse(line.raw)
            except ValueError:
                self.unreadable += not line.is_tail and not line.is_blank
                continue
            if self._wanted.accepts(entry):
                yield line, entry

    def _add_problem(self, _path: Path, _line_number: int, _reason: str, _raw: bytes) -> None:
        self.unreadable += 1

    def _print_raw(self, raw: bytes, _entry: dict[str, Any]) -> None:
        if self._screen.is_terminal:
            print(visible_line(raw))  # noqa: T201
        else:
            sys.stdout.buffer.write(raw if raw.endswith(b"\n") else raw + b"\n")

    def _print_pretty(self, _raw: bytes, entry: dict[str, Any]) -> None:
        self._screen.line(*pretty_line(entry, self._telling))


def pretty_line(entry: dict[str, Any], telling: Sequence[str] = ()) -> Iterator[Cell]:
    """Yield the parts of an entry's line: time, level, tier, step, message, numbers.

    Args:
        entry: The entry.
        telling: Fields whose values stand before its step: from which of the log's files it is.
    """
    level, step = _short(entry, "level"), integer_at(entry, "step")
    yield Cell(f"{_clock_time(text_at(entry, 'timestamp'))}  ", "dim")
    yield Cell(f"{level:<7}  ", _LEVEL_STYLES.get(level, "magenta"))
    yield Cell(f"{_short(entry, 'verbosity'):<6}  ", "dim")
    for name in telling:
        yield Cell(f"{f'{name} {_short(entry, name)}':<{_TELLING_CELLS[name]}}  ", "magenta")
    yield Cell(f"{'' if step is None else step:>6}  ", "cyan")
    message = str(entry.get("message") or entry.get("type") or "")
    yield Cell(message)
    numbers = "  ".join(_numbers(entry, has_loss="loss" in message.lower()))
    if numbers:
        yield Cell(f"  {numbers}", "dim")
    said = "  ".join(_said(entry))
    if said:
        yield Cell(f"  {said}", "dim")


def _said(entry: dict[str, Any]) -> Iterator[str]:
    """Yield whose record a `log_record` is, and its keys; the last line of a traceback."""
    if entry.get("type") != EventType.LOG_RECORD:
        return
    yield f"[{_short(entry, 'logger')}]"
    for name, value in object_at(entry, "fields").items():
        text = str(value).strip().rpartition("\n")[2]
        yield f"{name}={text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + '...'}"


def _short(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return "-" if value is None else str(value)[:20]


def _clock_time(timestamp: str | None) -> str:
    """Return the local time of day, with the date unless it is today's."""
    when = time_of(timestamp)
    if when is None:
        return (timestamp or "-")[:32]
    is_today = when.date() == datetime.now().astimezone().date()
    return when.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")


def _numbers(entry: dict[str, Any], *, has_loss: bool) -> Iterator[str]:
    """Yield the numbers that the message does not say, the shortest way."""
    for name, short, keys in (
        ("loss", "loss", ("metrics", "loss")),
        ("eval_loss", "eval_loss", ("metrics", "eval_loss")),
        ("learning_rate", "lr", ("metrics", "learning_rate")),
        ("grad_norm", "grad", ("metrics", "grad_norm")),
    ):
        value = number_at(entry, *keys)
        value = number_at(entry, name) if value is None else value
        if value is not None and not (has_loss and name.endswith("loss")):
            yield f"{short} {number(value)}"
    seconds = number_at(entry, "timing", "step_time_seconds")
    seconds = number_at(entry, "step_time") if seconds is None else seconds
    if seconds is not None:
        yield f"{duration(seconds)}/step"
    memory = number_at(entry, "resource_usage", "memory", "usage_percent")
    if memory is not None:
        yield f"mem {percent(memory)}"
