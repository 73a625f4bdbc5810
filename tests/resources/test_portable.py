"""What psutil tells where there is no /proc: the same keys, and here the same numbers."""

import contextlib
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
from kernel_files import gaps_of, stop_time

from vlog.resources.disk import Disk, Places
from vlog.resources.network import Network
from vlog.resources.portable import (
    PortableChildren,
    PortableCpu,
    PortableDisk,
    PortableMemory,
    PortableNetwork,
    PortableProcess,
    PortableTemperatures,
)
from vlog.resources.process import OwnProcess
from vlog.resources.source import Unavailable, is_unavailable

MB, GB = 2**20, 2**30


@pytest.fixture(autouse=True)
def time_stands_still(monkeypatch, clock):
    for module in ("portable", "rates", "process", "children", "network"):
        stop_time(monkeypatch, module, clock)


@pytest.fixture
def places(tmp_path):
    places = Places()
    places.set("log", tmp_path / "log.jsonl")
    return places


def cpu_times(**seconds):
    fields = ("user", "system", "idle", "iowait", "guest", "guest_nice")
    return SimpleNamespace(_fields=fields, **dict.fromkeys(fields, 0.0) | seconds)


@pytest.fixture
def usage_between(monkeypatch):
    def usage(*times):
        series = iter(times)
        monkeypatch.setattr(psutil, "cpu_times", lambda: next(series))
        cpu = PortableCpu()
        return [cpu.read() for _ in times]

    return usage


class TestPortableCpu:
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
        cpu = PortableCpu()
        readings = [cpu.read(), cpu.read()]

        assert {} == readings[0]
        assert 0 <= readings[1].get("usage_percent", 0) <= 100


class TestPortableMemory:
    def test_is_in_gb_of_1024_to_the_third(self, monkeypatch):
        memory = SimpleNamespace(percent=25.5, used=2**30, available=3 * 2**30, total=4 * 2**30)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

        assert {
            "usage_percent": 25.5, "used_gb": 1.0, "available_gb": 3.0, "total_gb": 4.0,
        } == PortableMemory().read()  # fmt: skip

    def test_reads_the_machine(self):
        memory = PortableMemory().read()

        assert 0 < memory["usage_percent"] <= 100
        assert 0 < memory["available_gb"] <= memory["total_gb"]


class TestPortableProcess:
    def test_says_what_proc_says(self, clock):
        portable, linux = PortableProcess(lambda: GB), OwnProcess(total_memory_bytes=lambda: GB)
        for _ in range(2):
            found, expected = portable.read(), linux.read().values
            clock.advance(1)

        assert set(expected) == set(found.values) | set(found.gaps)
        assert expected["threads"] == found.values["threads"]
        assert expected["memory_gb"] == pytest.approx(found.values["memory_gb"], rel=0.05)
        assert 100 * found.values["memory_gb"] == pytest.approx(
            found.values["memory_percent"], abs=0.1
        )
        assert ["major_faults_per_second"] == list(found.gaps)
        assert is_unavailable(found.gaps["major_faults_per_second"])

    def test_has_a_share_of_the_hosts_memory_if_nothing_else_is_said(self):
        found = PortableProcess().read().values
        total = psutil.virtual_memory().total / GB

        assert 100 * found["memory_gb"] / total == pytest.approx(found["memory_percent"], abs=0.02)

    def test_has_gaps_for_what_a_system_does_not_count(self, monkeypatch):
        """macOS: no I/O by process, but major faults. Windows: handles."""
        found = SimpleNamespace(rss=GB, pageins=7)

        class Process:
            def oneshot(self):
                return contextlib.nullcontext()

            def memory_info(self):
                return found

            def cpu_times(self):
                return SimpleNamespace(user=1.0, system=2.0)

            def num_threads(self):
                return 5

            def num_handles(self):
                return 77

        monkeypatch.setattr(psutil, "Process", Process)
        fields = PortableProcess().read()

        assert (1.0, 5, 77) == tuple(
            fields.values[name] for name in ("memory_gb", "threads", "open_files")
        )
        assert dict.fromkeys(
            ("read_mb_per_second", "write_mb_per_second"),
            "this system does not count I/O by process",
        ) == gaps_of(fields)


class TestPortableChildren:
    def test_says_what_proc_says(self):
        """In a process of its own, whose children are all known."""
        assert ("agreed\n", "") == output_of(CHILDREN)

    def test_adds_up_the_rates_of_each(self, monkeypatch, clock):
        seconds = {}

        class Child:
            def __init__(self, pid):
                self.pid = pid

            def status(self):
                return psutil.STATUS_ZOMBIE if self.pid == 3 else psutil.STATUS_SLEEPING

            def memory_info(self):
                if self.pid == 4:
                    raise psutil.NoSuchProcess(self.pid)
                return SimpleNamespace(rss=GB)

            def num_threads(self):
                return 2

            def cpu_times(self):
                return SimpleNamespace(user=seconds[self.pid], system=0.0)

        every = [Child(pid) for pid in (1, 2, 3, 4)]
        monkeypatch.setattr(
            psutil, "Process", lambda: SimpleNamespace(children=lambda recursive: every)
        )
        children = PortableChildren()
        seconds.update({1: 1.0, 2: 1.0})
        children.read()
        clock.advance(2)
        seconds.update({1: 2.0, 2: 3.0})
        fields = children.read()

        assert {"count": 2, "memory_gb": 2.0, "threads": 4, "cpu_percent": 150.0} == fields.values
        assert {"read_mb_per_second", "write_mb_per_second"} == set(fields.gaps)


CHILDREN = """
import subprocess, time
from vlog.resources.children import Children
from vlog.resources.portable import PortableChildren

portable, linux = PortableChildren(), Children()
assert portable.read().values == linux.read().values == {"count": 0}
kids = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
for _ in range(2):
    found, expected = portable.read(), linux.read()
    time.sleep(0.01)
for kid in kids:
    kid.kill()
assert set(found.values) == set(expected.values), (found.values, expected.values)
assert found.gaps == expected.gaps == {}
assert found.values["count"] == expected.values["count"] == 3
assert found.values["threads"] == expected.values["threads"] == 3
assert abs(found.values["memory_gb"] - expected.values["memory_gb"]) < 0.005
print("agreed")
"""


class TestPortableNetwork:
    def test_adds_up_the_physical_interfaces(self, monkeypatch, clock):
        counters = {}
        monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: counters)
        network = PortableNetwork(detailed=True)
        names = ("en0", "en1", "lo0", "utun3", "bridge0", "awdl0", "Loopback Pseudo-Interface 1")
        counters.update(dict.fromkeys(names, nic()))
        first = network.read()
        clock.advance(2)
        counters.update(dict.fromkeys(names, nic(received=4 * MB, sent=2 * MB, errors=3)))

        assert {} == first
        assert {
            "receive_mb_per_second": 4.0,
            "send_mb_per_second": 2.0,
            "errors_per_second": 12.0,
            "interfaces": {
                name: {"receive_mb_per_second": 2.0, "send_mb_per_second": 1.0}
                for name in ("en0", "en1")
            },
        } == network.read()

    def test_has_the_keys_of_proc(self, clock):
        portable, linux = PortableNetwork(), Network()
        for _ in range(2):
            found, expected = portable.read(), linux.read().values
            clock.advance(1)

        assert set(expected) == set(found)


def nic(received=0, sent=0, errors=0):
    return SimpleNamespace(
        bytes_recv=received, bytes_sent=sent, errin=errors, errout=errors, dropin=errors,
        dropout=errors,
    )  # fmt: skip


class TestPortableDisk:
    def test_says_what_proc_says(self, places, clock):
        portable, linux = PortableDisk(places), Disk(places)
        for _ in range(2):
            found, expected = portable.read(), linux.read()
            clock.advance(1)
        (one,), (other,) = found.values["file_systems"], expected.values["file_systems"]
        names = ("usage_percent", "used_gb", "free_gb", "total_gb", "inodes_percent")

        assert (other["mount"], other["holds"]) == (one["mount"], one["holds"])
        assert [pytest.approx(other[name], abs=0.02) for name in names] == [
            one[name] for name in names
        ]
        assert set(expected.gaps) == set(found.gaps)
        assert set(other) - set(one) <= {
            "read_mb_per_second",
            "write_mb_per_second",
            "busy_percent",
        }

    def test_tells_the_rates_of_a_device_that_psutil_knows(self, places, monkeypatch, clock):
        partition = SimpleNamespace(mountpoint="/", device="/dev/sda1")
        counters = {"sda1": SimpleNamespace(read_bytes=0, write_bytes=0, busy_time=0)}
        monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [partition])
        monkeypatch.setattr(psutil, "disk_io_counters", lambda perdisk: counters)
        disk = PortableDisk(places)
        disk.read()
        clock.advance(2)
        counters["sda1"] = SimpleNamespace(read_bytes=2 * MB, write_bytes=4 * MB, busy_time=500)
        (one,) = disk.read().values["file_systems"]

        assert "/" == one["mount"]
        assert (1.0, 2.0, 25.0) == tuple(
            one[name] for name in ("read_mb_per_second", "write_mb_per_second", "busy_percent")
        )

    def test_has_gaps_where_the_device_cannot_be_told(self, places, monkeypatch):
        monkeypatch.setattr(psutil, "disk_io_counters", lambda perdisk: None)
        fields = PortableDisk(places).read()

        assert set(gaps_of(fields).values()) == {"its device cannot be told"}
        assert 3 == len(fields.gaps)
        assert all(is_unavailable(error) for error in fields.gaps.values())

    def test_has_nothing_to_say_before_there_is_a_place(self):
        fields = PortableDisk(Places()).read()

        assert ({}, {}) == (fields.values, fields.gaps)


class TestPortableTemperatures:
    def test_gives_each_sensor_a_name(self, monkeypatch):
        def sensor(label, current, critical=None):
            return SimpleNamespace(label=label, current=current, high=None, critical=critical)

        known = {
            "coretemp": [sensor("Package id 0", 54.0, 100.0), sensor("", 50.0)],
            "nvme": [sensor("Composite", 30.0), sensor("Composite", 31.0), sensor("Dead", 0.0)],
        }
        monkeypatch.setattr(psutil, "sensors_temperatures", lambda: known, raising=False)
        fields = PortableTemperatures().read()

        assert {
            "max_celsius": 54.0,
            "sensors": {
                "coretemp Package id 0": {"celsius": 54.0, "critical_celsius": 100.0},
                "coretemp 2": {"celsius": 50.0},
                "nvme Composite": {"celsius": 30.0},
                "nvme Composite (2)": {"celsius": 31.0},
            },
        } == fields.values
        assert ["sensors.nvme Dead"] == list(fields.gaps)

    def test_says_when_there_are_none(self, monkeypatch):
        monkeypatch.delattr(psutil, "sensors_temperatures", raising=False)

        with pytest.raises(Unavailable, match="no temperature sensors"):
            PortableTemperatures().read()


class TestPortable:
    def test_needs_nothing_that_other_systems_have_not_got(self):
        """Windows has no `resource`, and no `os.statvfs` when a module is imported."""
        assert ("imported\n", "") == output_of(ELSEWHERE)


ELSEWHERE = """
import os, sys, psutil
sys.modules["resource"] = None
del os.statvfs, os.statvfs_result, os.sysconf
sys.platform = "win32"
import vlog.resources.portable, vlog.resources.sources
print("imported")
"""


def output_of(script):
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False
    )
    return result.stdout, result.stderr
