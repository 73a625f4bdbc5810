"""Writers that are killed at a random instant, over and over in one log, and what is there then.

Run as a program it does all that in a process that has one thread, so that each writer is a fork:
`python killing.py KILLS SEED MAX_MB WRITER...` prints one line of JSON, an `Outcome`.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import struct
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from processes import wait_for

import vlog
from vlog.clock import iso_timestamp
from vlog.handlers import RotatingJsonlHandler
from vlog.reader import parse, read_lines
from vlog.record import make_record
from vlog.segments import is_same_file, last_number, list_segments, log_of, segment_path

LATEST_KILL_SECONDS = 0.06  # after the first entry that was written
KILLS_OF_ONE_LOG = 25
PIPE_BYTES = 2**20
NUMBER = struct.Struct("q")
NOISE = random.Random(0).randbytes(150_000).hex()  # a compressor has work with it


@dataclass
class Outcome:
    """What became of the entries.

    Attributes:
        kills: How many writers were killed.
        entries: How many lines were there in the end.
        found: What the kills left behind, and how often.
        wrong: What must not be; empty if all is well.
    """

    kills: int = 0
    entries: int = 0
    found: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def entry(round_, number, size):
    """Return an entry whose line is `size` bytes longer than the shortest one."""
    return {
        "timestamp": iso_timestamp(time.time()),
        "type": "log_record",
        "level": "INFO",
        "message": "",
        "verbosity": "low",
        "round": round_,
        "number": number,
        "fill": NOISE[:size],
    }


def any_size(chance):
    """Return a number of bytes from 10 to 300,000: as many of each magnitude."""
    return int(10 ** chance.uniform(1, 5.477))


class Writer:
    """Write entries for ever; tell each number after its entry is written."""

    def __init__(self, log, max_mb, *, shared=False):
        self.options = {"max_mb": max_mb, "shared": shared}
        self.log = log

    def __call__(self, round_, chance, tell):
        handler = RotatingJsonlHandler(self.log, **self.options)
        for number in range(10**9):
            handler.handle(make_record("vlog", entry(round_, number, any_size(chance))))
            tell(number)

    def finish(self):
        """Write one entry, and close when the segments are compressed: a run's time is longer."""
        handler = RotatingJsonlHandler(self.log, **self.options)
        handler.handle(make_record("vlog", entry(-1, 0, 10)))
        handler._keeper.wait(60)
        handler.close()


class SharedWriter(Writer):
    """The same, of a file that could have other writers."""

    def __init__(self, log, max_mb):
        super().__init__(log, max_mb, shared=True)


class RunWriter(Writer):
    """A run at ultra, which tells each step when its `step_begin` is written."""

    def __call__(self, round_, _chance, tell):
        options = {"max_mb": self.options["max_mb"], "console": False, "name": str(round_)}
        options["overhead_budget_percent"] = 0  # every entry is as large as it can be
        with vlog.training_run(None, "ultra", self.log, **options) as run:
            for step in run.steps():
                tell(step - 1)
                run.log(loss=1 / step)


WRITERS = {"handler": Writer, "shared": SharedWriter, "run": RunWriter}


def in_a_fork(work):
    """Start `work`, which ends with the child, in a fork; return its process id."""
    assert threading.active_count() == 1
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(3)  # a writer never ends by itself
    return child


def kill_one(writer, round_, chance):
    """Have one writer killed; return how many numbers it had told."""
    told, tell = os.pipe()
    fcntl.fcntl(tell, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    seed = chance.random()

    def write():
        writer(round_, random.Random(seed), lambda number: os.write(tell, NUMBER.pack(number)))

    child = in_a_fork(write)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        first = pipe.read(NUMBER.size)
        time.sleep(chance.uniform(0, LATEST_KILL_SECONDS))
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status), f"round {round_}: it ended by itself: {status}"
        return len(first + pipe.read()) // NUMBER.size


def finish(writer):
    """Have a writer start and end as it should; what is left then is left for good."""

    def write():
        writer.finish()
        os._exit(0)

    assert os.waitpid(in_a_fork(write), 0)[1] == 0


def left_behind(log):
    """Return what a kill left that the next start has to put right."""
    names = {path.name.removeprefix(log.name) for path in log.parent.iterdir()}
    newest = segment_path(log, last_number(log))
    content = log.read_bytes()[-1:]
    states = {
        "killed in a rotation, before the new file": is_same_file(newest, log),
        "killed in a rotation, beside the new file": ".next.part" in names,
        "killed in a rotation, after the new file": not content and list_segments(log) != [],
        "killed in a compression": any(name.endswith(".zst.part") for name in names),
        "killed after a compression": any(name + ".zst" in names for name in names),
        "killed in a write": content not in (b"", b"\n"),
    }
    return Counter(state for state, is_so in states.items() if is_so)


def check_files(log):
    """Return what is there beside the log and its segments, or is not compressed."""
    expected = {log.name, *(each.path.name for each in list_segments(log) if each.is_compressed)}
    return [f"left over: {path.name}" for path in log.parent.iterdir() if path.name not in expected]


def check_entries(log, told, outcome):
    """Compare what is in the log with how many numbers each round told."""
    numbers, torn = {}, []  # of each round in order; the rounds with a line that is none
    name = None
    for line in read_lines(log):
        outcome.entries += 1
        try:
            one = parse(line.raw)
        except ValueError:
            torn.append(name)
            continue
        name = one["run_id"] if "run_id" in one else one["round"]
        if name in torn:
            outcome.wrong.append(f"{log_of(line.path)}: a torn line in the middle of {name}")
        numbers.setdefault(name, []).append(one)
    rounds = [each for name, each in numbers.items() if name != -1]  # in order
    if len(rounds) != len(told):
        outcome.wrong.append(f"{len(rounds)} rounds are there, {len(told)} were")
    for of_round, (round_, count) in zip(rounds, told.items(), strict=False):
        outcome.wrong += check_round(round_, of_round, count)


def check_round(round_, entries, told):
    """Return what is wrong with the entries of one round, which told `told` numbers."""
    if "run_id" in entries[0]:
        order = [one["seq"] for one in entries]
        expected = list(range(order[0], order[0] + len(order)))
        written = sum(one["type"] == "step_begin" for one in entries)
        begins_right = entries[0]["type"] == "system_initialization"
    else:
        order, expected = [one["number"] for one in entries], list(range(len(entries)))
        written, begins_right = len(order), {round_} == {one["round"] for one in entries}
    wrong = []
    if order != expected or not begins_right:
        wrong.append(f"round {round_}: out of order, twice or missing: {order}")
    if not told <= written <= told + 1:
        wrong.append(f"round {round_}: {told} had returned, {written} are there")
    return wrong


def kill_many(folder, kills, seed, max_mb, kinds):
    """Return the outcome of `kills` kills, with writers of the kinds in turn."""
    chance, found, outcome = random.Random(seed), Counter(), Outcome(kills)
    for first in range(0, kills, KILLS_OF_ONE_LOG):
        log = Path(folder, str(first), "run.jsonl")
        log.parent.mkdir()
        told = {}
        for round_ in range(first, min(first + KILLS_OF_ONE_LOG, kills)):
            writer = WRITERS[kinds[round_ % len(kinds)]](log, max_mb)
            told[round_] = kill_one(writer, round_, chance)
            found += left_behind(log)
        finish(writer)
        outcome.wrong += check_files(log)
        check_entries(log, told, outcome)
        if outcome.wrong:
            break  # the files stay, to be looked at
        for path in log.parent.iterdir():
            path.unlink()
    outcome.found = dict(found)
    return outcome


def load_what_a_run_imports(folder):
    """Import what a run imports, once, and not in each fork."""
    with vlog.training_run(1, log_file=Path(folder, "first.jsonl"), console=False) as run:
        next(iter(run.steps()))
    wait_for(lambda: threading.active_count() == 1, "the end of the monitor's threads")


if __name__ == "__main__":
    kills, seed, max_mb, *kinds = sys.argv[1:]
    load_what_a_run_imports(".")
    print(json.dumps(asdict(kill_many(".", int(kills), seed, float(max_mb), kinds))))
