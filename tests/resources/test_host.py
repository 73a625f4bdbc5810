"""Processor and memory of the host, in the units of their keys."""

from types import SimpleNamespace

import psutil
import pytest

from vlog.resources.host import HostCpu, HostMemory


def cpu_times(**seconds):
    fields = ("user", "system", "idle", "iowait", "guest", "guest_nice")
    return SimpleNamespace(_fields=fields, **dict.fromkeys(fields, 0.0) | seconds)


@pytest.fixture
def usage_between(monkeypatch):
    def usage(*times):
        series = iter(times)
        monkeypatch.setattr(psutil, "cpu_times", lambda: next(series))
        cpu = HostCpu()
        return [cpu.read() for _ in times]

    return usage


class TestHostCpu:
    def test_is_the_busy_share_between_two_readings(self, usage_between):
        readings = usage_between(
            cpu_times(user=10, idle=10),
            cpu_times(user=12, system=1, idle=11),
            cpu_times(user=12, system=1, idle=12, iowait=3),
        )

        assert [{}, {"usage_percent": 75.0}, {"usage_percent": 0.0}] == readings

    def test_counts_guests_once(self, usage_between):
        """The kernel counts `guest` within `user`."""
        readings = usage_between(cpu_times(), cpu_times(user=5, guest=5, idle=5))

        assert {"usage_percent": 50.0} == readings[1]

    def test_is_absent_where_no_time_has_passed_and_stays_in_range(self, usage_between):
        readings = usage_between(
            cpu_times(user=1), cpu_times(user=1), cpu_times(user=5, idle=-1), cpu_times(user=4)
        )

        assert [{}, {}, {"usage_percent": 100.0}] == readings[:3]

    def test_reads_the_machine(self):
        cpu = HostCpu()
        readings = [cpu.read(), cpu.read()]

        assert {} == readings[0]
        assert 0 <= readings[1].get("usage_percent", 0) <= 100


class TestHostMemory:
    def test_is_in_gb_of_1024_to_the_third(self, monkeypatch):
        memory = SimpleNamespace(percent=25.5, used=2**30, available=3 * 2**30, total=4 * 2**30)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

        assert {
            "usage_percent": 25.5, "used_gb": 1.0, "available_gb": 3.0, "total_gb": 4.0,
        } == HostMemory().read()  # fmt: skip

    def test_reads_the_machine(self):
        memory = HostMemory().read()

        assert 0 < memory["usage_percent"] <= 100
        assert 0 < memory["available_gb"] <= memory["total_gb"]
