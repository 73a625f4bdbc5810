"""The processes below this one, summed: memory, processor time, threads and I/O."""

import json
import os
import subprocess
import sys

import pytest
from kernel_files import open_descriptors, stop_time, write
from process_trees import ProcessTree, forget_deleted_files

from vlog.resources.children import Children
from vlog.resources.source import is_unavailable

OWN = os.getpid()
MB, GB = 2**20, 2**30


@pytest.fixture
def tree(tmp_path, monkeypatch, clock):
    forget_deleted_files(monkeypatch)
    stop_time(monkeypatch, "children", clock)
    stop_time(monkeypatch, "descendants", clock)
    monkeypatch.setattr("vlog.resources.children.has_children", lambda: True)
    tree = ProcessTree(tmp_path)
    tree.process(OWN)
    return tree


class TestChildren:
    def test_are_summed(self, tree, clock):
        tree.children(OWN, 10, 20)
        tree.process(10, OWN, threads=3, resident=GB)
        tree.process(20, OWN, threads=2, resident=2 * GB)
        children = Children(tree.root)
        first = children.read().values
        clock.advance(2)
        tree.process(10, OWN, threads=3, resident=GB, seconds=1.0, read=2 * MB)
        tree.process(20, OWN, threads=2, resident=2 * GB, seconds=2.0, written=4 * MB)

        assert {"count": 2, "memory_gb": 3.0, "threads": 5} == first
        assert {
            **first,
            "cpu_percent": 150.0,
            "read_mb_per_second": 1.0,
            "write_mb_per_second": 2.0,
        } == children.read().values

    def test_are_counted_and_nothing_else_where_there_is_none(self, tree):
        assert {"count": 0} == Children(tree.root).read().values

    def test_may_end_without_their_past_leaving_the_sum(self, tree, clock):
        tree.children(OWN, 10, 20)
        tree.process(10, OWN, seconds=1000.0, written=900 * MB)
        tree.process(20, OWN, seconds=5.0)
        children = Children(tree.root)
        children.read()
        clock.advance(1)
        tree.end(10)
        tree.children(OWN, 20)
        tree.process(20, OWN, seconds=5.5, written=MB)
        fields = children.read()

        assert 1 == fields.values["count"]
        assert 50.0 == fields.values["cpu_percent"]
        assert 1.0 == fields.values["write_mb_per_second"]
        assert {} == fields.gaps

    def test_that_are_new_have_no_rate_yet(self, tree, clock):
        tree.children(OWN, 10)
        tree.process(10, OWN)
        children = Children(tree.root)
        children.read()
        clock.advance(1)
        tree.children(OWN, 10, 20)
        tree.process(10, OWN, seconds=0.5)
        tree.process(20, OWN, seconds=1000.0, read=900 * MB)
        found = children.read().values

        assert (2, 50.0, 0.0) == (found["count"], found["cpu_percent"], found["read_mb_per_second"])

    def test_may_vanish_while_they_are_read(self, tree):
        """Its parent still names it."""
        tree.children(OWN, 10, 20)
        tree.process(20, OWN, resident=GB)
        fields = Children(tree.root).read()

        assert (1, 1.0) == (fields.values["count"], fields.values["memory_gb"])
        assert {} == fields.gaps

    def test_that_got_an_old_pid_are_other_processes(self, tree, clock):
        tree.children(OWN, 10)
        tree.process(10, OWN, started=1, seconds=5.0)
        children = Children(tree.root)
        children.read()
        clock.advance(1)
        tree.process(10, OWN, started=2, seconds=800.0)
        without = children.read().values
        clock.advance(1)
        tree.process(10, OWN, started=2, seconds=800.25)

        assert "cpu_percent" not in without
        assert 25.0 == children.read().values["cpu_percent"]

    def test_that_are_zombies_count_as_nothing(self, tree):
        tree.children(OWN, 10, 20)
        tree.process(10, OWN, state="Z", threads=1)
        tree.process(20, OWN, threads=4)
        found = Children(tree.root).read().values
        tree.process(20, OWN, state="Z")

        assert (1, 4) == (found["count"], found["threads"])
        assert {"count": 0} == Children(tree.root).read().values

    def test_do_not_pass_on_what_they_wrote_when_they_are_reaped(self, tree, clock):
        """The kernel adds it to their parent's counters: a server that forks workers, say."""
        tree.children(OWN, 10)
        tree.children(10, 11)
        tree.process(10, OWN, written=MB)
        tree.process(11, 10, written=900 * MB)
        children = Children(tree.root)
        children.read()
        clock.advance(1)
        tree.process(11, 10, state="Z", written=902 * MB)
        as_zombie = children.read().values
        clock.advance(1)
        tree.end(11)
        tree.children(10)
        tree.process(10, OWN, written=MB + 902 * MB)
        reaped = children.read().values
        clock.advance(1)
        tree.process(10, OWN, written=MB + 903 * MB)

        name = "write_mb_per_second"
        assert [0.0, 2.0, 1.0] == [as_zombie[name], reaped[name], children.read().values[name]]

    def test_lose_their_io_and_nothing_else_where_it_may_not_be_read(self, tree, monkeypatch):
        """As that of another user's process."""
        from vlog.resources.files import KeptFile

        tree.children(OWN, 10)
        tree.process(10, OWN, threads=3)
        real = KeptFile.read

        def read(self):
            if self.path.name == "io":
                raise PermissionError(13, "no")
            return real(self)

        monkeypatch.setattr(KeptFile, "read", read)
        fields = Children(tree.root).read()

        assert 3 == fields.values["threads"]
        assert {"read_mb_per_second", "write_mb_per_second"} == set(fields.gaps)
        assert all(is_unavailable(error) for error in fields.gaps.values())

    def test_lose_their_io_where_the_kernel_does_not_count_it(self, tree):
        tree.children(OWN, 10)
        tree.process(10, OWN)
        write(tree.root, {"proc/10/io": "rchar: 5\n"})

        assert {"read_mb_per_second", "write_mb_per_second"} == set(Children(tree.root).read().gaps)

    def test_may_be_many_and_keep_few_files_open(self, tree):
        tree.children(OWN, *range(10, 210))
        for pid in range(10, 210):
            tree.process(pid, OWN, resident=MB)
        children = Children(tree.root)
        before = open_descriptors()
        counts = [children.read().values["count"] for _ in range(2)]

        assert [200, 200] == counts
        assert open_descriptors() - before <= 100


PRELUDE = """
import json, multiprocessing, os, sys, threading, time
import psutil
from types import SimpleNamespace
from vlog.resources import children as module

now = 0.0
module.time = SimpleNamespace(perf_counter=lambda: now)

def burn(ready, may_end):
    ballast = bytearray(b"1") * (100 * 2**20)
    until = time.process_time() + 0.5
    while time.process_time() < until:
        sum(range(1000))
    ready.set()
    may_end.wait()

def hold(ready, may_end):
    ready.set()
    may_end.wait()

def fork(ready, may_end):
    "A child of a child."
    child = multiprocessing.get_context("fork").Process(target=hold, args=(ready, may_end))
    child.start()
    child.join()
"""
SCRIPTS = {
    "memory and processor": """
children = module.Children()
print(json.dumps(children.read().values))
context = multiprocessing.get_context("fork")
ready, burned, may_end = (context.Event() for _ in range(3))
idle = context.Process(target=hold, args=(ready, may_end))
idle.start()
ready.wait()
before = children.read().values
burning = context.Process(target=burn, args=(burned, may_end))
burning.start()
now += 1
children.read()
first = psutil.Process(burning.pid).cpu_times()
burned.wait()
now += 2
values = children.read().values
last = psutil.Process(burning.pid).cpu_times()
processes = [psutil.Process(each.pid) for each in (idle, burning)]
truth = {
    "memory_gb": sum(each.memory_info().rss for each in processes) / 2**30,
    "grown_gb": values["memory_gb"] - before["memory_gb"],
    "threads": sum(each.num_threads() for each in processes),
    "most_percent": 100 * (last.user + last.system) / 2,
    "least_percent": 100 * (last.user + last.system - first.user - first.system) / 2,
}
print(json.dumps(values))
print(json.dumps(truth))
may_end.set()
idle.join()
burning.join()
print(json.dumps(children.read().values))
""",
    "every kind": """
if __name__ == "__main__":
    forking, spawning = (multiprocessing.get_context(each) for each in ("fork", "spawn"))
    may_end = spawning.Event()
    ready = [spawning.Event() for _ in range(4)]
    children = module.Children()
    print(json.dumps(children.read().values))  # the spawn context's helper at most
    started = [
        forking.Process(target=hold, args=(ready[0], may_end)),
        spawning.Process(target=hold, args=(ready[1], may_end)),
        forking.Process(target=fork, args=(ready[2], may_end)),
    ]
    for process in started:
        process.start()
    other = forking.Process(target=hold, args=(ready[3], may_end))
    def start_and_stay():
        other.start()
        may_end.wait()
    thread = threading.Thread(target=start_and_stay)
    thread.start()
    for event in ready:
        event.wait()
    every = {child.pid for child in psutil.Process().children(recursive=True)}
    children = module.Children()
    count = children.read().values["count"]
    print(json.dumps([count, len(every), set(children._known) == every]))
    may_end.set()
    thread.join()
    for process in (*started, other):
        process.join()
""",
}


def lines_of(name, folder):
    """Run a script in a process of its own, whose children are all known."""
    script = folder / "script.py"
    script.write_text(PRELUDE + SCRIPTS[name])
    result = subprocess.run(
        [sys.executable, "-W", "ignore", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "" == result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


class TestOnThisMachine:
    def test_sums_memory_and_processor_time_of_real_children(self, tmp_path):
        """One holds 100 MB and burns half a second of CPU time within two seconds."""
        none, found, truth, ended = lines_of("memory and processor", tmp_path)

        assert {"count": 0} == none == ended
        assert (2, truth["threads"]) == (found["count"], found["threads"])
        assert truth["memory_gb"] == pytest.approx(found["memory_gb"], abs=0.02)
        assert 100 / 1024 == pytest.approx(truth["grown_gb"], abs=0.05)
        assert truth["least_percent"] - 1 <= found["cpu_percent"] <= truth["most_percent"] + 1
        assert truth["most_percent"] >= 25

    def test_finds_children_of_every_kind(self, tmp_path):
        """Forked, spawned, forked by a child, forked by a thread."""
        before, (count, expected, is_same) = lines_of("every kind", tmp_path)

        assert before["count"] <= 1
        assert is_same
        assert expected == count >= 5
