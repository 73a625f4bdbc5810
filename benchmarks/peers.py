"""What logging a training step costs the thread that trains, against what a user would pick.

Every peer is given the same facts, ready made: all numbers of the entry of a real ultra step, and
in a second run its metrics alone. vlog measures, computes and writes all of them in both. A peer
that is not installed is left out, and the table says so.

Run it alone to print the table, with `--write README.md` to put it between its marks there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from entry_chains import real_entry
from pairs import (
    Figures,
    Timed,
    TrainingStep,
    around,
    figures,
    machine_text,
    measure,
    nothing,
    number,
    version_text,
)
from peer_loggers import BASE, LOGGERS, METRICS, SLEEPING_GUIDE, TIMES_ALONE, Facts
from tables import publish

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

BLOCK = 20  # hot steps in a row
SETTLE_SECONDS = 0.5  # for what was handed to other threads and processes
_LOOK_SECONDS, _LOOKS = 0.002, 100  # whether other threads are done
STEPS_ELSEWHERE = 120
_QUICK = ("vlog high, `training_run`", "wandb, offline", "the guide's design, without its sleep")
_OF_THE_RUN = ("rank", "pid", "seq", "step", "epoch")  # which step it is, and whose
PACKAGES = ("wandb", "tensorboard", "mlflow-skinny", "trackio", "traceml-ai", "transformers")


class Column:
    """The figures of all loggers with the same facts.

    Args:
        folder: Where they write.
        facts: What the peers are given at each step.
        names: The loggers to measure; the base must be among them.

    Attributes:
        hot: Figures by logger.
        cold: The same.
        elsewhere_us: Processor time of other threads and processes per step, by logger.
        missing: Why a logger was not measured, by logger.
    """

    def __init__(self, folder: Path, facts: Facts, names: Iterable[str]) -> None:
        self.hot: dict[str, Figures] = {}
        self.cold: dict[str, Figures] = {}
        self.elsewhere_us: dict[str, float] = {}
        self.missing: dict[str, str] = {}
        self._folder = folder
        self._facts = facts
        self._names = list(names)
        self._work = TrainingStep()

    def measure(self, seconds: float, steps_elsewhere: int, known: Collection[str] = ()) -> None:
        """Open all, measure them for `seconds`, close them.

        Args:
            seconds: For how long.
            steps_elsewhere: Steps over which the time of other threads and processes is taken; 0
                for not at all.
            known: Loggers of which it is known already.
        """
        with ExitStack() as opened:
            calls: dict[str, Timed] = {}
            for name in self._names:
                print(f"{name} ...", file=sys.stderr)
                call = self._open(name, opened)
                if call is None:
                    continue
                calls[name] = call
                if steps_elsewhere and name not in (*known, SLEEPING_GUIDE):
                    self.elsewhere_us[name] = self._elsewhere_us(call, steps_elsewhere)
            fast = {name: call for name, call in calls.items() if name != SLEEPING_GUIDE}
            self._compare(fast, 0.9 * seconds, BLOCK)
            if SLEEPING_GUIDE in calls:
                slow = {name: calls[name] for name in (BASE, SLEEPING_GUIDE)}
                self._compare(slow, 0.1 * seconds, 1)
            print("closing ...", file=sys.stderr)

    def cells(self, name: str) -> str:
        """Return the cells of one logger: its ratios hot and cold, and its cold times."""
        if name not in self.cold:
            return "- | - | -"
        cold = self.cold[name]
        times = f"{number(cold.median_us)}, {number(cold.p99_us)}"
        return f"{self.hot[name].ratio_text} | {cold.ratio_text} | {times}"

    def _open(self, name: str, opened: ExitStack) -> Timed | None:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            return around(opened.enter_context(LOGGERS[name](folder, self._facts)))
        except ImportError:
            self.missing[name] = "not installed"
        except Exception as error:  # noqa: BLE001 - a peer that cannot start here: said in the table
            self.missing[name] = f"did not start: {type(error).__name__}"
            print(f"{name}: {error}", file=sys.stderr)
        return None

    def _compare(self, calls: dict[str, Timed], seconds: float, block: int) -> None:
        """Add figures of `calls`, but keep those of the base that are there already."""
        hot = figures(measure(calls, seconds / 3, nothing, block, settle=_settle), BASE)
        cold = figures(measure(calls, 2 * seconds / 3, self._work, settle=_settle), BASE)
        self.hot, self.cold = hot | self.hot, cold | self.cold

    def _elsewhere_us(self, call: Timed, steps: int) -> float:
        """Return what a step costs elsewhere, beside what costs it while nothing is logged."""
        call(self._work)
        idle = _busy_elsewhere(self._work, steps)
        return 1e6 * (_busy_elsewhere(lambda: call(self._work), steps) - idle) / steps


def _settle() -> None:
    """Wait until other threads of this process have done what was handed to them."""
    for _ in range(_LOOKS):
        before = time.process_time()
        time.sleep(_LOOK_SECONDS)
        if time.process_time() - before < _LOOK_SECONDS / 4:
            return


def _busy_elsewhere(step: Any, steps: int) -> float:
    """Return the processor seconds that other threads and processes use during `steps`."""
    before = _elsewhere_seconds()
    for _ in range(steps):
        step()
    time.sleep(SETTLE_SECONDS)
    return _elsewhere_seconds() - before


def _elsewhere_seconds() -> float:
    mine = time.process_time() - time.thread_time()
    for child in psutil.Process().children(recursive=True):
        try:
            used = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        mine += used.user + used.system
    return mine


def numbers_of(value: Any, path: str = "") -> Facts:
    """Return all numbers in `value` by the path that leads to each.

    >>> numbers_of({"cpu": {"usage_percent": 7.5, "per_core_percent": [5, 10]}, "scope": "host"})
    {'cpu/usage_percent': 7.5, 'cpu/per_core_percent/0': 5.0, 'cpu/per_core_percent/1': 10.0}
    """
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        return {path: float(value)}
    else:
        return {}
    found: Facts = {}
    for name, inner in items:
        found |= numbers_of(inner, f"{path}/{name}" if path else str(name))
    return found


def table(seconds: float, steps_elsewhere: int, names: Iterable[str]) -> str:
    names = list(names)
    with tempfile.TemporaryDirectory(dir=Path.cwd(), ignore_cleanup_errors=True) as name:
        folder = Path(name)
        entry = real_entry(folder, min(seconds, 3.0), METRICS)
        facts = numbers_of({key: entry[key] for key in entry if key not in _OF_THE_RUN})
        # TraceML takes no facts, and can be started once in a process: it comes last.
        whole = Column(folder, facts, [name for name in names if name != TIMES_ALONE])
        whole.measure(0.6 * seconds, steps_elsewhere)
        few = Column(folder, METRICS, names)
        few.measure(0.4 * seconds, steps_elsewhere, known=whole.elsewhere_us)
    measured = (
        f"Cost of logging one step to the thread that trains, on {machine_text()}; "
        f"{', '.join(map(version_text, PACKAGES))}.\n"
        f"The peers are given the {len(facts)} numbers of an ultra entry ready made, then its "
        f"{len(METRICS)} metrics alone; vlog measures, computes and writes all of them in both. "
        "Ratios are medians over rounds in random order, with their 95 % interval; cold is around "
        "a training step and a walk over 32 MiB. The last column is the processor time that a step "
        "hands to other threads and processes, beside what those use while nothing is logged."
    )
    heads = f"| logger | {_heads(len(facts))} | {_heads(len(METRICS))} | elsewhere (µs) |"
    rows = [_row(name, whole, few) for name in names]
    return "\n".join([measured, "", heads, "|---|" + 7 * "---:|", *rows])


def _heads(numbers: int) -> str:
    return f"{numbers} numbers: x vlog, hot | x vlog, cold | cold: median, p99 (µs)"


def _row(name: str, whole: Column, few: Column) -> str:
    reason = whole.missing.get(name) or few.missing.get(name)
    if reason:
        return f"| {name} | {reason} | | | | | | |"
    elsewhere = (few.elsewhere_us | whole.elsewhere_us).get(name)
    last = number(None if elsewhere is None else max(elsewhere, 0.0))
    return f"| {name} | {whole.cells(name)} | {few.cells(name)} | {last} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=150.0, help="time to measure for")
    parser.add_argument(
        "--quick", action="store_true", help="few loggers and rounds: shows that it runs"
    )
    parser.add_argument("--only", nargs="+", choices=list(LOGGERS), help="these beside the base")
    parser.add_argument("--write", type=Path, help="the Markdown file whose table to replace")
    options = parser.parse_args()
    names = options.only or list(LOGGERS)
    if options.quick:
        names = [name for name in LOGGERS if name in _QUICK]
    names = [BASE, *(name for name in names if name != BASE)]
    seconds, steps_elsewhere = (1.0, 0) if options.quick else (options.seconds, STEPS_ELSEWHERE)
    text = table(seconds, steps_elsewhere, names)
    publish(text, "peers", options.write)


if __name__ == "__main__":
    main()
