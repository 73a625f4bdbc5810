"""The Trainer's own progress on the console, and ours: one of them at a time."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlog.output import Output

# By name: the one for notebooks cannot be imported without IPython.
_THEIRS = frozenset({"ProgressCallback", "PrinterCallback", "NotebookProgressCallback"})


class TrainerProgress:
    """Take the place of what a Trainer shows while it trains, or stand back behind it.

    Args:
        output: Has our console, if there is one.
        takes_its_place: Whether the Trainer's is taken out for the run.
    """

    def __init__(self, output: Output, *, takes_its_place: bool) -> None:
        self._output = output
        self._takes_its_place = takes_its_place
        # One for each run that is open: the Trainer, and what was taken out of which places.
        self._runs: list[tuple[Any, list[tuple[int, Any]]]] = []

    def begin(self, trainer: Any, *, is_late: bool = False) -> None:
        """Look at what `trainer` shows.

        Args:
            trainer: Whose run begins; None if it is not known.
            is_late: Whether it has begun already: what is on the screen by now stays there.
        """
        places: list[tuple[int, Any]] = []
        callbacks = [] if trainer is None else trainer.callback_handler.callbacks
        theirs = [(place, each) for place, each in enumerate(callbacks) if _is_theirs(each)]
        console = self._output.console
        if console is not None and theirs:
            if self._takes_its_place and not is_late:
                places = theirs
                for _, callback in theirs:
                    callbacks.remove(callback)
            else:
                console.stand_back()
        self._runs.append((_nobody if trainer is None else weakref.ref(trainer), places))

    def end(self) -> None:
        """Put back what was taken out for the run that is over."""
        if not self._runs:
            return
        trainer, places = self._runs.pop()
        if trainer() is not None:
            for place, callback in places:
                trainer().callback_handler.callbacks.insert(place, callback)


def _is_theirs(callback: object) -> bool:
    return not _THEIRS.isdisjoint(kind.__name__ for kind in type(callback).__mro__)


def _nobody() -> None:
    """Stand in for the reference to a Trainer."""
