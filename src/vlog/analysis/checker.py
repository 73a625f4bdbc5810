"""Whether one entry is what the schema says, at the speed of C.

Keys that the schema does not know may stand anywhere.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from vlog.analysis.blocks import decode_block
from vlog.analysis.structs import SEVERITIES, TIERS, all_events, union_of
from vlog.schema import EVENTS, EventType

if TYPE_CHECKING:
    from vlog.file_lines import Line


def check(entry: dict[str, Any], raw: bytes) -> str | None:
    """Return what is wrong with an entry, or None.

    An entry without `run_id` (of the standard log, or of an application) needs only the fields
    that every entry has; the others must have the right type if they are there.

    Args:
        entry: The entry.
        raw: The line that it was read from.
    """
    if "type" not in entry:
        return "Object missing required field `type`"
    decoder = _decoders("run_id" in entry).get(_key(entry["type"]))
    if decoder is None:
        return f"Unknown type {entry['type']!r}. Expected one of: {', '.join(EVENTS)}."
    try:
        decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return _with_allowed(str(error))
    return None


def _key(value: object) -> str:
    return value if isinstance(value, str) else ""


def _with_allowed(reason: str) -> str:
    """Add the allowed values, which msgspec does not name."""
    for place, allowed in (("`$.level`", SEVERITIES), ("`$.verbosity`", TIERS)):
        if reason.startswith("Invalid enum value") and reason.endswith(place):
            return f"{reason}. Expected one of: {', '.join(allowed)}."
    return reason


@cache
def _decoders(has_run: bool) -> dict[str, msgspec.json.Decoder[Any]]:
    """Return a decoder by event type, for the entries of a run or for those without one."""
    structs = all_events(is_strict=False, has_run=has_run)
    return {name: msgspec.json.Decoder(struct) for name, struct in structs.items()}


def valid_entries(block: Line) -> list[Any]:
    """Return the entries of a block if each is of a run and valid beyond doubt; none if not.

    They are structs, whose `__name__` is the event type. A `logging_gap` is looked at by itself.
    """
    return decode_block(_strict_decoder(), block)


@cache
def _strict_decoder() -> msgspec.json.Decoder[Any]:
    structs = all_events(is_strict=True, has_run=True)
    del structs[EventType.LOGGING_GAP]
    return msgspec.json.Decoder(union_of(list(structs.values())))
