"""What was raised, as text; and descriptions that raise."""

from __future__ import annotations

import traceback
from typing import Any


def describe_exception(error: BaseException) -> dict[str, str]:
    """Return `type`, `message` and `stack` (the traceback, its causes included)."""
    try:
        message = str(error)
    except Exception as second:  # noqa: BLE001 - it says so in the message
        message = f"<text raised {type(second).__name__}>"
    return {
        "type": type(error).__name__,
        "message": message,
        "stack": "".join(traceback.format_exception(error)),
    }


def described(describe: Any, *args: Any, **options: Any) -> dict[str, Any]:
    """Return what `describe` says, or why it cannot: that must cost no other part of an entry."""
    try:
        result: dict[str, Any] = describe(*args, **options)
    except Exception as error:  # noqa: BLE001 - other people's objects may raise anything
        return {"not_described": f"{type(error).__name__}: {error}"}
    return result
