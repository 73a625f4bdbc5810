"""Processes that write one log lose nothing and write nothing twice, whoever is killed or stopped.

Each has a file of its own, or they share one. Nobody waits for another longer than `WAIT_SECONDS`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from killing import Writer
from processes import TESTS, wait_for

import vlog
from vlog.family import list_family
from vlog.handlers.owned_file import WAIT_SECONDS
from vlog.segments import list_segments

LOG = Path("run.jsonl")
MAX_MB = 0.2  # a few entries
BUSY_MACHINE_SECONDS = 10  # that a process may not have been given a core
FOR_EVER = 10**9

PRELUDE = """
import os, random, sys, time
from killing import any_size, entry
from vlog.handlers import RotatingJsonlHandler
from vlog.record import make_record
handler = RotatingJsonlHandler("run.jsonl", float(sys.argv[1]), shared=sys.argv[2] == "shared")
pid, chance = os.getpid(), random.Random(os.getpid())
def write(numbers):
    worst = 0
    for number in numbers:
        record = make_record("vlog", entry(pid, number, any_size(chance)))
        begin = time.monotonic()
        handler.handle(record)
        worst = max(worst, time.monotonic() - begin)
        print(number, worst, flush=True)
def say_and_wait(word):
    print(word, flush=True)
    sys.stdin.readline()
"""
WRITER = """
say_and_wait("ready")
write(range(int(sys.argv[3])))
handler.close()
"""
HOLDER = """
write(range(10))
handler._do_lock()
say_and_wait("holding")
handler._do_unlock()
write(range(10, 20))
handler.close()
"""


class Process:
    """A process that writes the log; it tells each number after its entry is written."""

    def __init__(self, mode, count, script=WRITER):
        self._process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script, str(MAX_MB), mode, str(count)],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._told = []

    def wait_until(self, *words):
        """Read what it tells until one of the words begins a line."""
        for line in self._process.stdout:
            self._told.append(line)
            if line.split()[0] in words:
                return
        raise AssertionError(self._process.stderr.read())

    def go(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def signal(self, number):
        self._process.send_signal(number)

    def stop(self):
        self.signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.pid}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the stop")

    def kill(self):
        if not self._process.stdout.closed:
            self.signal(signal.SIGKILL)
            self.end()

    def end(self):
        """Wait for its end; return what it said on stderr."""
        with self._process as process:  # not `communicate`: it passes over what is buffered
            self._told += process.stdout
            return process.stderr.read().splitlines()

    @property
    def told(self):
        """How many entries had been written, by its own account."""
        return sum(line[0].isdigit() for line in self._told)

    @property
    def worst(self):
        """Seconds of its slowest entry."""
        return max(float(line.split()[1]) for line in self._told if line[0].isdigit())


@pytest.fixture
def start():
    """Start processes, which are ready; none is left running."""
    processes = []

    def start(modes, count, *, script=WRITER, word="ready"):
        begun = [Process(mode, count, script) for mode in modes]
        processes.extend(begun)
        for each in begun:
            each.wait_until(word)
        return begun

    yield start
    for each in processes:
        each.kill()


def numbers_by_process(cut=0):
    """Return the numbers that each process wrote, over all files of the log.

    Args:
        cut: How many lines may have been cut, each by a kill.
    """
    found, problems = defaultdict(list), []
    for entry in vlog.read(LOG, on_problem=lambda *problem: problems.append(problem)):
        found[entry["round"]].append(entry["number"])
    assert len(problems) <= cut, problems
    return {pid: sorted(numbers) for pid, numbers in found.items()}


def run_to_the_end(processes):
    """Have the processes write; return what they said on stderr, and their slowest entry."""
    said = [process.end() for process in processes]
    worst = max(process.worst for process in processes)
    print(f"\nslowest entry: {worst:.3f} s")
    assert worst < WAIT_SECONDS + BUSY_MACHINE_SECONDS
    return said


def check_that_nothing_is_left(shared):
    """See that the next start leaves logs and compressed segments alone."""
    Writer(LOG, MAX_MB, shared=shared).finish()
    logs = list_family(LOG)
    segments = [each for log in logs for each in list_segments(log)]
    assert all(each.is_compressed for each in segments)
    assert {*logs, *(each.path for each in segments)} == {
        path for path in LOG.parent.iterdir() if path.name != "verbose_logging_errors.log"
    }


@pytest.mark.parametrize("mode", ["owned", "shared"])
class TestEightProcesses:
    def test_lose_nothing_when_one_is_killed_and_one_is_stopped(self, start, mode):
        living, victims = start([mode] * 6, 60), start([mode] * 2, FOR_EVER)
        for process in (*living, *victims):
            process.go()
        killed, stopped = victims
        killed.wait_until("30")
        killed.signal(signal.SIGKILL)
        stopped.wait_until("30")
        stopped.stop()
        said = run_to_the_end(living)
        while_stopped = numbers_by_process(cut=1)
        for process in victims:
            process.kill()
        found = numbers_by_process(cut=2)

        for process in living:
            assert [*range(60)] == found[process.pid]
        for process in victims:
            for numbers in (found[process.pid], while_stopped[process.pid]):
                assert [*range(len(numbers))] == numbers
                assert process.told <= len(numbers) <= process.told + 1
        assert all(len(lines) <= 1 for lines in said), said
        check_that_nothing_is_left(mode == "shared")


class TestAStoppedHolder:
    def test_of_the_shared_lock_costs_the_others_one_wait_and_nobody_an_entry(self, start):
        (holder,) = start(["shared"], 0, script=HOLDER, word="holding")
        holder.stop()
        others = start(["shared"] * 7, 30)
        for process in others:
            process.go()
        said = run_to_the_end(others)
        holder.signal(signal.SIGCONT)
        holder.go()
        said_by_holder = holder.end()

        expected = {process.pid: [*range(30)] for process in others}
        assert {**expected, holder.pid: [*range(20)]} == numbers_by_process()
        for lines in said:
            (line,) = lines
            assert "run.jsonl is held by another process, or by many in turn; this" in line
            assert " process writes run.pid" in line
        assert [] == said_by_holder
        check_that_nothing_is_left(shared=True)


class TestBothModesOnOneFile:
    def test_lose_nothing(self, start):
        processes = start(["owned", "shared"] * 4, 30)
        for process in processes:
            process.go()
        said = run_to_the_end(processes)

        assert {process.pid: [*range(30)] for process in processes} == numbers_by_process()
        assert all(len(lines) <= 1 for lines in said), said
        check_that_nothing_is_left(shared=False)
