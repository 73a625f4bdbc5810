"""What a SIGKILL loses of each training logger.

A process trains, logs 20 numbers with each step, and tells a pipe the step's number when the call
that logs it has returned: what is in the pipe has been logged. It is killed at a random moment, and
what is then on the disk is read.

The signal goes to that process alone, as from an out-of-memory killer that picks one: a process
that the logger started may live on, and has 3 seconds to write what it holds. In as many other
trainings the signal goes to all their processes at once, as when a container or a job is killed. A
crash of the machine is not measured: the kernel lives on and writes what it was given.

Run it alone to print the table, with `--write README.md` to put it between its marks there.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import psutil
import steps_on_disk
from pairs import TrainingStep, machine_text, version_text
from peer_loggers import BASE, LOGGERS, METRICS
from tables import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

AT_ONCE = 2  # trainings, each with one thread that computes
HELPER_SECONDS = 3.0  # for processes that outlive the training
MOMENT_SECONDS = 0.02  # a kill falls anywhere in a step, or in the next ones
FEWEST_STEPS, MOST_STEPS = 100, 400
PACKAGES = ("wandb", "tensorboard", "mlflow-skinny", "trackio")


class Peer(NamedTuple):
    """A logger: the modules that it needs, and what finds its steps on the disk."""

    modules: Sequence[str]
    on_disk: Callable[[Path], set[int]]


PEERS = {
    BASE: Peer((), steps_on_disk.in_vlog),
    "wandb, offline": Peer(("wandb",), steps_on_disk.in_wandb),
    "TensorBoard": Peer(("tensorboard",), steps_on_disk.in_tensorboard),
    "MLflow, SQLite": Peer(("mlflow", "sqlalchemy", "alembic"), steps_on_disk.in_mlflow),
    "Trackio": Peer(("trackio",), steps_on_disk.in_trackio),
}
_QUICK = (BASE, "TensorBoard")
_LOST = ("lost with the process: median, most", "lost with all its processes: median, most")


@dataclass(frozen=True)
class Kill:
    """What came of one training.

    Attributes:
        logged: Steps whose logging had returned.
        lost: Those of them that are not on the disk with all their numbers.
        seconds: From its first step to its last.
        error: Why its log could not be read; empty if it could. All steps are lost then.
    """

    logged: int
    lost: int
    seconds: float
    error: str = ""


def train(name: str, folder: Path, pipe: int) -> None:
    """Take steps and log each, without an end."""
    os.set_inheritable(pipe, False)  # the pipe ends with this process
    work = TrainingStep()
    with LOGGERS[name](folder, METRICS) as step:
        for number in count(1):
            step(work)
            os.write(pipe, b"%d\n" % number)


def start(name: str, folder: str, errors: IO[bytes]) -> tuple[subprocess.Popen[bytes], IO[str]]:
    """Start a training that writes into `folder`; return it and the numbers of its steps."""
    reads, writes = os.pipe()
    process = subprocess.Popen(
        [sys.executable, __file__, "--child", name, folder, str(writes)],
        pass_fds=[writes],
        start_new_session=True,
        stdout=errors,
        stderr=errors,
    )
    os.close(writes)
    return process, os.fdopen(reads)


def kill(name: str, steps: int, *, kills_all: bool) -> Kill:
    """Kill a training soon after its step `steps`, with all its processes or alone.

    Raises:
        RuntimeError: it ended before.
    """
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd(), ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as errors,
    ):
        process, pipe = start(name, folder, errors)
        family = [psutil.Process(process.pid)]
        try:
            with pipe:
                numbers, began = [pipe.readline()], time.perf_counter()
                numbers += [pipe.readline() for _ in range(steps - 1)]
                if not numbers[-1]:
                    errors.seek(0)
                    said = errors.read().decode()[-2000:]
                    raise RuntimeError(f"{name} ended before its step {steps}: {said}")
                time.sleep(random.uniform(0, MOMENT_SECONDS))
                family += family[0].children(recursive=True)
                kill_each(family if kills_all else family[:1])
                seconds = time.perf_counter() - began
                numbers += pipe.readlines()
            process.wait()
            psutil.wait_procs(family[1:], timeout=HELPER_SECONDS)
            return outcome(set(map(int, numbers)), seconds, name, Path(folder))
        finally:
            kill_each(family)
            process.wait()


def kill_each(processes: Collection[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def outcome(logged: set[int], seconds: float, name: str, folder: Path) -> Kill:
    """Compare what a training has logged with what is on the disk."""
    try:
        lost = logged - PEERS[name].on_disk(folder)
    except Exception as error:  # noqa: BLE001 - whatever its reader says: the table counts it
        return Kill(len(logged), len(logged), seconds, f"{type(error).__name__}: {error}")
    return Kill(len(logged), len(lost), seconds)


class Kills:
    """Some kills of each logger in random order, two trainings at a time.

    Args:
        names: The loggers.
        times: How often each is killed alone, and how often with all its processes.
        steps: The fewest and the most steps that come before.

    Attributes:
        done: What came of each, by logger and by whether all its processes were killed.
        missing: Why a logger was not killed, by logger.
    """

    def __init__(self, names: Collection[str], times: int, steps: tuple[int, int]) -> None:
        self.done: dict[tuple[str, bool], list[Kill]] = defaultdict(list)
        self.missing: dict[str, str] = {
            name: "not installed"
            for name in names
            if not all(find_spec(module) for module in PEERS[name].modules)
        }
        self._steps = steps
        kinds = [(name, kills_all) for name in names for kills_all in (False, True)]
        planned = [kind for kind in kinds if kind[0] not in self.missing] * times
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._kill, random.sample(planned, len(planned))))

    def _kill(self, kind: tuple[str, bool]) -> None:
        name, kills_all = kind
        try:
            done = kill(name, random.randint(*self._steps), kills_all=kills_all)
        except RuntimeError as error:
            self.missing[name] = "failed"
            print(error, file=sys.stderr)
        else:
            self.done[kind].append(done)
            how = "with all its processes" if kills_all else "alone"
            print(f"{name}, {how}: {done}", file=sys.stderr)

    def row(self, name: str) -> str:
        """Return the logger's row of the table."""
        if name in self.missing:
            return f"| {name} | {self.missing[name]} | | | |"
        alone, together = self.done[name, False], self.done[name, True]
        logged = sum(each.logged for each in (*alone, *together))
        step_ms = 1000 * sum(each.seconds for each in (*alone, *together)) / logged
        return f"| {name} | {step_ms:.1f} | {logged:,} | {_cell(alone)} | {_cell(together)} |"


def _cell(kills: Collection[Kill]) -> str:
    lost = [each.lost for each in kills]
    unreadable = sum(bool(each.error) for each in kills)
    note = f"; {unreadable} of {len(kills)} unreadable" if unreadable else ""
    return f"{statistics.median(lost):g}, {max(lost)}{note}"


def table(names: Collection[str], times: int, steps: tuple[int, int]) -> str:
    kills = Kills(names, times, steps)
    fewest, most = steps
    measured = (
        f"Steps that SIGKILL loses, of those whose logging had returned, on {machine_text()}; "
        f"{', '.join(map(version_text, PACKAGES))}.\n"
        f"Each logger as it comes, {len(METRICS)} numbers a step, {times} kills in each column at "
        f"a random moment after {fewest} to {most} steps. The processes that a logger started have "
        f"{HELPER_SECONDS:g} s to write what they hold where the process that trains is killed "
        "alone, and are killed with it in the last column. What is held back for a time (half a "
        "second by Trackio) is fewer steps where a step is longer; what is held back by its size "
        "(32 KiB by wandb) is as many."
    )
    return "\n".join(
        [
            measured,
            "",
            f"| logger | a step (ms) | steps logged | {_LOST[0]} | {_LOST[1]} |",
            "|---|---:|---:|---:|---:|",
            *map(kills.row, names),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=3, help="of each logger in each column")
    parser.add_argument("--quick", action="store_true", help="one, of two loggers: it runs")
    parser.add_argument("--write", type=Path, help="the Markdown file whose table to replace")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, folder, pipe = options.child
        train(name, Path(folder), int(pipe))
    if options.quick:
        text = table(_QUICK, 1, (20, 40))
    else:
        text = table(PEERS, options.kills, (FEWEST_STEPS, MOST_STEPS))
    publish(text, "kill_loss", options.write)


if __name__ == "__main__":
    main()
