"""What was raised, as text; and descriptions that raise."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from vlog.values import class_name

if TYPE_CHECKING:
    from collections.abc import Callable


def describe_exception(error: BaseException) -> dict[str, str]:
    """Return `type`, `message` and `stack` (the traceback, its causes and notes included)."""
    return {
        "type": class_name(error),
        "message": _text(str, error),
        "stack": _text(_stack, error),
    }


def described(describe: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return what `describe` says, or why it cannot: that must cost no other part of an entry."""
    try:
        return describe(*args, **options)
    except Exception as error:  # noqa: BLE001 - other people's objects may raise anything
        return {"not_described": f"{class_name(error)}: {_text(str, error)}"}


def _stack(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _text(tell: Callable[[BaseException], str], error: BaseException) -> str:
    try:
        return tell(error)
    except Exception as second:  # noqa: BLE001 - it says so in the text
        return f"<text raised {class_name(second)}>"
