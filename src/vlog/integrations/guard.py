"""The boundary between vlog and a training: nothing that goes wrong inside passes it."""

from __future__ import annotations

import functools
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from vlog.interrupts import deferred_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlog.timing import PhaseLedger


class Guarded(Protocol):
    """An integration whose methods are called by a training."""

    @property
    def ledger(self) -> PhaseLedger | None:
        """Where the time of the run that is open goes; None while none is."""
        ...

    def report_fault(self, what: str, error: BaseException) -> None:
        """Tell the error log."""
        ...


_Method = TypeVar("_Method", bound="Callable[..., Any]")


def guarded(method: _Method) -> _Method:
    """Let nothing out of `method`: what it raises is reported, and its time is vlog's.

    Args:
        method: A method of a `Guarded`, whose result nobody needs.
    """

    @functools.wraps(method)
    def safe(self: Guarded, *args: Any, **kwargs: Any) -> None:
        ledger = self.ledger
        is_main = get_ident() == deferred_signals.main
        if is_main:  # as `with deferred_signals` has it, in half of the time
            deferred_signals.depth += 1
        has_entered = False
        try:
            has_entered = ledger is not None and ledger.enter()
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - this is the boundary to the training
            self.report_fault(f"{method.__name__} failed", error)
        finally:
            try:  # a signal handler that is not ours may raise in here
                if has_entered:
                    ledger.leave()  # type: ignore[union-attr]
            finally:
                if is_main:
                    deferred_signals.depth -= 1
                    if deferred_signals.waiting:
                        deferred_signals.deliver()

    return cast("_Method", safe)
