"""The losses as the training computed them, beside those that a trainer logs.

The Trainer's `logging_nan_inf_filter` logs a number of its own for a step whose loss was not
finite; these are the ones to put it right with.
"""

from __future__ import annotations

from typing import Any

MAX_STEPS_NAMED = 100  # of those without a finite loss between two logs


class TrueLosses:
    """Keep the observed losses of steps whose entry is not written yet.

    Of several micro-batches of a step, one that is not finite counts.

    Attributes:
        non_finite_steps: Number of steps whose loss was not finite.
    """

    def __init__(self) -> None:
        self.non_finite_steps = 0
        self._waiting: dict[int, float] = {}
        self._latest: tuple[int, float] | None = None  # the last one that was not finite
        self._named: list[int] = []

    def observe(self, step: int, loss: float, *, is_written: bool) -> None:
        """Take in a loss of `step`.

        Args:
            step: The step that it belongs to; never an older one than before.
            loss: The loss of one micro-batch.
            is_written: Whether the step's entry is out already.
        """
        is_bad = loss - loss != 0.0  # not finite
        if is_bad:
            self._note(step, loss)
        if not is_written and (is_bad or step not in self._waiting):
            self._waiting[step] = loss

    def _note(self, step: int, loss: float) -> None:
        if self._latest is None or self._latest[0] != step:
            self.non_finite_steps += 1
            if len(self._named) < MAX_STEPS_NAMED:
                self._named.append(step)
        self._latest = step, loss

    def correct(self, step: int, metrics: dict[str, Any]) -> None:
        """Put the true loss into the metrics of a step that had no finite one."""
        if self._latest is not None and self._latest[0] == step:
            metrics["loss"] = self._latest[1]

    def end_window(self) -> list[int]:
        """Return the first steps without a finite loss since the last call: a log covers them."""
        steps, self._named = self._named, []
        return steps

    def pop(self, step: int, logged: Any) -> Any:
        """Return the true loss of `step`, or `logged` if none was observed; forget older ones."""
        if not self._waiting:
            return logged
        loss = self._waiting.get(step, logged)
        if len(self._waiting) == 1 and step in self._waiting:  # as mostly
            del self._waiting[step]
        else:
            self._waiting = {later: each for later, each in self._waiting.items() if later > step}
        return loss
