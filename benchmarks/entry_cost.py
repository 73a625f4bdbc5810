"""What one entry of an ultra step costs from the call to the kernel, against what else could do it.

The entry is that of a real run. The floor encodes the ready entry with `orjson.dumps`, writes it
with `os.write`, and does nothing else. Then: what the parts cost, and what an entry costs that the
verbosity leaves out.

Run it alone to print the tables, with `--write README.md` to put them between their marks there.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import deque
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from entry_chains import (
    CHAINS,
    FLOOR,
    STEP,
    facts_of,
    on,
    own_facts,
    real_entry,
    run_at,
)
from pairs import (
    Figures,
    TrainingStep,
    figures,
    machine_text,
    measure,
    nothing,
    number,
    repeated,
    version_text,
)
from tables import publish

from vlog.schema import EventType
from vlog.verbosity import Verbosity
from vlog.wording import OwnText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pairs import Timed

BLOCK = 100  # hot calls in a row
LOOP = 1_000  # calls that share one look at the clock, where a call is short
NO_CALL = "one call of `lambda: None`"
METRICS = {"loss": 0.693147, "learning_rate": 2e-4, "grad_norm": 1.234567}
PACKAGES = ("orjson", "structlog", "python-json-logger", "concurrent-log-handler", "loguru")


def count_numbers(value: Any) -> int:
    """Return how many numbers stand anywhere in `value`."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return sum(map(count_numbers, value))
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_lines(name: str, path: Path, entry: dict[str, Any], calls: int) -> int:
    """Return the bytes of a line of a chain that has written `calls` of them, with all facts.

    Raises:
        RuntimeError: it wrote less than the others, and no figure counts.
    """
    with path.open("rb") as lines:
        last: deque[bytes] = deque(maxlen=1)
        written = sum(last.append(line) is None for line in lines)
    found, wanted = count_numbers(json.loads(last[0])), count_numbers(facts_of(entry))
    # A reading of another moment may have a disk or a network interface more or less.
    if written < calls or found < 0.9 * wanted:
        raise RuntimeError(
            f"{name} wrote {written} lines for {calls} calls, and {found} numbers of {wanted} in "
            "the last one. Compare like with like."
        )
    return len(last[0])


class Comparison:
    """The chains and their parts, measured in the same rounds.

    Args:
        folder: Where they write.
        entry: What they write.

    Attributes:
        sizes: Bytes of a line of each chain.
        hot: Figures of chains and parts.
        cold: The same.
    """

    def __init__(self, folder: Path, entry: dict[str, Any]) -> None:
        self.sizes: dict[str, int] = {}
        self.hot: dict[str, Figures] = {}
        self.cold: dict[str, Figures] = {}
        self._folder = folder
        self._entry = entry

    def measure(self, seconds: float) -> None:
        """Open all, measure them for `seconds`, and look at what they wrote."""
        with ExitStack() as opened:
            calls, paths = {}, {}
            for place, (name, opens) in enumerate(CHAINS.items()):
                path = self._folder / f"{place}.jsonl"
                try:
                    calls[name] = opened.enter_context(opens(path, self._entry))
                except ImportError:
                    continue
                paths[name] = path
            calls |= opened.enter_context(parts(self._folder, self._entry))
            self.hot = figures(measure(calls, seconds / 12, nothing, BLOCK), FLOOR)
            self.cold = figures(measure(calls, 11 * seconds / 12, TrainingStep()), FLOOR)
            for name, path in paths.items():
                written = self.hot[name].calls + self.cold[name].calls
                self.sizes[name] = check_lines(name, path, self._entry, written)

    def tables(self) -> list[str]:
        """Return the table of the chains, and behind it that of the parts."""
        return [
            f"| chain | bytes | x floor, hot | x floor, cold | hot: {_TIMES} | cold: {_TIMES} |",
            "|---|---:|---:|---:|---:|---:|",
            *map(self._row, CHAINS),
            "",
            "| part | x floor, hot | x floor, cold |",
            "|---|---:|---:|",
            *(
                f"| {name} | {self.hot[name].ratio_text} | {self.cold[name].ratio_text} |"
                for name in self.hot
                if name not in CHAINS
            ),
        ]

    def _row(self, name: str) -> str:
        if name not in self.sizes:
            return f"| {name} | not installed | | | | |"
        hot, cold = self.hot[name], self.cold[name]
        ratios = f"{hot.ratio_text} | {cold.ratio_text}"
        return f"| {name} | {self.sizes[name]:,} | {ratios} | {_times(hot)} | {_times(cold)} |"


_TIMES = "median, p99, p99.9 (µs)"


def _times(one: Figures) -> str:
    return f"{number(one.median_us)}, {number(one.p99_us)}, {number(one.p999_us)}"


@contextmanager
def parts(folder: Path, entry: dict[str, Any]) -> Iterator[dict[str, Timed]]:
    """Yield the parts of the floor, and vlog with less to do."""
    message, line = OwnText(entry["message"]), orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
    update = EventType.TRAINING_METRICS_UPDATE
    descriptor = os.open(folder / "bytes.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with run_at(Verbosity.ULTRA, folder / "parts.jsonl", sources=[]) as recorder:
        yield {
            "of the floor, `orjson.dumps`": on(entry, orjson.dumps),
            "of the floor, `os.write`": on({}, lambda _mine: os.write(descriptor, line)),
            "vlog, the same fields without reading and trends": on(
                own_facts(entry), lambda mine: recorder.write(update, message, mine)
            ),
            "vlog, an entry without fields": on(
                {}, lambda _mine: recorder.record(EventType.STEP_BEGIN, message)
            ),
        }
    os.close(descriptor)


def left_out_table(folder: Path, entry: dict[str, Any], seconds: float) -> list[str]:
    """Return what an entry costs that a run at low leaves out."""
    with run_at(Verbosity.LOW, folder / "low.jsonl", sources=[]) as recorder:
        record, message, fields = recorder.record, entry["message"], own_facts(entry)
        tier, least = int(Verbosity.HIGH), int(Verbosity.LOW)
        asked = {
            NO_CALL: lambda: None,
            "the same with one comparison": lambda: tier < least,
            "`recorder.writes(EventType.MICRO_BATCH)`": (
                lambda: recorder.writes(EventType.MICRO_BATCH)
            ),
            "`record(EventType.STEP_BEGIN, message)`": (
                lambda: record(EventType.STEP_BEGIN, message)
            ),
            "`record(EventType.TRAINING_STEP_COMPLETE, message, **fields)`": (
                lambda: record(STEP, message, **fields)
            ),
        }
        calls = {name: repeated(call, LOOP) for name, call in asked.items()}
        found = figures(measure(calls, seconds, nothing), NO_CALL, clock_ns=0)
    return [
        f"| left out by the verbosity | x {NO_CALL} | ns |",
        "|---|---:|---:|",
        *(
            f"| {name} | {one.ratio_text} | {number(1000 * one.median_us)} |"
            for name, one in found.items()
        ),
    ]


def tables(seconds: float) -> str:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        entry = real_entry(folder, min(seconds, 4.0), METRICS)
        comparison = Comparison(folder, entry)
        comparison.measure(0.95 * seconds)
        left_out = left_out_table(folder, entry, 0.05 * seconds)
    hot, cold = (found[FLOOR].calls for found in (comparison.hot, comparison.cold))
    measured = (
        "One entry of a real ultra step, from the call to bytes in the kernel, on "
        f"{machine_text()}; {', '.join(map(version_text, PACKAGES))}.\n"
        f"{hot:,} hot and {cold:,} cold calls of each; ratios are medians over rounds in random "
        "order, with their 95 % interval; cold is after a training step and a walk over 32 MiB. "
        "The monitor stands still, and vlog alone redacts."
    )
    return "\n".join([measured, "", *comparison.tables(), "", *left_out])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180.0, help="time to measure for")
    parser.add_argument("--quick", action="store_true", help="a few rounds: shows that it runs")
    parser.add_argument("--write", type=Path, help="the Markdown file whose tables to replace")
    options = parser.parse_args()
    text = tables(1.0 if options.quick else options.seconds)
    publish(text, "entry_cost", options.write)


if __name__ == "__main__":
    main()
