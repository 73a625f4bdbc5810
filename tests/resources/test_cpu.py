"""The processor, of what this process may use of it."""

import os
import subprocess
import sys
import threading
import time

import psutil
import pytest

from vlog.resources.cgroup.cpu import CpuLimit
from vlog.resources.cpu import Cpu, usable_cores

STAT = """cpu  {0} 0 {1} {2} {3} 0 0 {4} 9 9
cpu0 {0} 0 {1} {2} {3} 0 0 {4} 9 9
cpu1 0 0 0 {5} 0 0 0 0 0 0
intr 12345 0 0
ctxt 99
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text("1.50 1.20 0.90 3/400 4711\n")
    return tmp_path


@pytest.fixture
def both_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})


def write_stat(root, *, user=0, system=0, idle=0, iowait=0, steal=0, idle_of_second=0):
    (root / "proc/stat").write_text(STAT.format(user, system, idle, iowait, steal, idle_of_second))


@pytest.mark.usefixtures("both_cores")
class TestHost:
    def test_has_shares_from_the_second_reading_on(self, root):
        cpu = Cpu(root)
        write_stat(root, user=100, idle=100)
        first = cpu.read()
        write_stat(root, user=150, system=10, idle=125, iowait=10, steal=5)
        second = cpu.read()

        assert {"scope": "host", "usable_cores": 2, "load_1_minute": 1.5} == first.values
        assert {
            "scope": "host", "usable_cores": 2, "load_1_minute": 1.5,
            "usage_percent": 65.0, "iowait_percent": 10.0, "steal_percent": 5.0,
        } == second.values  # fmt: skip

    def test_has_no_share_where_no_time_has_passed_and_none_out_of_range(self, root):
        """Idle and iowait may fall: the kernel documents so of iowait."""
        cpu = Cpu(root)
        write_stat(root, user=100, idle=100, iowait=50)
        cpu.read()
        assert "usage_percent" not in cpu.read().values
        write_stat(root, user=200, idle=100, iowait=40)
        found = cpu.read().values

        assert (100.0, 0.0) == (found["usage_percent"], found["iowait_percent"])

    def test_tells_of_each_core_where_detail_is_wanted(self, root):
        cpu = Cpu(root, detailed=True)
        write_stat(root)
        cpu.read()
        write_stat(root, user=30, idle=10, idle_of_second=40)
        found = cpu.read()

        assert [75.0, 0.0] == found.values["per_core_percent"]
        assert "the kernel does not tell the frequency" == str(found.gaps["frequency_mhz"])

    def test_has_the_mean_frequency(self, root):
        for core, kilohertz in ((0, 2_000_000), (1, 3_000_000)):
            path = root / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq"
            path.parent.mkdir(parents=True)
            path.write_text(f"{kilohertz}\n")
        write_stat(root)

        assert 2500.0 == Cpu(root, detailed=True).read().values["frequency_mhz"]

    def test_loses_one_file_alone(self, root):
        write_stat(root)
        (root / "proc/loadavg").unlink()
        found = Cpu(root).read()

        assert ["load_1_minute"] == list(found.gaps)
        assert "scope" in found.values


class TestCpuset:
    def test_is_of_the_cores_that_may_be_used(self, root, monkeypatch):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {1})
        cpu = Cpu(root)
        write_stat(root)
        cpu.read()
        write_stat(root, user=40, idle=20, idle_of_second=50)
        found = cpu.read().values

        assert ("cpuset", 1, 0.0) == tuple(
            found[name] for name in ("scope", "usable_cores", "usage_percent")
        )
        assert found["host_usage_percent"] == pytest.approx(66.67)


@pytest.mark.usefixtures("both_cores")
class TestQuota:
    def test_is_of_the_quota_where_that_is_less(self, root, monkeypatch):
        cpu = Cpu(root)
        limits = iter([CpuLimit(0.5, 10.0, 5, 100, "/job"), CpuLimit(0.5, 10.1, 10, 110, "/job")])
        monkeypatch.setattr(cpu._cgroup, "read", lambda _cores: next(limits))
        monkeypatch.setattr(time, "perf_counter", iter([1.0, 1.4]).__next__)
        write_stat(root)
        first = cpu.read().values
        write_stat(root, user=10, idle=90)
        second = cpu.read().values

        assert ("cgroup", 0.5) == (first["scope"], first["usable_cores"])
        assert {
            "scope": "cgroup", "usable_cores": 0.5, "usage_percent": 50.0,
            "throttled_percent": 50.0, "host_usage_percent": 10.0,
        } == {name: second[name] for name in second if name not in (
            "load_1_minute", "iowait_percent", "steal_percent")}  # fmt: skip

    def test_is_no_matter_where_it_gives_more_than_the_cores(self, root, monkeypatch):
        cpu = Cpu(root)
        monkeypatch.setattr(cpu._cgroup, "read", lambda _cores: CpuLimit(4.0, 1.0, 0, 0, "/"))
        write_stat(root)

        assert "host" == cpu.read().values["scope"]


class TestThisMachine:
    def test_sees_what_psutil_sees(self):
        """Both look at the same ticks, one right after the other, while a core is busy."""
        cpu, found = Cpu(), {}
        is_over = threading.Event()
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            cpu.read()
            psutil.cpu_percent()
            is_over.wait(1.0)
            found = cpu.read().values
            theirs = psutil.cpu_percent()
        finally:
            busy.kill()
            busy.wait()

        assert len(usable_cores()) == len(os.sched_getaffinity(0))
        assert found.get("host_usage_percent", found["usage_percent"]) == pytest.approx(
            theirs, abs=10
        )
        assert found["load_1_minute"] == pytest.approx(os.getloadavg()[0], abs=0.5)
