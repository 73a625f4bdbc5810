"""The boundary between vlog and a training: nothing that goes wrong inside passes it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from vlog.interrupts import deferred_signals

if TYPE_CHECKING:
    from collections.abc import Callable


class Guarded(Protocol):
    """An integration whose methods are called by a training."""

    def report_fault(self, what: str, error: BaseException) -> None:
        """Tell the error log."""
        ...

    def leave(self) -> None:
        """Say that the time since the last mark was vlog's own."""
        ...


_Method = TypeVar("_Method", bound="Callable[..., Any]")


def guarded(method: _Method) -> _Method:
    """Let nothing out of `method`: what it raises is reported, and its time is vlog's.

    Args:
        method: A method of a `Guarded`, whose result nobody needs.
    """

    @functools.wraps(method)
    def safe(self: Guarded, *args: Any, **kwargs: Any) -> None:
        with deferred_signals:
            try:
                method(self, *args, **kwargs)
            except Exception as error:  # noqa: BLE001 - this is the boundary to the training
                self.report_fault(f"{method.__name__} failed", error)
            self.leave()

    return cast("_Method", safe)
