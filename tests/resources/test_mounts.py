"""Which mount a file lies in, and which block device stands behind it."""

import os
from pathlib import Path

import pytest
from kernel_files import write

from vlog.resources.mounts import Mount, block_device_of, mount_of, parse_mounts
from vlog.resources.source import Unavailable

MOUNTINFO = b"""\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 259:2 / / rw,relatime shared:1 - ext4 /dev/root rw,discard
40 27 0:45 / /mnt/btrfs rw shared:7 master:2 - btrfs /dev/sdb1 rw,subvol=/
41 27 0:50 / /mnt/with\\040space\\134and\\012more rw - nfs4 server:/ex\\040port rw
42 27 259:3 /sub /data rw - xfs /dev/nvme0n1p3 rw
43 42 0:60 / /data/scratch rw - tmpfs none rw
44 27 259:4 / /data rw - ext4 /dev/nvme0n1p4 rw
"""


@pytest.fixture
def mounts():
    return parse_mounts(MOUNTINFO)


class TestParseMounts:
    def test_reads_optional_fields_and_escapes(self, mounts):
        assert 7 == len(mounts)
        assert Mount((259, 2), "/", "ext4", "/dev/root") == mounts[1]
        assert Mount((0, 45), "/mnt/btrfs", "btrfs", "/dev/sdb1") == mounts[2]
        assert "/mnt/with space\\and\nmore" == mounts[3].point
        assert "server:/ex port" == mounts[3].source

    def test_reads_this_machine(self):
        points = [mount.point for mount in parse_mounts(Path("/proc/self/mountinfo").read_bytes())]

        assert {"/", "/proc"} <= set(points)


class TestMountOf:
    @pytest.mark.parametrize(
        ("path", "device", "point"),
        [
            ("/home/me", (259, 2), "/"),
            ("/", (259, 2), "/"),
            ("/data/scratch/file", (0, 60), "/data/scratch"),
            ("/database", (259, 2), "/"),  # only starts like /data
            ("/mnt/btrfs/subvolume", (0, 46), "/mnt/btrfs"),  # has a number of its own
        ],
    )
    def test_is_the_deepest_one_with_the_device(self, mounts, path, device, point):
        assert point == mount_of(path, device, mounts).point

    def test_is_the_last_one_of_several_at_one_point(self, mounts):
        assert "/dev/nvme0n1p4" == mount_of("/data/scratch", (259, 4), mounts).source
        assert "/dev/nvme0n1p4" == mount_of("/data/file", (9, 9), mounts).source
        assert "/dev/nvme0n1p3" == mount_of("/data/file", (259, 3), mounts).source

    def test_is_none_where_nothing_holds_it(self):
        with pytest.raises(Unavailable, match="no mount is known that holds /x"):
            mount_of("/x", (1, 2), [])

    def test_finds_a_folder_of_this_machine(self, tmp_path):
        status = tmp_path.stat()
        device = os.major(status.st_dev), os.minor(status.st_dev)
        mounts = parse_mounts(Path("/proc/self/mountinfo").read_bytes())
        found = mount_of(os.path.realpath(tmp_path), device, mounts)

        assert os.path.ismount(found.point)
        assert status.st_dev == Path(found.point).stat().st_dev


class TestBlockDeviceOf:
    def test_is_the_one_of_the_mount(self, tmp_path):
        write(tmp_path, {"sys/dev/block/259:2/stat": ""})

        assert (259, 2) == block_device_of(Mount((259, 2), "/", "ext4", "/dev/root"), tmp_path)

    def test_is_the_source_where_the_mount_has_a_number_of_its_own(self, tmp_path, monkeypatch):
        """So has btrfs."""
        write(tmp_path, {"sys/dev/block/8:17/stat": "", "dev/sdb1": ""})
        monkeypatch.setattr(Path, "stat", status_of_device(tmp_path / "dev/sdb1", 8, 17))
        mount = Mount((0, 45), "/mnt/btrfs", "btrfs", "/dev/sdb1")

        assert (8, 17) == block_device_of(mount, tmp_path)

    @pytest.mark.parametrize(
        ("kind", "source"),
        [
            ("tmpfs", "none"),
            ("nfs4", "server:/export"),
            ("overlay", "overlay"),
            ("zfs", "pool/data"),
            ("btrfs", "/dev/not-shown"),
            ("virtiofs", "/a/folder"),
        ],
    )
    def test_is_none_of_memory_and_networks(self, tmp_path, kind, source):
        write(tmp_path, {"a/folder/file": ""})
        with pytest.raises(Unavailable, match=f"{kind} has no block device that can be seen"):
            block_device_of(Mount((0, 60), "/x", kind, source), tmp_path)


def status_of_device(path, major, minor):
    """Return a `Path.stat` that says that `path` is a block device."""
    real = Path.stat

    def stat(self, **options):
        found = real(self, **options)
        if self != path:
            return found
        numbers = list(found)
        numbers[0] = 0o060660
        return os.stat_result(numbers, {"st_rdev": os.makedev(major, minor)})

    return stat
