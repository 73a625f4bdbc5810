"""Signals wait while an entry is being made, so that a Ctrl-C cuts none short.

Python runs a signal's handler between two instructions of the main thread, wherever that is. The
handlers that `vlog.endings` installs ask here first; what is kept is delivered when the main
thread leaves vlog.
"""

from __future__ import annotations

import signal
import threading
from threading import get_ident
from typing import Self

from vlog.fork import in_child

_MOST = 2  # whoever presses Ctrl-C a third time means now


class _Deferral:
    """A section of the main thread that signals do not enter; in other threads, nothing.

    Attributes:
        main: The main thread.
        depth: How often it has entered.
        waiting: The signals that came meanwhile.
    """

    def __init__(self) -> None:
        self.main = threading.main_thread().ident
        self.depth = 0
        self.waiting: list[int] = []

    def keeps(self, number: int) -> bool:
        """Keep the signal `number` for later, if the main thread is in the section.

        Returns:
            Whether it is kept; if not, it is the caller's to act on now.
        """
        if self.depth == 0 or len(self.waiting) >= _MOST:
            return False
        self.waiting.append(number)
        return True

    def __enter__(self) -> Self:
        """Enter the section; it may be entered again inside."""
        if get_ident() == self.main:
            self.depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the section; with the outermost one, deliver what waits."""
        if get_ident() == self.main:
            self.depth -= 1
            self.deliver()

    def deliver(self) -> None:
        """Deliver what waits, unless the section is entered still."""
        while self.waiting and self.depth == 0:
            signal.raise_signal(self.waiting.pop(0))  # its handler may raise: the rest waits on

    def forget(self) -> None:
        """Leave the section, in a child of another thread than the one that is in it.

        Nobody else would: the child has no such thread, and would keep each signal for ever.
        """
        self.waiting.clear()
        if get_ident() != self.main:
            self.main, self.depth = get_ident(), 0


deferred_signals = _Deferral()
in_child(deferred_signals.forget)
