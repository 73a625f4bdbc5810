"""All processes below this one are found, and soon, whichever thread started them."""

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest
from kernel_files import hand_out_in_pieces, open_descriptors, stop_time
from process_trees import ProcessTree, forget_deleted_files
from processes import wait_for

from vlog.resources.descendants import Descendants, find_by_parents, has_children

OWN = os.getpid()


@pytest.fixture
def tree(tmp_path, monkeypatch, clock):
    forget_deleted_files(monkeypatch)
    stop_time(monkeypatch, "descendants", clock)
    tree = ProcessTree(tmp_path)
    tree.process(OWN)
    return tree


@pytest.fixture
def sleeper():
    """Start processes that sleep, and end them."""
    processes = []

    def start():
        processes.append(subprocess.Popen(["sleep", "60"]))
        return processes[-1].pid

    yield start
    for process in processes:
        process.kill()
        process.wait()


class TestDescendants:
    def test_are_found_to_the_last_one(self, tree):
        tree.children(OWN, 10, 20)
        tree.children(10, 11)
        tree.children(11, 12)

        assert [10, 20, 11, 12] == Descendants(tree.root).find()

    def test_come_from_every_thread(self, tree):
        tree.children(OWN, 10)
        tree.children(OWN, 20, 30, thread=5)
        tree.children(OWN, thread=6)
        tree.children(20, 21, thread=22)

        assert {10, 20, 30, 21} == set(Descendants(tree.root).find())

    def test_of_main_threads_and_threads_that_had_some_are_found_at_once(self, tree):
        tree.children(OWN, 10, thread=5)
        descendants = Descendants(tree.root)
        before = descendants.find()
        tree.children(OWN, 20)
        tree.children(OWN, 10, 11, thread=5)
        tree.children(11, 12, thread=13)  # it is new: all its threads are looked at

        assert ([10], {10, 11, 20, 12}) == (before, set(descendants.find()))

    def test_of_other_threads_are_found_after_30_seconds(self, tree, clock):
        tree.children(OWN, 10)
        tree.children(OWN, thread=5)
        descendants = Descendants(tree.root)
        descendants.find()
        tree.children(OWN, 20, thread=5)
        clock.advance(29)
        before = descendants.find()
        clock.advance(1)

        assert ([10], {10, 20}) == (before, set(descendants.find()))

    def test_of_other_threads_are_found_at_once_where_none_is_left(self, tree):
        tree.children(OWN, 10)
        tree.children(OWN, thread=5)
        descendants = Descendants(tree.root)
        descendants.find()
        tree.children(OWN)
        descendants.find()
        tree.children(OWN, 20, thread=5)

        assert [20] == descendants.find()

    def test_may_end_and_their_threads_too(self, tree):
        tree.process(10)
        tree.children(OWN, 10, thread=5)
        tree.children(10, 11)
        descendants = Descendants(tree.root)
        descendants.find()
        tree.end_thread(OWN, 5)
        tree.end(10)
        tree.children(OWN, 10, 11)

        assert [10, 11] == descendants.find()

    def test_are_named_once_when_they_change_their_parent_meanwhile(self, tree):
        tree.children(OWN, 10, 11)
        tree.children(10, 11, OWN)

        assert [10, 11] == Descendants(tree.root).find()

    def test_may_be_many(self, tree, monkeypatch):
        """More than the kernel hands out at once."""
        hand_out_in_pieces(monkeypatch)
        pids = range(1_000_000, 1_002_000)
        tree.children(OWN, *pids)

        assert list(pids) == Descendants(tree.root).find()

    def test_keep_few_files_open(self, tree):
        tree.children(OWN, *range(10, 210))
        for pid in range(10, 210):
            tree.process(pid, OWN)
        descendants = Descendants(tree.root)
        before = open_descriptors()
        found = [descendants.find(), descendants.find()]

        assert [200, 200] == [len(each) for each in found]
        assert open_descriptors() - before <= 40

    def test_are_found_without_the_kernels_lists(self, tree, clock):
        tree.process(10, OWN)
        tree.process(11, 10)
        tree.process(20, 1)
        tree.without_lists()
        descendants = Descendants(tree.root)
        found = [descendants.find()]
        tree.process(12, 11)
        found.append(descendants.find())
        clock.advance(30)
        found.append(descendants.find())

        assert [[10, 11], [10, 11], [10, 11, 12]] == found


class TestOnThisMachine:
    def test_finds_children_of_every_kind(self, sleeper):
        """One of the main thread, one of another thread, and one of a child."""
        script = "import subprocess; subprocess.run(['sleep', '60'])"
        parent = subprocess.Popen([sys.executable, "-c", script])
        pids = {sleeper(), parent.pid}
        may_end = threading.Event()

        def fork():
            pids.add(sleeper())
            may_end.wait()  # else its children become those of the main thread

        thread = threading.Thread(target=fork)
        thread.start()
        try:
            wait_for(lambda: psutil.Process(parent.pid).children(), "a child of the child")
            wait_for(lambda: len(pids) == 3, "a child of the thread")
            pids.add(psutil.Process(parent.pid).children()[0].pid)
            every = {child.pid for child in psutil.Process().children(recursive=True)}

            assert pids <= every == set(Descendants().find())
            assert every == set(find_by_parents(Descendants()._proc, OWN))
        finally:
            may_end.set()
            thread.join()
            for child in psutil.Process(parent.pid).children():
                child.send_signal(signal.SIGKILL)
            parent.wait()


class TestHasChildren:
    def test_sees_one_and_does_not_reap_it(self, sleeper):
        pid = sleeper()
        alive = has_children()
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

        assert (True, True) == (alive, has_children())
        assert pid == os.waitpid(pid, 0)[0]

    def test_is_false_without_one(self):
        """In a process of its own: pytest may have helpers."""
        script = """
import os, sys
from vlog.resources.descendants import has_children
before = has_children()
pid = os.fork()
if not pid:
    os._exit(0)
during = has_children()
os.waitpid(pid, 0)
print(before, during, has_children())
"""
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            capture_output=True,
            text=True,
            check=True,
        )

        assert "False True False\n" == result.stdout
