"""Many lines decoded at once, if there is nothing odd about any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from vlog.file_lines import Line

_Entry = TypeVar("_Entry")
REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_block(decoder: msgspec.json.Decoder[_Entry], block: Line) -> list[_Entry]:
    """Return what the decoder makes of each line of a block; nothing if it refuses one."""
    if block.nuls:
        return []
    decode = decoder.decode
    try:
        return [decode(raw) for raw in block.lines or (block.raw,)]
    except REFUSALS:
        return []
