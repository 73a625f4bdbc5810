"""The Trainer's own progress on the console, and ours: one of them at a time."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlog.handlers import ConsoleHandler

# By name: the one for notebooks cannot be imported without IPython.
_THEIRS = frozenset({"ProgressCallback", "PrinterCallback", "NotebookProgressCallback"})


class TrainerProgress:
    """Take the place of what a Trainer shows, or stand back behind it.

    Args:
        console: Ours; None without one.
        takes_its_place: Whether the Trainer's is taken out while a run goes on.
    """

    def __init__(self, console: ConsoleHandler | None, *, takes_its_place: bool) -> None:
        self._console = console
        self._takes_its_place = takes_its_place
        self._trainer: Any = lambda: None
        self._taken_out: list[Any] = []

    def begin(self, trainer: Any) -> None:
        """Look at what `trainer` shows, before it shows anything."""
        if self._console is None or trainer is None or self._taken_out:
            return
        callbacks = trainer.callback_handler.callbacks
        theirs = [
            each for each in callbacks if _THEIRS & {kind.__name__ for kind in type(each).__mro__}
        ]
        if not theirs:
            return
        if not self._takes_its_place:
            self._console.stand_back()
            return
        # Another list: somebody may be going through this one right now.
        trainer.callback_handler.callbacks = [each for each in callbacks if each not in theirs]
        self._trainer, self._taken_out = weakref.ref(trainer), theirs

    def end(self) -> None:
        """Put back what was taken out."""
        trainer, taken_out, self._taken_out = self._trainer(), self._taken_out, []
        if trainer is not None:
            trainer.callback_handler.callbacks = [*trainer.callback_handler.callbacks, *taken_out]
