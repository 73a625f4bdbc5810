"""Memory, processor time, threads, descriptors and I/O of this process."""

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from kernel_files import open_descriptors, stop_time, write

from vlog.resources.files import table_of
from vlog.resources.process import PAGE, Descriptors, OwnProcess, collections, parse_stat
from vlog.resources.source import is_unavailable

RATES = {
    "cpu_percent", "read_mb_per_second", "write_mb_per_second", "major_faults_per_second",
}  # fmt: skip
STAT = (
    "4242 (a) S 1 (b)) R 17 4242 1 0 -1 4194304 100 0 7 0 250 50 0 0 20 0 3 0 99 1000000 2560 "
    "18446744073709551615 1 1 0 0 0 0 0 16781312 17890 0 0 0 17 1 0 0 0 0 0\n"
)
WRITES = """
import os, sys
descriptor = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(descriptor, bytes(8 * 2**20))
os.fsync(descriptor)
"""


@pytest.fixture
def process(monkeypatch, clock):
    stop_time(monkeypatch, "process", clock)
    return OwnProcess()


def written_of_own():
    return int(table_of(Path("/proc/self/io").read_bytes())[b"write_bytes"])


def needs_a_disk(folder):
    mounts = {each.mountpoint: each.fstype for each in psutil.disk_partitions(all=True)}
    kind = next(mounts[str(each)] for each in (folder, *folder.parents) if str(each) in mounts)
    if kind in ("tmpfs", "overlay", "nfs"):
        pytest.skip(f"what is written to {kind} is not counted as written to a disk")


class TestOwnProcess:
    def test_has_no_rates_before_the_second_reading(self, process, clock):
        first = process.read()
        clock.advance(1)

        assert {"memory_gb", "threads", "open_files", "gc_collections"} == set(first.values)
        assert RATES == set(process.read().values) - set(first.values)
        assert {} == first.gaps

    def test_reads_resident_memory(self, process):
        before = process.read().values["memory_gb"]
        ballast = bytearray(b"1") * (100 * 2**20)
        during = process.read().values["memory_gb"]

        assert 100 / 1024 == pytest.approx(during - before, abs=0.01)
        assert psutil.Process().memory_info().rss / 2**30 == pytest.approx(during, abs=0.005)
        del ballast

    def test_is_told_what_its_memory_is_a_share_of(self):
        known = OwnProcess(total_memory_bytes=lambda: 2**30).read().values
        unknown = OwnProcess(total_memory_bytes=lambda: None).read()

        assert 100 * known["memory_gb"] == pytest.approx(known["memory_percent"], abs=0.2)
        assert "memory_percent" not in unknown.values | unknown.gaps

    def test_counts_threads(self, process):
        may_end = threading.Event()
        before = process.read().values["threads"]
        threads = [threading.Thread(target=may_end.wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        during = process.read().values["threads"]
        may_end.set()
        for thread in threads:
            thread.join()

        assert before + 3 == during

    def test_counts_descriptors(self, process):
        before = process.read().values["open_files"]
        more = [os.open(os.devnull, os.O_RDONLY) for _ in range(10)]
        during = process.read().values["open_files"]
        for descriptor in more:
            os.close(descriptor)

        assert before + 10 == during
        assert open_descriptors() == before

    def test_measures_processor_time_of_all_threads(self, process, clock):
        """100 for each busy core."""
        before = time.process_time()
        process.read()
        thread = threading.Thread(target=burn, args=(0.3,))
        thread.start()
        thread.join()
        clock.advance(1)
        exact = process.read().values["cpu_percent"]
        passed = 100 * (time.process_time() - before)

        assert 30 <= exact <= passed
        assert passed == pytest.approx(exact, abs=5)

    def test_measures_what_it_writes_to_disks(self, process, clock, tmp_path):
        needs_a_disk(tmp_path)
        process.read()
        before = written_of_own()
        descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, bytes(8 * 2**20))
        os.fsync(descriptor)
        os.close(descriptor)
        clock.advance(2)

        rate = process.read().values["write_mb_per_second"]

        assert rate >= 4.0
        assert (written_of_own() - before) / 2**20 / 2 == pytest.approx(rate, abs=0.01)

    def test_leaves_out_what_a_child_wrote_once_it_is_reaped(self, process, clock, tmp_path):
        """The kernel adds it all to /proc/self/io in one moment."""
        needs_a_disk(tmp_path)
        process.read()
        before = written_of_own()
        subprocess.run([sys.executable, "-c", WRITES, tmp_path / "file"], check=True)
        clock.advance(1)

        assert process.read().values["write_mb_per_second"] < 1
        assert written_of_own() - before >= 8 * 2**20

    def test_counts_major_faults(self, process, clock, monkeypatch):
        counts = iter([100, 104])
        monkeypatch.setattr(
            "resource.getrusage",
            lambda _: SimpleNamespace(
                ru_utime=0.0, ru_stime=0.0, ru_majflt=next(counts), ru_inblock=0, ru_oublock=0
            ),
        )
        process.read()
        clock.advance(2)

        assert 2.0 == process.read().values["major_faults_per_second"]

    def test_loses_a_field_and_no_other_with_a_file(self, tmp_path):
        write(tmp_path, {"proc/self/stat": STAT})
        found = OwnProcess(tmp_path).read()

        assert {"threads": 3, "gc_collections": collections()} == found.values
        assert {"memory_gb", "open_files"} == set(found.gaps)
        assert all(is_unavailable(error) for error in found.gaps.values())

    def test_may_have_any_name(self, process):
        """Python's own is in /proc/self/stat as it is, parentheses and all."""
        name = Path("/proc/self/comm")
        before, threads = name.read_text(), process.read().values["threads"]
        name.write_text(") S 1 (2) 3")
        try:
            assert threads == process.read().values["threads"]
        finally:
            name.write_text(before)


class TestParseStat:
    def test_finds_its_words_behind_any_name(self):
        found = parse_stat(STAT.encode())

        assert (b"R", 17, 3, 99) == (found.state, found.parent, found.threads, found.started)
        assert 2560 * PAGE == found.resident_bytes
        assert 300 / os.sysconf("SC_CLK_TCK") == found.cpu_seconds

    def test_agrees_with_psutil(self):
        found = parse_stat(Path("/proc/self/stat").read_bytes())
        process = psutil.Process()

        assert (process.ppid(), process.num_threads()) == (found.parent, found.threads)
        assert process.memory_info().rss == pytest.approx(found.resident_bytes, rel=0.05)


class TestDescriptors:
    def test_lists_them_now_and_then_on_an_older_kernel(self, monkeypatch, clock):
        """Before Linux 6.2, the folder does not tell its size."""
        stop_time(monkeypatch, "process", clock)
        monkeypatch.setattr(
            "vlog.resources.process.os", SimpleNamespace(stat=lambda _: SimpleNamespace(st_size=0))
        )
        descriptors = Descriptors()
        first = descriptors.count()
        one = os.open(os.devnull, os.O_RDONLY)
        soon = descriptors.count()
        clock.advance(30)
        later = descriptors.count()
        os.close(one)

        assert (first, first + 1) == (soon, later)
        assert open_descriptors() == first


class TestCollections:
    def test_counts_each_generation(self):
        before = collections()
        gc.collect(2)

        assert [0, 0, 1] == [now - then for now, then in zip(collections(), before, strict=True)]


def burn(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))
