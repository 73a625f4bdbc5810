"""Memory, processor time and threads of this process."""

import threading
import time

import psutil
import pytest

from vlog.resources.process import OwnProcess


class TestOwnProcess:
    def test_has_no_cpu_use_before_the_second_reading(self):
        assert {"memory_gb", "memory_percent", "threads"} == set(OwnProcess().read())

    def test_reads_resident_memory(self):
        found = OwnProcess().read()
        resident = psutil.Process().memory_info().rss

        assert resident / 2**30 == pytest.approx(found["memory_gb"], rel=0.2, abs=0.001)
        assert 100 * resident / psutil.virtual_memory().total == pytest.approx(
            found["memory_percent"], rel=0.2, abs=0.01
        )

    def test_counts_threads(self):
        process, may_end = OwnProcess(), threading.Event()
        before = process.read()["threads"]
        threads = [threading.Thread(target=may_end.wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        during = process.read()["threads"]
        may_end.set()
        for thread in threads:
            thread.join()

        assert before + 3 == during

    def test_measures_processor_time_between_readings(self):
        """100 for each busy core: here one, busy for 50 clock ticks or a bit less."""
        process = OwnProcess()
        process.read()
        until = time.thread_time() + 0.3
        while time.thread_time() < until:
            sum(range(1000))

        assert 0 < process.read()["cpu_percent"] <= 100 * psutil.cpu_count() * 1.5
