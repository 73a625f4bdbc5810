"""What vlog costs a run: on the training thread, in threads of its own, and in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog import threads

if TYPE_CHECKING:
    from vlog.budget import BudgetChange, OverheadBudget
    from vlog.clock import Clock
    from vlog.output import Output
    from vlog.timing import PhaseLedger


class Meter:
    """Measure what vlog costs, and hold it against the budget at each step.

    Args:
        ledger: Knows the time inside vlog.
        budget: Is told of each step.
        clock: Where time comes from.
        output: Counts bytes and reports.
    """

    def __init__(
        self, ledger: PhaseLedger, budget: OverheadBudget, clock: Clock, output: Output
    ) -> None:
        self._ledger = ledger
        self._budget = budget
        self._monotonic = clock.monotonic
        self._output = output
        self.start()
        self.restart()

    def start(self) -> None:
        """Begin to count threads, bytes and reports."""
        self._cpu_before = threads.cpu_seconds()
        self._bytes_before = self._output.bytes_written
        self._failed_before = self._output.report.count

    def restart(self) -> None:
        """Begin to count steps, when the ledger has begun anew."""
        self._step_at = self._entry_at = self._monotonic()
        self._step_overhead = self._entry_overhead = 0.0
        self._entry_bytes = self._output.bytes_written

    def step_done(self) -> BudgetChange | None:
        """Take in a step; return what is to change by the budget, if something is."""
        now, overhead = self._monotonic(), self._ledger.overhead_so_far()
        seconds, spent = now - self._step_at, overhead - self._step_overhead
        self._step_at, self._step_overhead = now, overhead
        return self._budget.step_done(seconds, spent)

    def entry_fields(self) -> dict[str, float]:
        """Return what vlog cost since this was asked last, at the entry of a step."""
        now, overhead = self._monotonic(), self._ledger.overhead_so_far()
        written = self._output.bytes_written
        seconds, spent = now - self._entry_at, overhead - self._entry_overhead
        fields = {
            **_of_training_thread(spent, seconds),
            "bytes_written": written - self._entry_bytes,
        }
        self._entry_at, self._entry_overhead, self._entry_bytes = now, overhead, written
        return fields

    def fields(self, duration: float, steps: int, entries: int, monitor: float) -> dict[str, Any]:
        """Return what vlog cost in the whole run.

        Args:
            duration: Seconds of the run.
            steps: Its steps.
            entries: Its entries.
            monitor: Processor seconds of the threads that measure.
        """
        spent = self._ledger.overhead_so_far()
        written = self._output.bytes_written - self._bytes_before
        cpu = monitor + threads.cpu_seconds() - self._cpu_before
        means = {"per_step_seconds": spent, "bytes_per_step": written}
        return {
            **_of_training_thread(spent, duration),
            **({name: round(each / steps, 9) for name, each in means.items()} if steps else {}),
            "monitor_cpu_seconds": round(monitor, 6),
            "thread_cpu_seconds": round(cpu, 6),
            "entries": entries,
            "bytes_written": written,
            "failed": self._output.report.count - self._failed_before,
            "budget_percent": self._budget.percent,
            "shed_steps": self._budget.shed_steps,
        }


def _of_training_thread(spent: float, seconds: float) -> dict[str, float]:
    return {
        "training_thread_seconds": round(spent, 6),
        "training_thread_percent": round(100 * spent / seconds, 4) if seconds else 0.0,
    }
