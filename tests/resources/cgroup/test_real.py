"""In real control groups, the limits are what the kernel's own files say."""

import contextlib
import json
import os
import subprocess
import sys

import psutil
import pytest
from cgroups import in_groups, limited_cpu, limited_memory, move

from vlog.resources.cgroup.cpu import CgroupCpu
from vlog.resources.cgroup.memory import CgroupMemory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")

MB = 2**20
HOST = psutil.virtual_memory().total
BALLOON = 200 * MB
CACHE = 150 * MB
SLACK = 16 * MB  # between two readings; the kernel counts in batches

# Does what it is told, a line each, and answers with a line of JSON.
ANSWER = """
import json, sys
from vlog.resources.cgroup.cpu import CgroupCpu
from vlog.resources.cgroup.memory import CgroupMemory
memory, cpu = CgroupMemory(), CgroupCpu()
def limit(found):
    return found and found._asdict()
for line in sys.stdin:
    exec(json.loads(line))
    print(json.dumps([limit(memory.read({host})), limit(cpu.read(4096))]), flush=True)
"""


# Twice, as two epochs do: what is read again becomes active.
READ_THROUGH = """
for epoch in range(2):
    with open({path!r}, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
"""


class Child:
    """A process in control groups, which reads its own limits."""

    def __init__(self, *folders):
        self.process = subprocess.Popen(
            in_groups(folders, sys.executable, "-c", ANSWER.replace("{host}", str(HOST))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self, action="pass"):
        """Let it do `action`, then return its limits of memory and processor."""
        self.process.stdin.write(json.dumps(action) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def child(*folders):
    started = Child(*folders)
    try:
        yield started
    finally:
        started.process.stdin.close()
        started.process.stdout.close()
        started.process.wait(timeout=30)


def said(folder):
    """Return the limit and the use without reclaimable cache, from the kernel's files."""
    is_v2 = (folder / "memory.max").exists()
    names = ("memory.max", "memory.current", "inactive_file", "active_file")
    if not is_v2:
        names = (
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
            "total_active_file",
        )
    limit, usage = (int((folder / name).read_text()) for name in names[:2])
    statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return limit, usage, sum(int(statistics[name]) for name in names[2:])


@pytest.fixture
def cold_file(tmp_path):
    """Return a file that is on the disk and not in the page cache."""
    path = tmp_path / "data"
    path.write_bytes(os.urandom(MB) * (CACHE // MB))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


class TestMemory:
    def test_counts_what_was_touched_and_not_the_page_cache(self, cold_file):
        with limited_memory(512 * MB) as folder, child(folder) as inside:
            before, _ = inside.read()
            balloon, _ = inside.read(f"balloon = bytearray(b'1') * {BALLOON}")
            cached, _ = inside.read(READ_THROUGH.format(path=str(cold_file)))
            limit, usage, cache = said(folder)

        assert [512 * MB] * 3 == [each["limit_bytes"] for each in (before, balloon, cached)]
        assert abs(balloon["used_bytes"] - before["used_bytes"] - BALLOON) < SLACK
        assert limit == 512 * MB
        assert abs(usage - cache - cached["used_bytes"]) < SLACK
        assert before["path"].endswith(folder.name)
        assert before["oom_kills"] == 0
        if cache < CACHE // 2:
            pytest.skip(f"the file system of {cold_file} has no page cache of its own")
        assert cached["used_bytes"] < usage - CACHE // 2

    def test_the_outer_group_is_tighter_where_a_sibling_fills_it(self):
        with (
            limited_memory(512 * MB) as outer,
            limited_memory(400 * MB, inside=outer) as inner,
            limited_memory(400 * MB, inside=outer) as beside,
            child(inner) as inside,
            child(beside) as sibling,
        ):
            alone, _ = inside.read()
            sibling.read(f"balloon = bytearray(b'1') * {BALLOON}")
            squeezed, _ = inside.read()
            limit, usage, cache = said(outer)

        assert alone["limit_bytes"] == 400 * MB
        assert alone["path"].endswith(f"{outer.name}/{inner.name}")
        assert squeezed["limit_bytes"] == limit == 512 * MB
        assert squeezed["path"].endswith(outer.name)
        assert abs(squeezed["used_bytes"] - (usage - cache)) < SLACK

    def test_a_process_that_is_moved_has_the_other_group_s_limit(self):
        with (
            limited_memory(512 * MB) as first,
            limited_memory(256 * MB) as second,
            child(first) as inside,
        ):
            before, _ = inside.read()
            move(inside.process.pid, second)
            after, _ = inside.read()

        assert [512 * MB, 256 * MB] == [before["limit_bytes"], after["limit_bytes"]]
        assert after["path"].endswith(second.name)

    def test_a_limit_that_is_raised_counts_at_once(self):
        with limited_memory(256 * MB) as folder, child(folder) as inside:
            before, _ = inside.read()
            name = "memory.max" if (folder / "memory.max").exists() else "memory.limit_in_bytes"
            (folder / name).write_text(str(512 * MB))
            after, _ = inside.read()

        assert [256 * MB, 512 * MB] == [before["limit_bytes"], after["limit_bytes"]]

    def test_a_killed_process_is_counted(self):
        """The balloon is in a process of the same group, which the kernel kills for it."""
        with limited_memory(256 * MB) as folder, child(folder) as inside:
            after, _ = inside.read(
                "import subprocess\n"
                'code = \'open("/proc/self/oom_score_adj", "w").write("1000");\''
                f"'bytearray(b\"1\") * {400 * MB}'\n"
                "subprocess.run([sys.executable, '-c', code])"
            )

        assert after["oom_kills"] == 1

    def test_a_namespace_shows_the_group_as_its_root(self, tmp_path):
        """As in a container: the group is `/`, and a mount shows no more than it."""
        script = 'mount --bind "$0" "$1" && shift && exec "$@"'
        reads = "from vlog.resources.cgroup.memory import *; "
        reads += f"found = CgroupMemory().read({HOST}); print(found.limit_bytes, found.path)"
        with limited_memory(512 * MB) as folder:
            unshared = ["unshare", "--cgroup", "--mount", "sh", "-c", script, folder, tmp_path]
            done = subprocess.run(
                in_groups([folder], *unshared, sys.executable, "-c", reads),
                check=False,  # it is judged below
                capture_output=True,
                text=True,
            )
        if done.returncode and "Traceback" not in done.stderr:
            pytest.skip(f"no namespace can be made here: {done.stderr}")

        assert f"{512 * MB} /\n" == done.stdout

    def test_this_process_has_a_limit_below_the_host_s_or_none(self):
        limit = CgroupMemory().read(HOST)

        assert limit is None or 0 < limit.limit_bytes < HOST


class TestCpu:
    def test_counts_the_time_and_how_often_it_was_held_back(self):
        with limited_cpu(20_000) as folders, child(*folders) as inside:
            _, before = inside.read()
            _, after = inside.read(
                "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: 0"
            )
            counted = int((folders[-1] / "cpuacct.usage").read_text()) / 1e9

        assert [0.2, 0.2] == [before["cores"], after["cores"]]
        assert after["used_seconds"] - before["used_seconds"] >= 0.2
        assert abs(counted - after["used_seconds"]) < 0.1
        assert before["throttled_periods"] < after["throttled_periods"] <= after["periods"]
        assert after["path"].endswith(folders[0].name)

    def test_this_process_has_a_quota_below_the_host_s_or_none(self):
        limit = CgroupCpu().read(os.cpu_count())

        assert limit is None or 0 < limit.cores < os.cpu_count()
