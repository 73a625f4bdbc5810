"""What vlog itself cost a run: as its end entry says, or else its other entries."""

from __future__ import annotations

import math
from functools import reduce
from operator import add
from typing import Any

from vlog.analysis.fields import integer_at, number_at, object_at, text_at
from vlog.analysis.run_summary import Overhead

_MAX_EXTRAS = 10  # rubbish can name any number of them


class OverheadCollector:
    """The overhead of a run, while its entries come in."""

    def __init__(self) -> None:
        self._overhead = Overhead()
        self._seconds = self._covered_seconds = 0.0
        self._steps = self._bytes = 0
        self._shed_since: int | None = None

    def add_step(self, entry: dict[str, Any]) -> None:
        """Take in the entry of a step; at ultra it says what vlog cost since the one before."""
        section = object_at(entry, "overhead")
        seconds = number_at(section, "training_thread_seconds")
        percent = number_at(section, "training_thread_percent")
        if seconds is not None and percent:
            self.add_all([seconds], [percent], integer_at(section, "bytes_written") or 0)

    def add_all(self, seconds: list[float], percents: list[float], bytes_written: int) -> None:
        """Take in the `overhead` of steps' entries: of each, and the bytes of all."""
        self._steps += len(seconds)
        self._bytes += bytes_written
        self._seconds = reduce(add, seconds, self._seconds)
        covered = [100 * each / percent for each, percent in zip(seconds, percents, strict=True)]
        self._covered_seconds = reduce(add, covered, self._covered_seconds)

    def add_change(self, entry: dict[str, Any]) -> None:
        """Take in an `overhead_budget` entry."""
        overhead, step = self._overhead, integer_at(entry, "step") or 0
        overhead.budget_percent = number_at(entry, "budget_percent")
        change, extra, shed = text_at(entry, "change"), text_at(entry, "extra"), entry.get("shed")
        overhead.is_exceeded |= change == "exceeded"
        is_new = extra is not None and extra not in overhead.shed
        if change == "shed" and is_new and len(overhead.shed) < _MAX_EXTRAS:
            overhead.shed.append(str(extra))
        self._end_shedding(step)
        self._shed_since = step if shed else None

    def add_end(self, entry: dict[str, Any]) -> None:
        """Take in the end entry, which knows it all."""
        section = object_at(entry, "overhead")
        for name in (
            "training_thread_seconds", "training_thread_percent", "per_step_seconds",
            "monitor_cpu_seconds", "thread_cpu_seconds", "bytes_per_step",
        ):  # fmt: skip
            setattr(self._overhead, name, number_at(section, name))
        self._overhead.failed = integer_at(section, "failed")
        budget, steps = number_at(section, "budget_percent"), integer_at(section, "shed_steps")
        self._overhead.budget_percent = self._overhead.budget_percent if budget is None else budget
        if steps is not None:
            self._overhead.shed_steps, self._shed_since = max(steps, 0), None

    def finish(self, last_step: int | None) -> Overhead:
        """Return the overhead of a run that came to `last_step`."""
        overhead = self._overhead
        self._end_shedding(last_step)
        if overhead.training_thread_seconds is None and self._steps:
            overhead.training_thread_seconds = _finite(self._seconds)
            overhead.per_step_seconds = _finite(self._seconds / self._steps)
            overhead.bytes_per_step = self._bytes / self._steps
            if self._covered_seconds:
                share = self._seconds / self._covered_seconds
                overhead.training_thread_percent = _finite(100 * share)
        return overhead

    def _end_shedding(self, step: int | None) -> None:
        if self._shed_since is not None and step is not None:
            self._overhead.shed_steps += max(step - self._shed_since, 0)
            self._shed_since = step


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
