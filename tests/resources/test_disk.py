"""The file systems of the log and the output: as df has them, one that hangs or not."""

import contextlib
import math
import os
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from kernel_files import gaps_of, stop_time, write

from vlog.resources.disk import Disk, Places, inodes_percent, nearest, space_of
from vlog.resources.source import Unavailable, is_unavailable

MB = 2**20
DEADLINE = 10.0
# Reads: count, merged, sectors, ms; writes the same; in flight, busy ms, and more.
STAT = "10 2 {read} 7 20 3 {written} 9 0 {busy} 30 1 2 3 4 5 6\n"


@pytest.fixture
def places():
    return Places()


@pytest.fixture
def mount():
    """Mount things for real, and unmount them in the end."""
    points = []

    def mount(*arguments):
        result = subprocess.run(
            ["mount", *map(str, arguments)], capture_output=True, text=True, check=False
        )
        if result.returncode:
            pytest.skip(f"mounting takes rights: {result.stderr.strip()}")
        points.append(arguments[-1])

    yield mount
    for point in reversed(points):
        subprocess.run(["umount", str(point)], check=True)


def df(path, *columns):
    """Return what df says of `path`, in bytes and percent."""
    command = ["df", "-B1", f"--output={','.join(columns)}", str(path)]
    last = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[
        -1
    ]
    return [int(word.rstrip("%")) for word in last.split()]


def only(fields):
    (one,) = fields.values["file_systems"]
    return one


class TestPlaces:
    def test_keep_their_order_and_the_last_path(self, places, tmp_path):
        places.set("output", "/a")
        places.set("log", "logs/run.jsonl")
        places.set("output", Path("/b"))

        assert [("output", Path("/b")), ("log", tmp_path / "logs/run.jsonl")] == places.items()

    def test_may_be_set_while_they_are_read(self, places):
        may_end = threading.Event()

        def change():
            for number in range(2000):
                places.set(f"role {number}", "/")
            may_end.set()

        thread = threading.Thread(target=change)
        thread.start()
        sizes = []
        while not may_end.is_set():
            sizes.append(len(places.items()))
        thread.join()

        assert sorted(sizes) == sizes
        assert 2000 == len(places.items())


class TestDisk:
    def test_says_what_df_says(self, places, tmp_path):
        places.set("log", tmp_path / "log.jsonl")
        found = only(Disk(places).read())
        size, used, free, percent, inodes = df(tmp_path, "size", "used", "avail", "pcent", "ipcent")

        assert size / 2**30 == pytest.approx(found["total_gb"], abs=0.001)
        assert used / 2**30 == pytest.approx(found["used_gb"], abs=0.01)
        assert free / 2**30 == pytest.approx(found["free_gb"], abs=0.01)
        assert percent == pytest.approx(found["usage_percent"], abs=1.01)  # df rounds up
        assert inodes == pytest.approx(found["inodes_percent"], abs=1.01)
        assert ["log"] == found["holds"]
        assert os.path.ismount(found["mount"])

    def test_has_nothing_to_say_before_there_is_a_place(self, places, tmp_path):
        disk = Disk(places)
        before = disk.read()
        places.set("output", tmp_path)

        assert ({}, {}) == (before.values, before.gaps)
        assert ["output"] == only(disk.read())["holds"]

    def test_looks_at_the_nearest_parent_of_what_is_not_there_yet(self, places, tmp_path):
        (tmp_path / "file").touch()
        places.set("log", tmp_path / "not/there/yet.jsonl")
        places.set("output", tmp_path / "file/below/a/file")
        fields = Disk(places).read()

        assert ["log", "output"] == only(fields)["holds"]

    def test_has_one_object_for_each_file_system(self, places, tmp_path):
        places.set("output", tmp_path)
        places.set("proc", "/proc")
        places.set("log", tmp_path / "log.jsonl")
        fields = Disk(places).read()

        assert [["output", "log"], ["proc"]] == [
            one["holds"] for one in fields.values["file_systems"]
        ]
        assert "/proc" == fields.values["file_systems"][1]["mount"]
        assert "it tells no size" == gaps_of(fields)["file_systems[1].usage_percent"]

    def test_measures_a_file_system_that_fills(self, places, mount, tmp_path):
        """A real one of 16 MB in memory, whose mount point has a space in its name."""
        point = tmp_path / "a small one"
        point.mkdir()
        mount("-t", "tmpfs", "-o", "size=16m", "none", point)
        places.set("output", point / "checkpoint-1")
        disk = Disk(places)
        before = only(disk.read())
        (point / "file").write_bytes(bytes(int(0.6 * 16 * MB)))
        fields = disk.read()
        after = only(fields)

        assert str(point) == before["mount"] == after["mount"]
        assert (0.0, 60.0) == (
            before["usage_percent"],
            pytest.approx(after["usage_percent"], abs=0.1),
        )
        assert 16 / 1024 == pytest.approx(after["total_gb"], abs=0.001)
        assert df(point, "pcent") == [math.ceil(after["usage_percent"])]
        assert {
            f"file_systems[0].{name}": "tmpfs has no block device that can be seen"
            for name in ("read_mb_per_second", "write_mb_per_second", "busy_percent")
        } == gaps_of(fields)
        assert all(is_unavailable(error) for error in fields.gaps.values())

    def test_sees_what_is_mounted_over_a_place(self, places, mount, tmp_path):
        point = tmp_path / "output"
        point.mkdir()
        places.set("output", point)
        disk = Disk(places)
        before = only(disk.read())["mount"]
        mount("-t", "tmpfs", "-o", "size=1m", "none", point)

        assert before != str(point) == only(disk.read())["mount"]

    def test_knows_a_file_system_that_is_mounted_twice(self, places, mount, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        mount("--bind", tmp_path / "a", tmp_path / "b")
        places.set("log", tmp_path / "a")
        places.set("output", tmp_path / "b")

        assert ["log", "output"] == only(Disk(places).read())["holds"]

    def test_follows_links(self, places, mount, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        mount("-t", "tmpfs", "-o", "size=1m", "none", tmp_path / "real")
        places.set("output", tmp_path / "link/run")

        assert str(tmp_path / "real") == only(Disk(places).read())["mount"]


class TestDevice:
    @pytest.fixture
    def machine(self, tmp_path, places, monkeypatch, clock):
        """Return a disk whose device has the counters of `write_counters`."""
        stop_time(monkeypatch, "disk", clock)
        status = tmp_path.stat()
        device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
        write(tmp_path, {"proc/self/mountinfo": f"1 1 {device} / / rw - ext4 /dev/sda1 rw\n"})

        def write_counters(read, written, busy):
            text = STAT.format(read=read, written=written, busy=busy)
            write(tmp_path, {f"sys/dev/block/{device}/stat": text})

        places.set("log", tmp_path)
        return Disk(places, tmp_path, patience_seconds=0.0), write_counters

    def read(self, disk):
        """Give the thread that looks all the time of the real clock: the other one stands."""
        with patient(disk):
            return only(disk.read())

    def test_tells_rates_of_512_bytes_and_its_busy_share(self, machine, clock):
        disk, write_counters = machine
        write_counters(read=1000, written=2000, busy=100)
        first = self.read(disk)
        clock.advance(2)
        write_counters(read=1000 + 4096, written=2000 + 8192, busy=100 + 500)
        second = self.read(disk)

        names = ("read_mb_per_second", "write_mb_per_second", "busy_percent")
        assert [None, None, None] == [first.get(name) for name in names]
        assert [1.0, 2.0, 25.0] == [second[name] for name in names]

    def test_is_never_busy_for_more_than_all_the_time(self, machine, clock):
        disk, write_counters = machine
        write_counters(read=0, written=0, busy=0)
        self.read(disk)
        clock.advance(1)
        write_counters(read=0, written=0, busy=1100)

        assert 100.0 == self.read(disk)["busy_percent"]

    def test_agrees_with_diskstats(self, tmp_path, places, monkeypatch, clock):
        stop_time(monkeypatch, "disk", clock)
        places.set("log", tmp_path)
        disk = Disk(places)
        with patient(disk):
            if "file_systems[0].read_mb_per_second" in disk.read().gaps:
                pytest.skip(f"{tmp_path} is not on a block device")
            least = sectors_written(tmp_path)
            descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
            os.write(descriptor, os.urandom(8 * MB))
            os.fsync(descriptor)
            os.close(descriptor)
            clock.advance(1)
            least = sectors_written(tmp_path) - least
            before = 8 * MB / 512
            rate = only(disk.read())["write_mb_per_second"]

        assert before <= least <= rate * MB / 512 + 1


class TestFileSystemThatHangs:
    @pytest.fixture
    def hang(self, monkeypatch):
        """Let statvfs of one path hang, until the test ends or lets it go."""
        may_go_on, calls, real = threading.Event(), [], os.statvfs

        def hang(path):
            def statvfs(asked):
                if asked == path:
                    calls.append(asked)
                    may_go_on.wait(DEADLINE)
                return real(asked)

            monkeypatch.setattr(os, "statvfs", statvfs)
            return may_go_on, calls

        yield hang
        may_go_on.set()

    def test_costs_only_its_own_fields(self, places, tmp_path, hang):
        dead = tmp_path / "dead"
        dead.mkdir()
        hang(dead)
        places.set("output", dead)
        places.set("log", tmp_path)
        fields = Disk(places, patience_seconds=0.2).read()

        assert ["log"] == only(fields)["holds"]
        assert {"file_systems.output": f"{dead} does not answer"} == gaps_of(fields)
        assert not is_unavailable(fields.gaps["file_systems.output"])

    def test_is_not_asked_again_before_it_answers(self, places, tmp_path, hang):
        may_go_on, calls = hang(tmp_path)
        places.set("log", tmp_path)
        disk = Disk(places, patience_seconds=0.05)
        gaps = [list(disk.read().gaps) for _ in range(3)]
        may_go_on.set()
        with patient(disk):
            late = disk.read()
            after = disk.read()

        assert [["file_systems.log"]] * 3 == gaps
        assert ["log"] == only(late)["holds"] == only(after)["holds"]
        assert 2 == len(calls)

    def test_does_not_hold_up_the_place_that_takes_its_place(self, places, tmp_path, hang):
        dead = tmp_path / "dead"
        dead.mkdir()
        hang(dead)
        places.set("output", dead)
        disk = Disk(places, patience_seconds=0.2)
        before = disk.read()
        places.set("output", tmp_path)

        assert {} == before.values
        assert ["output"] == only(disk.read())["holds"]

    def test_says_why_a_place_cannot_be_looked_at(self, places, tmp_path, monkeypatch):
        def statvfs(_):
            raise PermissionError(13, "no")

        monkeypatch.setattr(os, "statvfs", statvfs)
        places.set("log", tmp_path)
        fields = Disk(places).read()

        assert {} == fields.values
        assert is_unavailable(fields.gaps["file_systems.log"])

    def test_has_its_space_where_the_mounts_cannot_be_read(self, places, tmp_path):
        places.set("log", tmp_path)
        fields = Disk(places, root=tmp_path).read()

        assert only(fields)["total_gb"] > 0
        assert {
            "file_systems[0].mount",
            "file_systems[0].read_mb_per_second",
            "file_systems[0].write_mb_per_second",
            "file_systems[0].busy_percent",
        } == set(fields.gaps)


class TestSpaceOf:
    def space(self, **facts):
        return SimpleNamespace(f_frsize=4096, f_bsize=2**20, **facts)

    def test_is_full_where_an_ordinary_user_finds_no_more(self):
        """5 % of ext4 are kept for root."""
        found = space_of(self.space(f_blocks=2**20, f_bfree=2**18, f_bavail=0))

        assert {
            "usage_percent": 100.0, "used_gb": 3.0, "free_gb": 0.0, "total_gb": 4.0,
        } == found  # fmt: skip

    def test_leaves_out_what_is_kept_for_root(self):
        found = space_of(self.space(f_blocks=100, f_bfree=50, f_bavail=30))

        assert 62.5 == found["usage_percent"]

    def test_is_unavailable_of_a_file_system_without_a_size(self):
        with pytest.raises(Unavailable, match="it tells no size"):
            space_of(self.space(f_blocks=0, f_bfree=0, f_bavail=0))


class TestInodesPercent:
    def test_is_their_share(self):
        assert 75.0 == inodes_percent(SimpleNamespace(f_files=1000, f_ffree=250))

    def test_is_unavailable_where_they_are_made_as_needed(self):
        with pytest.raises(Unavailable, match="it does not count its files"):
            inodes_percent(SimpleNamespace(f_files=0, f_ffree=0))


class TestNearest:
    def test_is_the_path_itself_where_it_exists(self, tmp_path):
        assert (tmp_path, tmp_path.stat().st_dev) == nearest(tmp_path)

    def test_is_refused_where_even_the_root_does_not_exist(self, monkeypatch):
        """A drive that is not there."""

        def stat(_):
            raise FileNotFoundError

        monkeypatch.setattr(Path, "stat", stat)
        with pytest.raises(FileNotFoundError, match="nothing of /not/there exists"):
            nearest(Path("/not/there"))


@contextlib.contextmanager
def patient(disk):
    before, disk._patience = disk._patience, DEADLINE
    yield
    disk._patience = before


def sectors_written(path):
    device = path.stat().st_dev
    for line in Path("/proc/diskstats").read_text().splitlines():
        words = line.split()
        if (int(words[0]), int(words[1])) == (os.major(device), os.minor(device)):
            return int(words[9])
    raise AssertionError(f"{path} is on no device")
