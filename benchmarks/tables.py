"""Put a measured table between its marks in a Markdown file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_table(target: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- name: begin -->` and `<!-- name: end -->` in `target`.

    Raises:
        ValueError: the marks are not there.
    """
    start, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = target.read_text(encoding="utf-8").partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{target} has no marks {start} and {end}. Add them where the table goes.")
    target.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def publish(text: str, name: str, target: Path | None) -> None:
    """Print a table, and put it in its place in `target` if there is one; see `write_table`."""
    print(text)
    if target is not None:
        write_table(target, name, text)
