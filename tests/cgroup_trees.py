"""/proc and /sys of machines with control groups, laid out in a folder as kernels have them."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

GB = 2**30
NO_LIMIT = 9_223_372_036_854_771_712  # what version 1 says where there is none

V1_MEMORY_MOUNT = "35 31 0:32 {top} {point} rw,nosuid shared:12 - cgroup cgroup rw,memory"
V2_MOUNT = "30 23 0:26 {top} {point} rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate"
OTHER_MOUNTS = (
    "22 27 0:21 / /proc rw,relatime - proc proc rw",
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard",
    "33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd",
)

# Kernel 6.18, version 1: what a group and those below it use has `total_` before it.
_V1_STAT = """\
cache {cache}
rss 1753088
shmem 0
mapped_file 0
inactive_anon 1626112
active_anon 12288
inactive_file 8192
active_file 307200
unevictable 0
hierarchical_memory_limit {limit}
hierarchical_memsw_limit 9223372036854771712
total_cache {cache}
total_rss 1753088
total_inactive_anon 1626112
total_active_anon 12288
total_inactive_file {inactive}
total_active_file {active}
total_unevictable 0
"""

# The names and the order of the documentation of version 2.
_V2_STAT = """\
anon 1753088
file {cache}
kernel 1200128
kernel_stack 65536
sock 0
shmem 0
file_mapped 4096
file_dirty 0
inactive_anon 1626112
active_anon 12288
inactive_file {inactive}
active_file {active}
unevictable 0
slab_reclaimable 900000
slab_unreclaimable 100000
slab 1000000
workingset_refault_file 950
pgfault 40584
"""


class Tree:
    """A machine in a folder.

    Attributes:
        root: The folder: what `root` of a source is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def membership(self, *lines: str) -> None:
        """Say of which groups this process is."""
        self._write("proc/self/cgroup", "".join(f"{line}\n" for line in lines))

    def mounts(self, *lines: str) -> None:
        """Say what is mounted, beside what always is."""
        self._write("proc/self/mountinfo", "".join(f"{line}\n" for line in (*OTHER_MOUNTS, *lines)))

    def group(self, folder: str, files: dict[str, str]) -> Path:
        """Make or change a group; return its folder."""
        for name, content in files.items():
            self._write(f"{folder.lstrip('/')}/{name}", content)
        return self.root / folder.lstrip("/")

    def _write(self, name: str, content: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def v1_memory(limit=NO_LIMIT, usage=0, inactive=0, active=0, kills=0):
    """Return the files of a group of version 1."""
    return {
        "memory.limit_in_bytes": f"{limit}\n",
        "memory.usage_in_bytes": f"{usage}\n",
        "memory.stat": _V1_STAT.format(
            limit=limit, inactive=inactive, active=active, cache=inactive + active
        ),
        "memory.oom_control": f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n",
    }


def v2_memory(limit="max", usage=0, inactive=0, active=0, kills=0):
    """Return the files of a group of version 2."""
    return {
        "memory.max": f"{limit}\n",
        "memory.high": "1048576\n",
        "memory.current": f"{usage}\n",
        "memory.stat": _V2_STAT.format(inactive=inactive, active=active, cache=inactive + active),
        "memory.events": f"low 0\nhigh 0\nmax 3\noom 1\noom_kill {kills}\noom_group_kill 0\n",
    }


def v1_cpu(quota=-1, period=100_000, throttled=0, periods=0):
    """Return the files of a group of version 1."""
    return {
        "cpu.cfs_quota_us": f"{quota}\n",
        "cpu.cfs_period_us": f"{period}\n",
        "cpu.stat": f"nr_periods {periods}\nnr_throttled {throttled}\nthrottled_time 0\n",
    }


def v2_cpu(quota="max", period=100_000, used=0.0, throttled=0, periods=0):
    """Return the files of a group of version 2."""
    return {
        "cpu.max": f"{quota} {period}\n",
        "cpu.stat": f"usage_usec {used * 1e6:.0f}\nuser_usec 1\nsystem_usec 1\n"
        f"nr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec 0\n",
    }


def count_reads(monkeypatch):
    """Return a list that grows by the size of each read of a kept file."""
    reads = []
    pread = os.pread

    def counted(descriptor, size, offset):
        content = pread(descriptor, size, offset)
        reads.append(len(content))
        return content

    monkeypatch.setattr(os, "pread", counted)
    return reads


def forget_deleted_files(monkeypatch):
    """Let an open file of a deleted group fail, as the kernel's do and those on a disk do not."""
    pread = os.pread

    def strict(descriptor, size, offset):
        if os.fstat(descriptor).st_nlink == 0:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", strict)
