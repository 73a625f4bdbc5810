"""What a step costs at the end of a long run, and in many processes at once.

Length: each run has a process of its own, in which a step is nothing but what it tells vlog, by
`training_run` ("loop") or by the hooks of the callback ("hooks"). After every hundredth of the run
an entry is written as often without vlog (the floor), so that a machine that slows down meanwhile
slows both. What a step costs in floors is compared between the last tenth and the first, after a
warm-up that fills every window. Memory is the highest resident size above that before
`import vlog`, less the same of a loop without vlog.

Processes: eight of them stand ready, and in rounds of random order 1, 2, 4 or 8 work at once, each
as a rank with a log of its own. The floor is `orjson.dumps` and `os.write` of one entry.

Run it alone to print the tables, with `--write README.md` to put them between their marks there.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from blocks import confidence
from tables import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WARM_UP_STEPS = 500
SETTLE_SECONDS = 1.5  # the monitor's first readings come closer together
CHUNKS = 100
LENGTHS = (1_000, 100_000, 1_000_000)
PROCESSES = (1, 2, 4, 8)
FLOOR_ENTRIES = 10_000  # in its file, at most
# Segments are set aside and deleted on the way, as in a long run, and fill no disk.
OPTIONS = {"overhead_budget_percent": 0, "console": False, "max_mb": 64, "total_mb": 256}
ENTRY = {
    "type": "training_step_complete",
    "message": "Step completed",
    "metrics": {f"metric_{number}": number / 7 for number in range(20)},
    "resource_usage": {f"section_{number}": dict.fromkeys("abcdef", 1.25) for number in range(20)},
}


def resident_mb() -> float:
    """Return the memory of this process that is resident."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.contextmanager
def bare(_verbosity: str) -> Iterator[Callable[[], None]]:
    yield lambda: None


@contextlib.contextmanager
def loop(verbosity: str) -> Iterator[Callable[[], None]]:
    """Tell `training_run` of steps."""
    import vlog  # noqa: PLC0415

    with vlog.training_run(None, verbosity, "run.jsonl", **OPTIONS) as run:
        steps = iter(run.steps())

        def step() -> None:
            next(steps)
            run.log(loss=0.5, accuracy=0.25)

        yield step


@contextlib.contextmanager
def hooks(verbosity: str) -> Iterator[Callable[[], None]]:
    """Call the callback's hooks as a Trainer does that logs each step."""
    import vlog  # noqa: PLC0415

    arguments, state, control = trainer_parts()
    callback = vlog.VerboseLoggingCallback(verbosity, "run.jsonl", **OPTIONS)
    told = arguments, state, control
    callback.on_train_begin(*told, model=None)
    callback.on_epoch_begin(*told)

    def step() -> None:
        callback.on_step_begin(*told)
        callback.on_pre_optimizer_step(*told)
        callback.on_optimizer_step(*told)
        state.global_step += 1
        control.should_log = True
        callback.on_step_end(*told)
        callback.on_log(*told, logs={"loss": 0.5, "grad_norm": 1.5, "learning_rate": 1e-4})

    yield step
    callback.on_train_end(*told)


def trainer_parts() -> tuple[Any, Any, Any]:
    """Return arguments, state and control of a Trainer; importing them is no part of vlog."""
    import transformers  # noqa: PLC0415

    state = transformers.TrainerState(max_steps=10**9, epoch=0.0)
    arguments = transformers.TrainingArguments("out", report_to=[], use_cpu=True)
    return arguments, state, transformers.TrainerControl()


@contextlib.contextmanager
def floor(_verbosity: str) -> Iterator[Callable[[], None]]:
    """Write entries without vlog; the file is emptied now and then, to fill no disk."""
    import orjson  # noqa: PLC0415

    with tempfile.TemporaryFile(buffering=0) as target:
        written = itertools.count(1)

        def write() -> None:
            os.write(target.fileno(), orjson.dumps(ENTRY, option=orjson.OPT_APPEND_NEWLINE))
            if next(written) % FLOOR_ENTRIES == 0:
                target.truncate(0)

        yield write


KINDS = {"bare": bare, "loop": loop, "hooks": hooks, "floor": floor}


class Length(NamedTuple):
    """What a run of some length cost.

    Attributes:
        floors: What a step cost, as a multiple of the floor, in each hundredth of the run.
        peak_mb: The highest memory, above that before `import vlog`.
        growth_mb: What it grew by after the first tenth.
    """

    floors: list[float]
    peak_mb: float
    growth_mb: float


def run_of_length(kind: str, verbosity: str, steps: int) -> Length:
    """Do `steps` steps in this process."""
    if kind == "hooks":
        trainer_parts()
    chunk = max(1, steps // CHUNKS)
    floors, memory = [], []
    with floor(verbosity) as write:
        write()
        before = resident_mb()
        with KINDS[kind](verbosity) as step:
            for _ in range(WARM_UP_STEPS):
                step()
            time.sleep(SETTLE_SECONDS)
            for _ in range(CHUNKS):
                floors.append(seconds_of(step, chunk) / seconds_of(write, chunk))
                memory.append(resident_mb())
    growth = max(memory[-CHUNKS // 10 :]) - memory[CHUNKS // 10]
    return Length(floors, max(memory) - before, growth)


def seconds_of(call: Callable[[], None], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        call()
    return time.perf_counter() - began


def work_on_demand(kind: str, verbosity: str, steps: int) -> None:
    """Do `steps` steps at each line that comes, and answer with the seconds of one."""
    with KINDS[kind](verbosity) as step:
        for _ in range(WARM_UP_STEPS):
            step()
        print("ready", flush=True)
        for _ in sys.stdin:
            print(seconds_of(step, steps) / steps, flush=True)


def child_command(mode: str, kind: str, verbosity: str, steps: int) -> list[str]:
    return [sys.executable, __file__, "--child", mode, kind, verbosity, str(steps)]


def measured(kind: str, verbosity: str, steps: int) -> Length:
    """Measure in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            child_command("length", kind, verbosity, steps),
            cwd=folder,
            stdout=subprocess.PIPE,
            check=True,
        )
    return Length(*json.loads(done.stdout))


def flatness(floors: list[float]) -> str:
    """Return the last tenth divided by the first, and the 95 % interval of that."""
    tenth = len(floors) // 10
    pairs = list(zip(floors[:tenth], floors[-tenth:], strict=True))

    def ratio(chosen: Any) -> float:
        return statistics.median(last for _, last in chosen) / statistics.median(
            first for first, _ in chosen
        )

    low, high = confidence(pairs, ratio)
    return f"{ratio(pairs):.2f} ({low:.2f} to {high:.2f})"


def length_table(lengths: tuple[int, ...], kinds: tuple[str, ...]) -> list[str]:
    from pairs import machine_text  # noqa: PLC0415 - it would be in the children's memory

    lines = [
        f"Cost against the length of a run, on {machine_text()} (a step in floors, medians of",
        "hundredths, the 95 % interval of their ratio; memory above the same loop without vlog,",
        "its imports included):",
        "",
        "| told by | verbosity | steps | last tenth / first tenth | memory | growth |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for steps in lengths:
        without = measured("bare", "high", steps).peak_mb
        for kind in kinds:
            for verbosity in ("high", "ultra"):
                print(f"{kind}, {verbosity}, {steps:,} steps ...", file=sys.stderr)
                found = measured(kind, verbosity, steps)
                memory = f"{found.peak_mb - without:.1f} MB | {found.growth_mb:+.1f} MB"
                flat = flatness(found.floors)
                lines.append(f"| {kind} | {verbosity} | {steps:,} | {flat} | {memory} |")
    return lines


class Crew:
    """Processes that do the same at once, when they are told to.

    Args:
        kind: A key of `KINDS`.
        steps: What each does at a call.
        folder: Where they write.
    """

    def __init__(self, kind: str, steps: int, folder: str) -> None:
        self._members = [
            subprocess.Popen(
                child_command("on demand", kind, "high", steps),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "RANK": str(rank), "WORLD_SIZE": str(max(PROCESSES))},
            )
            for rank in range(max(PROCESSES))
        ]
        for each in self._members:
            self._answer(each)

    @staticmethod
    def _answer(member: subprocess.Popen[str]) -> str:
        return member.stdout.readline().strip() if member.stdout else ""

    def seconds(self, count: int) -> float:
        """Return the mean seconds of a step while `count` of them work."""
        for each in self._members[:count]:
            if each.stdin:
                print(file=each.stdin, flush=True)
        return statistics.fmean(float(self._answer(each)) for each in self._members[:count])

    def dismiss(self) -> None:
        """Let them end."""
        for each in self._members:
            each.communicate()


def against_one(crew: Crew, rounds: int) -> dict[int, list[float]]:
    """Return what a step costs by number of processes, as a multiple of that in one, by round."""
    found: dict[int, list[float]] = {count: [] for count in PROCESSES}
    for _ in range(rounds):
        each = {count: crew.seconds(count) for count in random.sample(PROCESSES, len(PROCESSES))}
        for count, seconds in each.items():
            found[count].append(seconds / each[1])
    return found


def process_table(rounds: int, steps: int) -> list[str]:
    columns = {}
    for kind, count in (("loop", steps), ("floor", 20 * steps)):
        print(f"processes, {kind} ...", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            crew = Crew(kind, count, folder)
            columns[kind] = against_one(crew, rounds)
            crew.dismiss()
    lines = [
        "",
        f"Processes that log at once on {os.cpu_count()} cores, each its own log (high): cost of",
        f"a step to each, as a multiple of that in one ({rounds} rounds, median and its 95 %",
        "interval):",
        "",
        "| processes | vlog | floor |",
        "|---:|---:|---:|",
    ]
    for count in PROCESSES[1:]:
        cells = []
        for found in columns.values():
            low, high = confidence(found[count])
            cells.append(f"{statistics.median(found[count]):.2f} ({low:.2f} to {high:.2f})")
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, action="append", help="lengths of runs")
    parser.add_argument("--quick", action="store_true", help="seconds, for a look at the tables")
    parser.add_argument("--write", type=Path, help="the Markdown file whose table to replace")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        mode, kind, verbosity, steps = options.child
        if mode == "length":
            print(json.dumps(run_of_length(kind, verbosity, int(steps))))
        else:
            work_on_demand(kind, verbosity, int(steps))
        return
    lengths = (1_000,) if options.quick else tuple(options.steps or LENGTHS)
    lines = length_table(lengths, ("loop",) if options.quick else ("loop", "hooks"))
    lines += process_table(*((2, 100) if options.quick else (12, 1_000)))
    text = "\n".join(lines)
    publish(text, "run_length", options.write)


if __name__ == "__main__":
    main()
