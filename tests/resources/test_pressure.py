"""Pressure is the time that tasks stood still between two readings."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vlog.resources.pressure import Pressure
from vlog.resources.source import is_unavailable

LINE = "{} avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"


def write(root, what, **totals):
    path = root / "proc/pressure" / what
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(LINE.format(kind, total) for kind, total in totals.items()))


@pytest.fixture
def at(monkeypatch):
    def at(seconds):
        monkeypatch.setattr(time, "perf_counter", lambda: seconds)

    return at


class TestPressure:
    def test_is_the_share_of_the_time_since_the_last_reading(self, tmp_path, at):
        pressure = Pressure(tmp_path)
        at(1.0)
        for what in ("cpu", "memory", "io"):
            write(tmp_path, what, some=1000, full=1000)
        assert {} == pressure.read().values
        at(3.0)
        write(tmp_path, "cpu", some=201_000, full=0)
        write(tmp_path, "memory", some=1000, full=1000)
        write(tmp_path, "io", some=2_001_000, full=9_001_000)

        assert {
            "cpu_some_percent": 10.0,
            "memory_some_percent": 0.0, "memory_full_percent": 0.0,
            "io_some_percent": 100.0, "io_full_percent": 100.0,
        } == pressure.read().values  # fmt: skip

    def test_is_nothing_where_the_kernel_does_not_tell(self, tmp_path):
        with pytest.raises(FileNotFoundError) as caught:
            Pressure(tmp_path).read()

        assert is_unavailable(caught.value)

    def test_loses_one_file_alone(self, tmp_path):
        write(tmp_path, "cpu", some=1)

        assert {"memory", "io"} == set(Pressure(tmp_path).read().gaps)


def total_of(what, kind):
    """Return the microseconds of a line of the kernel's own file."""
    for line in Path("/proc/pressure", what).read_text().splitlines():
        if line.startswith(kind):
            return int(line.rpartition("total=")[2])
    raise AssertionError(f"no line {kind} in {what}")


@pytest.mark.skipif(not Path("/proc/pressure/cpu").exists(), reason="this kernel has no PSI")
class TestThisMachine:
    def test_sees_what_the_kernel_counts_while_tasks_wait_for_a_core(self):
        """The kernel's count is read around ours: the share lies between the two."""
        pressure = Pressure()
        command = [sys.executable, "-c", "while True: pass"]
        hogs = [subprocess.Popen(command) for _ in range(2 * os.cpu_count())]
        try:
            outer, began = total_of("cpu", "some"), time.perf_counter()
            pressure.read()
            inner, inner_began = total_of("cpu", "some"), time.perf_counter()
            threading.Event().wait(1.0)
            inner, inner_passed = total_of("cpu", "some") - inner, time.perf_counter() - inner_began
            found = pressure.read().values["cpu_some_percent"]
            outer, passed = total_of("cpu", "some") - outer, time.perf_counter() - began
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()

        assert found > 0
        assert 100 * inner / 1e6 / passed - 1 <= found <= 100 * outer / 1e6 / inner_passed + 1
