"""The processor quota is the smallest of all that bind this process."""

import pytest
from cgroup_trees import V2_MOUNT, Tree, count_reads, v1_cpu, v2_cpu

from vlog.resources.cgroup.cpu import CgroupCpu, CpuLimit
from vlog.resources.cgroup.own import RECHECK_SECONDS
from vlog.resources.source import Unavailable

CORES = 16
V1 = "/sys/fs/cgroup"
V2 = "/sys/fs/cgroup"
TOGETHER = "3 1 0:9 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
CPU = "3 1 0:9 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"
CPUACCT = "4 1 0:10 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct"


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture
def unified(tree):
    """Return a machine with version 2 alone, and this process in `/job/step`."""
    tree.mounts(V2_MOUNT.format(top="/", point=V2))
    tree.membership("0::/job/step")
    tree.group(V2, {"cpu.stat": "usage_usec 1\n"})
    return tree


def read(tree):
    return CgroupCpu(tree.root).read(CORES)


class TestVersion1:
    def test_the_time_stands_beside_the_quota(self, tree):
        tree.mounts(TOGETHER)
        tree.membership("2:cpu,cpuacct:/docker/c0ffee")
        tree.group(
            f"{V1}/cpu,cpuacct/docker/c0ffee",
            v1_cpu(250_000, throttled=3, periods=10) | {"cpuacct.usage": "2500000000\n"},
        )
        tree.group(f"{V1}/cpu,cpuacct", v1_cpu() | {"cpuacct.usage": "9000000000\n"})

        assert CpuLimit(2.5, 2.5, 3, 10, "/docker/c0ffee") == read(tree)

    def test_the_time_may_be_counted_elsewhere(self, tree):
        """The quota is the parent's, so its time is wanted, not the own group's."""
        tree.mounts(CPU, CPUACCT)
        tree.membership("1:cpu:/job/step", "2:cpuacct:/job/step")
        tree.group(f"{V1}/cpu/job/step", v1_cpu())
        tree.group(f"{V1}/cpu/job", v1_cpu(50_000, period=50_000))
        tree.group(f"{V1}/cpuacct/job/step", {"cpuacct.usage": "1000000000\n"})
        tree.group(f"{V1}/cpuacct/job", {"cpuacct.usage": "4000000000\n"})

        assert CpuLimit(1.0, 4.0, 0, 0, "/job") == read(tree)

    def test_a_time_of_other_groups_is_not_taken_for_it(self, tree):
        tree.mounts(CPU, CPUACCT)
        tree.membership("1:cpu:/job", "2:cpuacct:/")
        tree.group(f"{V1}/cpu/job", v1_cpu(100_000))
        tree.group(f"{V1}/cpuacct", {"cpuacct.usage": "4000000000\n"})

        with pytest.raises(Unavailable, match="cpuacct does not count the time of the group /job"):
            read(tree)

    def test_a_sandbox_may_not_count_periods(self, tree):
        tree.mounts(TOGETHER)
        tree.membership("2:cpu,cpuacct:/")
        files = v1_cpu(100_000) | {"cpuacct.usage": "4000000000\n"}
        del files["cpu.stat"]
        tree.group(f"{V1}/cpu,cpuacct", files)

        assert CpuLimit(1.0, 4.0, 0, 0, "/") == read(tree)


class TestVersion2:
    def test_the_quota_is_the_own_group_s(self, unified):
        unified.group(f"{V2}/job", v2_cpu())
        unified.group(f"{V2}/job/step", v2_cpu(150_000, used=12.5, throttled=3, periods=10))

        assert CpuLimit(1.5, 12.5, 3, 10, "/job/step") == read(unified)

    def test_the_parent_s_counts_where_it_is_smaller(self, unified):
        unified.group(f"{V2}/job", v2_cpu(100_000, used=20))
        unified.group(f"{V2}/job/step", v2_cpu(800_000, used=10))

        assert CpuLimit(1.0, 20.0, 0, 0, "/job") == read(unified)

    def test_of_equal_quotas_the_highest_counts(self, unified):
        """All that use the lower one's use the higher one's."""
        unified.group(f"{V2}/job", v2_cpu(200_000, used=20))
        unified.group(f"{V2}/job/step", v2_cpu(100_000, period=50_000, used=10))

        assert CpuLimit(2.0, 20.0, 0, 0, "/job") == read(unified)

    @pytest.mark.parametrize("quota", ["max", CORES * 100_000, CORES * 200_000])
    def test_a_quota_that_says_nothing_is_left_out(self, unified, quota):
        unified.group(f"{V2}/job/step", v2_cpu(quota))

        assert read(unified) is None

    def test_a_time_that_is_not_counted_is_told(self, unified):
        unified.group(f"{V2}/job/step", v2_cpu(100_000) | {"cpu.stat": "nr_periods 3\n"})

        with pytest.raises(Unavailable, match=r"cpu\.stat does not count .* /job/step"):
            read(unified)

    def test_rubbish_is_refused_by_the_name_of_its_file(self, unified):
        unified.group(f"{V2}/job/step", v2_cpu("plenty"))

        with pytest.raises(ValueError, match=r"cpu\.max says b'plenty', not a number"):
            read(unified)


class TestNoGroup:
    def test_is_no_quota(self, tree):
        assert read(tree) is None


class TestChanges:
    def test_a_quota_that_is_set_later_is_found_at_the_slow_pace(self, unified, clock):
        unified.group(f"{V2}/job/step", v2_cpu())
        cpu = CgroupCpu(unified.root, monotonic=clock.monotonic)
        cpu.read(CORES)
        unified.group(f"{V2}/job/step", v2_cpu(100_000))
        before = cpu.read(CORES)
        clock.advance(RECHECK_SECONDS)

        assert before is None
        assert cpu.read(CORES).cores == 1.0

    def test_a_quota_that_is_taken_away_is_none(self, unified):
        unified.group(f"{V2}/job/step", v2_cpu(100_000))
        cpu = CgroupCpu(unified.root)
        before = cpu.read(CORES)
        unified.group(f"{V2}/job/step", v2_cpu())

        assert before.cores == 1.0
        assert cpu.read(CORES) is None


class TestCost:
    def test_a_reading_takes_three_files_with_one_quota(self, unified, monkeypatch):
        unified.group(f"{V2}/job", v2_cpu())
        unified.group(f"{V2}/job/step", v2_cpu(100_000))
        cpu = CgroupCpu(unified.root)
        cpu.read(CORES)
        reads = count_reads(monkeypatch)
        cpu.read(CORES)

        assert len(reads) == 3
