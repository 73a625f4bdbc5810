"""`vlog levels`: what each verbosity writes, from the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.cli.screen import Cell, Screen
from vlog.schema import EVENTS
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlog.schema import Field


def levels() -> dict[str, Any]:
    """Return the table as data: event types, and the fields that come at a finer verbosity."""
    return {
        "verbosities": {verbosity.label: int(verbosity) for verbosity in Verbosity},
        "events": [
            {
                "type": str(event.type),
                "verbosity": event.tier.label,
                "level": str(event.severity),
                "about": event.about,
            }
            for event in EVENTS.values()
        ],
        "fields": [
            {"type": str(event.type), "field": name, "verbosity": tier.label, "about": about}
            for event in EVENTS.values()
            for name, tier, about in _finer_fields(event.fields, event.tier)
        ],
    }


def _finer_fields(
    fields: tuple[Field, ...], tier: Verbosity, prefix: str = ""
) -> Iterator[tuple[str, Verbosity, str]]:
    """Yield name, tier and meaning of the fields that a run of `tier` does not have yet."""
    for field in fields:
        if field.tier < tier:
            yield f"{prefix}{field.name}", field.tier, field.about
        tier_below = min(tier, field.tier)
        yield from _finer_fields(field.fields, tier_below, f"{prefix}{field.name}.")
        yield from _finer_fields(field.items, tier_below, f"{prefix}{field.name}[].")


def print_levels(screen: Screen) -> None:
    """Print the tables."""
    found = levels()
    tiers = list(found["verbosities"])
    mark = "●" if screen.is_terminal else "x"
    screen.line(Cell("What each verbosity writes: its own and that of the ones before it", "bold"))
    screen.line()
    rows = [
        [
            Cell(event["type"], "cyan"),
            *_marks(tiers, event["verbosity"], mark),
            Cell(event["level"], "" if event["level"] == "INFO" else "yellow"),
            Cell(event["about"], "dim"),
        ]
        for event in found["events"]
    ]
    screen.table(["type", *tiers, "level", "about"], rows)
    screen.line()
    screen.line(Cell("Fields that come later than their event", "bold"))
    screen.line()
    fields = [
        [Cell(field["field"], "cyan"), Cell(field["verbosity"]), Cell(field["type"], "dim")]
        for field in found["fields"]
    ]
    screen.table(["field", "from", "of"], fields)


def _marks(tiers: list[str], first: str, mark: str) -> list[Cell]:
    return [Cell(mark if tiers.index(tier) >= tiers.index(first) else "-") for tier in tiers]
