"""The processor time of vlog's threads is counted, while they run and when they have ended."""

import os
import threading
import time

from vlog import threads


def work(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class TestCountedThread:
    def test_is_a_daemon_with_its_name(self):
        thread = threads.counted_thread(lambda: None, "vlog-some")

        assert (True, "vlog-some") == (thread.daemon, thread.name)

    def test_is_counted_when_it_has_ended(self):
        before = threads.cpu_seconds()
        thread = threads.counted_thread(lambda: work(0.02), "vlog-work")
        thread.start()
        thread.join()

        assert before + 0.02 <= threads.cpu_seconds()
        assert threads.cpu_seconds() == threads.cpu_seconds()  # none runs

    def test_is_counted_while_it_runs(self):
        before, done, worked = threads.cpu_seconds(), threading.Event(), threading.Event()

        def work_and_wait():
            work(0.02)
            worked.set()
            done.wait(10)

        thread = threads.counted_thread(work_and_wait, "vlog-work")
        thread.start()
        worked.wait(10)
        so_far = threads.cpu_seconds()
        done.set()
        thread.join()

        assert before + 0.02 <= so_far <= threads.cpu_seconds()

    def test_is_counted_though_its_target_raises(self, monkeypatch):
        monkeypatch.setattr(threading, "excepthook", lambda _: None)
        before = threads.cpu_seconds()

        def fail():
            work(0.02)
            raise LookupError

        thread = threads.counted_thread(fail, "vlog-fails")
        thread.start()
        thread.join()

        assert before + 0.02 <= threads.cpu_seconds()
        assert set() == threads._account.running

    def test_is_not_counted_in_a_child_of_the_process(self):
        thread = threads.counted_thread(lambda: work(0.02), "vlog-work")
        thread.start()
        thread.join()
        child = os.fork()
        if child == 0:
            os._exit(int(threads.cpu_seconds() != 0.0))

        assert 0 == os.waitpid(child, 0)[1]
