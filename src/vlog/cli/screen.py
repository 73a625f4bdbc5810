"""Where the command line prints: a terminal gets colours and tables, a pipe plain text."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlog.visible import visible, visible_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NAME_CELLS = 45  # as many as this, the first column of a table keeps its texts whole


class Cell(NamedTuple):
    """A text and its rich style."""

    text: object
    style: str = ""


class Screen:
    """Standard output.

    What is printed is text, never markup: brackets in a log mean nothing.

    Attributes:
        is_terminal: Whether somebody looks at it.
    """

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        self._console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)

    def line(self, *cells: Cell) -> None:
        """Print cells side by side, however long the line gets."""
        text = Text.assemble(*(_text(cell) for cell in cells))
        if self.is_terminal:
            self._console.print(text, soft_wrap=True)
        else:
            print(text.plain.rstrip())  # noqa: T201

    def section(self, name: str) -> None:
        """Print a heading."""
        self.line()
        self.line(Cell(name, "bold cyan"))

    def pairs(self, rows: Iterable[tuple[str, Cell]]) -> None:
        """Print names and values, the values below one another."""
        cells = [[Cell(f"  {name}", "dim"), value] for name, value in rows]
        if self.is_terminal:
            grid = Table.grid(padding=(0, 2, 0, 0))
            grid.add_column(no_wrap=True)
            grid.add_column(overflow="fold")
            self._print_rows(grid, cells)
        else:
            _print_aligned(cells)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Print a table; every row has a cell for each header."""
        if self.is_terminal:
            table = Table(
                box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
            )
            for place, header in enumerate(headers):
                # Names come first: they stay whole while the texts behind them are folded.
                longest = max((cell_len(visible(row[place].text)) for row in rows), default=0)
                is_whole = place == 0 and longest <= _NAME_CELLS
                table.add_column(header, overflow="fold", no_wrap=is_whole)
            self._print_rows(table, rows)
        else:
            _print_aligned([[Cell(header) for header in headers], *rows])

    def json(self, value: Any) -> None:
        """Print a value, dataclasses too, as JSON."""
        try:
            text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
        except TypeError:  # a file name that is not UTF-8
            text = json.dumps(value, indent=2, default=dataclasses.asdict)
        print(visible_json(text))  # noqa: T201

    def _print_rows(self, table: Table, rows: Iterable[Sequence[Cell]]) -> None:
        for row in rows:
            table.add_row(*(_text(cell) for cell in row))
        self._console.print(table)


def print_error(message: object) -> None:
    """Print why a command failed to standard error."""
    print(f"error: {visible(message)}", file=sys.stderr)  # noqa: T201


def print_note(message: object) -> None:
    """Print what its reader should know beside a command's output to standard error."""
    print(f"note: {visible(message)}", file=sys.stderr)  # noqa: T201


def _text(cell: Cell) -> Text:
    return Text(visible(cell.text), style=cell.style)


def _print_aligned(rows: Sequence[Sequence[Cell]]) -> None:
    texts = [[visible(cell.text) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        padded = (
            text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)
        )
        print("  ".join(padded).rstrip())  # noqa: T201
