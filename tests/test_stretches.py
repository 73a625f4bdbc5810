"""A large log is read by several processes, and what is found stays the same whatever they do."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

import vlog
import vlog.file_lines
from vlog import stretches
from vlog.analysis.summary import summarize
from vlog.reader import read_blocks, read_lines

STEPS = 2_000


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A run with an odd line in its midst, some dozens of stretches long."""
    path = tmp_path_factory.mktemp("logs") / "run.jsonl"
    with vlog.training_run(STEPS, "ultra", path, console=False) as run:
        for step in range(STEPS):
            with run.step(samples=8):
                run.log(loss=1 / (step + 1), learning_rate=5e-5)
            if step == STEPS // 3:
                run.log(rubbish={"nested": [1, 2, 3]})
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert(len(lines) // 2, b"no entry\n")
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture
def forks(monkeypatch):
    """The processes that are forked, on a machine where that pays for any log."""
    found = []

    def fork():
        found.append(child := os_fork())
        return child

    os_fork = os.fork
    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.setattr(stretches, "_FEW_BYTES", 1)
    monkeypatch.setattr(stretches, "_STRETCH_BYTES", 2**16)
    monkeypatch.setattr(stretches, "_processors", lambda: 2)
    monkeypatch.setattr(stretches, "_is_alone", lambda: True)
    return found


def by_one_process(log, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(stretches, "_processors", lambda: 1)
        return repr(summarize(log, may_fork=True))


def lines_of(log, problems):
    """Return the lines of a log as processes find them, by their numbers in it."""

    def add(*problem):
        problems.append(problem)

    found = []
    for block in read_blocks(log, on_problem=add, of=lambda block: list(block.split())):
        for line in block.split() if block.found is None else block.found:
            offset = 0 if block.found is None else block.number - 1
            found.append(line._replace(number=line.number + offset))
    return found


class TestSummary:
    def test_is_the_one_of_a_single_process(self, log, forks, monkeypatch):
        expected = by_one_process(log, monkeypatch)
        assert forks == []

        assert expected == repr(summarize(log, may_fork=True))
        assert len(forks) == 2
        assert "eta_check=EtaCheck(step=1000" in expected
        assert summarize(log).unreadable_lines == 1
        assert len(forks) == 2  # none without leave

    def test_follows_a_lower_rank_that_comes_later(self, log, forks, monkeypatch, tmp_path):
        lines = log.read_bytes().splitlines(keepends=True)
        higher = [line.replace(b'"rank":0', b'"rank":1') for line in lines]
        both = tmp_path / "both.jsonl"
        both.write_bytes(b"".join([*higher, *lines]))

        assert by_one_process(both, monkeypatch) == repr(summarize(both, may_fork=True))
        assert forks

    def test_is_whole_without_a_process_that_is_killed(self, log, forks, monkeypatch):
        expected, taken = by_one_process(log, monkeypatch), []
        real = stretches.taken_by_processes

        def with_a_kill(take, places):
            for found in real(take, places):
                taken.append(found)
                if len(taken) == 3:
                    os.kill(forks[0], signal.SIGKILL)
                yield found
            assert len(taken) < len(places)

        monkeypatch.setattr(stretches, "taken_by_processes", with_a_kill)

        assert expected == repr(summarize(log, may_fork=True))
        assert len(taken) >= 3

    @pytest.mark.parametrize("what", ["fork", "pipe"])
    def test_is_whole_where_no_process_is_to_be_had(self, log, forks, monkeypatch, what):
        expected = by_one_process(log, monkeypatch)

        def refuse():
            raise BlockingIOError("no more of them")

        monkeypatch.setattr(os, what, refuse)

        assert expected == repr(summarize(log, may_fork=True))
        assert forks == []

    def test_is_whole_where_the_stretches_are_no_whole_lines(self, log, forks, monkeypatch):
        """As they are not, when the file is changed in the meantime."""
        expected, size = by_one_process(log, monkeypatch), log.stat().st_size
        for places in ([(0, size - 7)], [(0, size + 7)], [(0, size // 2), (size // 2, size)]):
            monkeypatch.setattr(stretches, "stretches_of", lambda *_, found=places: found)
            assert expected == repr(summarize(log, may_fork=True))
        assert forks

    def test_is_of_the_file_that_was_opened(self, log, forks, monkeypatch, tmp_path):
        """Also where another one has its name when the processes begin."""
        expected, moved = by_one_process(log, monkeypatch), tmp_path / "run.jsonl"
        moved.write_bytes(log.read_bytes())
        real = stretches.taken_by_processes

        def after_a_change(take, places):
            moved.rename(tmp_path / "elsewhere.jsonl")
            moved.write_text("nothing of a log\n" * 1000)
            yield from real(take, places)
            (tmp_path / "elsewhere.jsonl").rename(moved)

        monkeypatch.setattr(stretches, "taken_by_processes", after_a_change)

        assert expected == repr(summarize(moved, may_fork=True)).replace(str(moved), str(log))

    def test_is_made_by_one_process_where_little_can_be_had_quickly(
        self, log, forks, monkeypatch, tmp_path
    ):
        """All lines would be handed over, and held until then."""
        odd = tmp_path / "odd.jsonl"
        odd.write_bytes(log.read_bytes().replace(b'"level":"INFO"', b'"level":"DEBUG"'))
        monkeypatch.setattr(vlog.file_lines, "_MOST_PARTS", 20)
        found = list(read_blocks(odd, of=lambda block: list(block.split())))

        assert forks
        assert all(block.found is None for block in found)
        assert by_one_process(odd, monkeypatch) == repr(summarize(odd, may_fork=True))

    def test_leaves_no_process_and_no_file_behind(self, log, forks):
        descriptors = set(Path("/proc/self/fd").iterdir())
        summarize(log, may_fork=True)
        blocks = read_blocks(log, of=lambda block: [len(block.lines)])
        next(blocks)
        assert all(psutil.pid_exists(pid) for pid in forks[2:])

        blocks.close()

        assert len(forks) == 4
        assert not any(psutil.pid_exists(pid) for pid in forks)
        assert descriptors == set(Path("/proc/self/fd").iterdir())


class TestLines:
    def test_and_problems_have_their_numbers(self, forks, monkeypatch, tmp_path):
        log = tmp_path / "odd.jsonl"
        odd = [b'{"a":1}\n' * 3000, b"\n", b"\0\0{}\n", b"x" * 900 + b"\n", b"\xff\r\n"] * 20
        log.write_bytes(b"".join([*odd, b'{"b":']))
        monkeypatch.setattr(vlog.file_lines, "MAX_LINE_BYTES", 800)
        expected, problems = [], []
        by_line = list(read_lines(log, on_problem=lambda *problem: expected.append(problem)))

        assert by_line == lines_of(log, problems)
        assert expected == problems
        assert len(problems) == 20
        assert forks

    def test_may_be_longer_than_stretches(self, forks, monkeypatch, tmp_path):
        """One process reads on from there: what is held of them stays small."""
        monkeypatch.setattr(stretches, "_MOST_SEARCHED", 100)
        log = tmp_path / "long.jsonl"
        sizes = (*[50] * 3_000, 200_000, 30, 70_000, *[50] * 3_000)
        log.write_bytes(b"".join(b"y" * size + b"\n" for size in sizes))
        with log.open("rb") as file:
            places = stretches.stretches_of(file.fileno(), 0)

        assert list(read_lines(log)) == lines_of(log, [])
        assert len(places) == 2
        assert places[-1][1] < 3_000 * 51


class TestProcesses:
    def test_are_not_forked_beside_a_thread(self):
        may_end = threading.Event()
        thread = threading.Thread(target=may_end.wait)
        thread.start()
        try:
            assert not stretches._is_alone()
        finally:
            may_end.set()
            thread.join()

    def test_are_not_forked_for_a_small_log(self, log, forks, monkeypatch):
        monkeypatch.setattr(stretches, "_FEW_BYTES", log.stat().st_size + 1)

        assert summarize(log, may_fork=True).entries > STEPS
        assert forks == []

    def test_leave_the_handlers_of_signals_to_their_parent(self, forks, monkeypatch, tmp_path):
        def save_a_checkpoint(*_):
            (tmp_path / str(os.getpid())).touch()

        before = signal.signal(signal.SIGUSR1, save_a_checkpoint)
        try:
            found = stretches.taken_by_processes(lambda *_: None, [(0, 1), (1, 2)])
            assert list(found) == [None, None]
            found = stretches.taken_by_processes(
                lambda *_: os.kill(os.getpid(), signal.SIGUSR1), [(0, 1), (1, 2)]
            )
            assert list(found) == []
        finally:
            signal.signal(signal.SIGUSR1, before)

        assert len(forks) == 4
        assert list(tmp_path.iterdir()) == []

    def test_leave_the_garbage_of_their_parent_alone(self, forks):
        class Folder:
            """A resource of the parent, in a cycle, that goes when it is collected."""

            def __init__(self):
                self.itself = self

            def __del__(self):
                gone.append(os.getpid())

        def collect(*_):
            gc.collect()
            return list(gone)

        gone = []
        gc.disable()
        try:
            Folder()
            assert list(stretches.taken_by_processes(collect, [(0, 1), (1, 2)])) == [[], []]
        finally:
            gc.enable()
        gc.collect()

        assert gone == [os.getpid()]
        assert forks

    def test_may_be_waited_for_by_somebody_else(self, log, forks, monkeypatch):
        expected = by_one_process(log, monkeypatch)
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            assert expected == repr(summarize(log, may_fork=True))
        finally:
            signal.signal(signal.SIGCHLD, before)
        assert forks

    @pytest.mark.parametrize("where", ["parent", "child"])
    def test_are_none_the_worse_for_a_signal_while_they_are_forked(self, forks, monkeypatch, where):
        """What it raises in the parent comes a little later; no child goes the parent's way."""
        fork, parent = os.fork, os.getpid()

        def fork_beside_a_signal():
            child = fork()
            if (where == "parent") == bool(child):
                signal.raise_signal(signal.SIGINT)
            return child

        monkeypatch.setattr(os, "fork", fork_beside_a_signal)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        found = stretches.taken_by_processes(lambda *_: 1, [(0, 1), (1, 2)])
        try:
            if where == "parent":
                with pytest.raises(KeyboardInterrupt):
                    next(found)
            else:
                assert list(found) == []
        finally:
            signal.signal(signal.SIGINT, before)

        assert os.getpid() == parent
        assert forks
        assert not any(psutil.pid_exists(pid) for pid in forks)

    def test_end_when_nobody_asks_any_more(self, forks):
        """What they answer fills their pipes: each must see that nobody reads its own."""
        places = [(number, number + 1) for number in range(100)]
        found = stretches.taken_by_processes(lambda *_: bytes(2**20), places)
        next(found)
        for answer in found.gi_frame.f_locals["answers"]:
            answer.close()

        assert len(forks) == 2
        assert psutil.wait_procs(map(psutil.Process, forks), timeout=60)[1] == []
        found.close()

    def test_are_forked_by_the_command(self, log, tmp_path):
        """Nothing that it imports starts a thread."""
        if len(os.sched_getaffinity(0)) == 1:
            pytest.skip("there is one processor")
        program = """
            import os, sys
            from vlog import stretches
            from vlog.cli import main
            sys.argv[1:] = ["summary", sys.argv[1]]
            fork, forks = os.fork, []
            os.fork = lambda: forks.append(fork()) or forks[-1]
            stretches._FEW_BYTES = stretches._STRETCH_BYTES = 2**16
            try:
                main()
            finally:
                print(len(forks), "processes")
        """
        command = [sys.executable, "-c", textwrap.dedent(program), str(log)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)

        assert done.stdout.endswith(" processes\n")
        assert int(done.stdout.splitlines()[-1].split()[0]) >= 2
