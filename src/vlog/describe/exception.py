"""What was raised, as text; an exception may raise again while it is being described."""

from __future__ import annotations

import traceback


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
