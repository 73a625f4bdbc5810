"""What a kill, or a crash of the machine, leaves of a line; told apart from other damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from vlog.file_lines import Line

_LEFT_OUT = b"\0 \t\r\n"


def torn_reason(line: Line) -> str | None:
    """Return what is left of a line that is no entry; None if it was damaged in another way.

    A line is torn if it is the beginning of a JSON object and no more, or nothing but NUL bytes.
    Its writer was killed in the middle of the write, which had not returned, or is at it.
    """
    left = line.raw.strip(_LEFT_OUT)
    if not left:
        count = line.nuls + line.raw.count(b"\0")
        return nuls_text(count) if count else None
    return f"cut off after {len(left)} bytes" if _is_beginning_of_object(left) else None


def nuls_text(count: int) -> str:
    """Return how many NUL bytes there are."""
    return "a NUL byte" if count == 1 else f"{count} NUL bytes"


def _is_beginning_of_object(raw: bytes) -> bool:
    # A number that is cut behind its sign, point or exponent is malformed until a digit follows.
    return raw.startswith(b"{") and (_is_truncated(raw) or _is_truncated(raw + b"0"))


def _is_truncated(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except (UnicodeDecodeError, RecursionError):
        pass  # damaged, or nested as no entry is
    return False
