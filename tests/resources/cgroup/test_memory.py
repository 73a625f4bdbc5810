"""The memory limit is the tightest of all that bind this process, whoever has set it."""

import shutil

import pytest
from cgroup_trees import (
    GB,
    NO_LIMIT,
    V1_MEMORY_MOUNT,
    V2_MOUNT,
    Tree,
    count_reads,
    forget_deleted_files,
    v1_memory,
    v2_memory,
)

from vlog.resources.cgroup.memory import CgroupMemory, MemoryLimit
from vlog.resources.cgroup.own import RECHECK_SECONDS

HOST = 64 * GB
V1 = "/sys/fs/cgroup/memory"
V2 = "/sys/fs/cgroup"


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture
def unified(tree):
    """Return a machine with version 2 alone, and this process in `/job/step`."""
    tree.mounts(V2_MOUNT.format(top="/", point=V2))
    tree.membership("0::/job/step")
    tree.group(V2, {"cgroup.procs": ""})
    return tree


def read(tree):
    return CgroupMemory(tree.root).read(HOST)


class TestVersion1:
    def test_docker_shows_the_group_of_the_container(self, tree):
        tree.mounts(V1_MEMORY_MOUNT.format(top="/docker/c0ffee", point=V1))
        tree.membership("4:memory:/docker/c0ffee", "1:name=systemd:/docker/c0ffee")
        tree.group(V1, v1_memory(8 * GB, usage=6 * GB, inactive=2 * GB, active=GB, kills=1))

        assert MemoryLimit(8 * GB, 3 * GB, "/docker/c0ffee", oom_kills=1) == read(tree)

    def test_slurm_sets_the_limit_of_the_job_above_the_task(self, tree):
        """The task has no limit, the step the same as the job, which other steps use as well."""
        tree.mounts(V1_MEMORY_MOUNT.format(top="/", point=V1))
        tree.membership("9:memory:/slurm/uid_1000/job_7/step_0/task_0")
        uid = f"{V1}/slurm/uid_1000"
        tree.group(V1, v1_memory(usage=60 * GB))
        tree.group(f"{V1}/slurm", v1_memory(usage=50 * GB))
        tree.group(uid, v1_memory(HOST, usage=50 * GB))
        tree.group(f"{uid}/job_7", v1_memory(32 * GB, usage=20 * GB, inactive=GB))
        tree.group(f"{uid}/job_7/step_0", v1_memory(32 * GB, usage=18 * GB))
        tree.group(f"{uid}/job_7/step_0/task_0", v1_memory(usage=9 * GB, kills=2))

        expected = MemoryLimit(32 * GB, 19 * GB, "/slurm/uid_1000/job_7", oom_kills=2)
        assert expected == read(tree)

    def test_the_largest_number_is_no_limit(self, tree):
        tree.mounts(V1_MEMORY_MOUNT.format(top="/", point=V1))
        tree.membership("4:memory:/")
        tree.group(V1, v1_memory(NO_LIMIT, usage=GB))

        assert CgroupMemory(tree.root).read(host_total_bytes=2**63) is None

    def test_a_hybrid_has_its_memory_here(self, tree):
        tree.mounts(
            V2_MOUNT.format(top="/", point=f"{V2}/unified"),
            V1_MEMORY_MOUNT.format(top="/", point=V1),
        )
        tree.membership("4:memory:/box", "0::/box")
        tree.group(f"{V2}/unified/box", v2_memory(GB))
        tree.group(f"{V1}/box", v1_memory(4 * GB, usage=GB))

        assert MemoryLimit(4 * GB, GB, "/box", oom_kills=0) == read(tree)

    def test_a_sandbox_may_have_no_statistics(self, tree):
        tree.mounts(V1_MEMORY_MOUNT.format(top="/", point=V1))
        tree.membership("4:memory:/")
        files = v1_memory(4 * GB, usage=GB)
        tree.group(
            V1, {name: files[name] for name in ("memory.limit_in_bytes", "memory.usage_in_bytes")}
        )

        assert MemoryLimit(4 * GB, GB, "/", oom_kills=None) == read(tree)

    def test_an_old_kernel_counts_no_kills(self, tree):
        tree.mounts(V1_MEMORY_MOUNT.format(top="/", point=V1))
        tree.membership("4:memory:/")
        tree.group(V1, v1_memory(4 * GB, usage=GB))
        tree.group(V1, {"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"})

        assert read(tree).oom_kills is None


class TestVersion2:
    def test_the_limit_is_the_own_group_s(self, unified):
        unified.group(f"{V2}/job", v2_memory())
        unified.group(
            f"{V2}/job/step", v2_memory(8 * GB, 6 * GB, inactive=2 * GB, active=GB, kills=3)
        )

        assert MemoryLimit(8 * GB, 3 * GB, "/job/step", oom_kills=3) == read(unified)

    def test_the_parent_s_is_tighter_where_siblings_use_it_up(self, unified):
        unified.group(f"{V2}/job", v2_memory(16 * GB, usage=15 * GB))
        unified.group(f"{V2}/job/step", v2_memory(8 * GB, usage=6 * GB, kills=3))

        assert MemoryLimit(16 * GB, 15 * GB, "/job", oom_kills=3) == read(unified)

    def test_the_child_s_is_looser_than_the_parent_s(self, unified):
        unified.group(f"{V2}/job", v2_memory(4 * GB, usage=3 * GB))
        unified.group(f"{V2}/job/step", v2_memory(8 * GB, usage=3 * GB))

        assert MemoryLimit(4 * GB, 3 * GB, "/job", oom_kills=0) == read(unified)

    @pytest.mark.parametrize(("job", "step"), [(16, 8), (8, 16)])
    def test_of_limits_that_leave_the_same_the_smallest_counts(self, unified, job, step):
        unified.group(f"{V2}/job", v2_memory(job * GB, usage=(job - 7) * GB))
        unified.group(f"{V2}/job/step", v2_memory(step * GB, usage=(step - 7) * GB))

        assert read(unified).limit_bytes == 8 * GB

    def test_a_namespace_has_the_group_at_its_root(self, tree):
        tree.mounts(V2_MOUNT.format(top="/", point=V2))
        tree.membership("0::/")
        tree.group(V2, v2_memory(8 * GB, usage=3 * GB))

        assert MemoryLimit(8 * GB, 3 * GB, "/", oom_kills=0) == read(tree)

    def test_kubernetes_mounts_the_container_s_group_alone(self, tree):
        pod = "/kubepods.slice/kubepods-pod12.slice/cri-containerd-34.scope"
        tree.mounts(V2_MOUNT.format(top=pod, point=V2))
        tree.membership(f"0::{pod}")
        tree.group(V2, v2_memory(8 * GB, usage=3 * GB))

        assert MemoryLimit(8 * GB, 3 * GB, pod, oom_kills=0) == read(tree)

    def test_the_root_has_no_limit_and_no_files(self, tree):
        tree.mounts(V2_MOUNT.format(top="/", point=V2))
        tree.membership("0::/")
        tree.group(V2, {"cgroup.procs": ""})

        assert read(tree) is None

    def test_a_brake_is_no_limit(self, unified):
        """`memory.high` is 1 MB in these groups."""
        unified.group(f"{V2}/job", v2_memory())
        unified.group(f"{V2}/job/step", v2_memory(usage=GB))

        assert read(unified) is None

    @pytest.mark.parametrize("limit", [HOST, HOST + 1, 0])
    def test_a_limit_that_says_nothing_is_left_out(self, unified, limit):
        unified.group(f"{V2}/job/step", v2_memory(limit, usage=GB))

        assert read(unified) is None

    def test_nothing_is_used_where_all_can_be_reclaimed(self, unified):
        """The two files are not read at one instant."""
        unified.group(f"{V2}/job/step", v2_memory(8 * GB, usage=GB, inactive=GB + 4096))

        assert read(unified).used_bytes == 0


class TestNoGroup:
    def test_is_no_limit_on_a_system_without_proc(self, tree):
        assert read(tree) is None

    def test_is_no_limit_where_nothing_is_mounted(self, tree):
        tree.mounts()
        tree.membership("0::/")

        assert read(tree) is None

    def test_may_come_later(self, tree, clock):
        memory = CgroupMemory(tree.root, monotonic=clock.monotonic)
        before = memory.read(HOST)
        tree.mounts(V2_MOUNT.format(top="/", point=V2))
        tree.membership("0::/")
        tree.group(V2, v2_memory(8 * GB))

        assert before is None
        assert memory.read(HOST).limit_bytes == 8 * GB


class TestChanges:
    def test_a_limit_that_is_changed_counts_at_once(self, unified):
        unified.group(f"{V2}/job/step", v2_memory(8 * GB))
        memory = CgroupMemory(unified.root)
        limits = [memory.read(HOST).limit_bytes]
        unified.group(f"{V2}/job/step", v2_memory(4 * GB))
        limits.append(memory.read(HOST).limit_bytes)
        unified.group(f"{V2}/job/step", v2_memory())

        assert [8 * GB, 4 * GB] == limits
        assert memory.read(HOST) is None

    def test_a_limit_that_is_set_later_is_found_at_the_slow_pace(self, unified, clock):
        unified.group(f"{V2}/job/step", v2_memory())
        memory = CgroupMemory(unified.root, monotonic=clock.monotonic)
        memory.read(HOST)
        unified.group(f"{V2}/job", v2_memory(8 * GB))
        clock.advance(RECHECK_SECONDS - 1)
        before = memory.read(HOST)
        clock.advance(1)

        assert before is None
        assert memory.read(HOST).path == "/job"

    def test_a_process_that_is_moved_is_followed(self, unified):
        unified.group(f"{V2}/job/step", v2_memory(8 * GB))
        memory = CgroupMemory(unified.root)
        before = memory.read(HOST)
        unified.group(f"{V2}/other", v2_memory(4 * GB, kills=7))
        unified.membership("0::/other")

        assert MemoryLimit(8 * GB, 0, "/job/step", oom_kills=0) == before
        assert MemoryLimit(4 * GB, 0, "/other", oom_kills=7) == memory.read(HOST)

    def test_a_level_that_vanishes_is_looked_for_again(self, unified, monkeypatch):
        forget_deleted_files(monkeypatch)
        folder = unified.group(f"{V2}/job/step", v2_memory(8 * GB))
        unified.group(f"{V2}/job", v2_memory())
        memory = CgroupMemory(unified.root)
        before = memory.read(HOST)
        shutil.rmtree(folder)
        gone = memory.read(HOST)
        unified.group(f"{V2}/job/step", v2_memory(4 * GB))
        unified.membership("0::/job/step", "")

        assert (8 * GB, None) == (before.limit_bytes, gone)
        assert memory.read(HOST).limit_bytes == 4 * GB

    def test_a_level_that_is_made_anew_is_read_anew(self, unified, monkeypatch):
        forget_deleted_files(monkeypatch)
        folder = unified.group(f"{V2}/job/step", v2_memory(8 * GB))
        memory = CgroupMemory(unified.root)
        memory.read(HOST)
        shutil.rmtree(folder)
        unified.group(f"{V2}/job/step", v2_memory(4 * GB))

        assert memory.read(HOST).limit_bytes == 4 * GB


class TestFaults:
    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            ("memory.max", "plenty\n", r"memory\.max says b'plenty\\n', not a number"),
            ("memory.current", "", r"memory\.current says b'', not a number"),
            ("memory.stat", "inactive_file\ninactive_file x\n", r"memory\.stat says b'x'"),
            ("memory.events", "oom_kill \n", r"memory\.events says b''"),
        ],
    )
    def test_rubbish_is_refused_by_the_name_of_its_file(self, unified, name, content, reason):
        unified.group(f"{V2}/job/step", v2_memory(8 * GB, usage=GB) | {name: content})
        memory = CgroupMemory(unified.root)

        with pytest.raises(ValueError, match=reason):
            memory.read(HOST)

    def test_it_reads_on_when_the_fault_is_over(self, unified):
        unified.group(f"{V2}/job/step", v2_memory("plenty"))
        memory = CgroupMemory(unified.root)
        with pytest.raises(ValueError, match="plenty"):
            memory.read(HOST)
        unified.group(f"{V2}/job/step", v2_memory(8 * GB))

        assert memory.read(HOST).limit_bytes == 8 * GB

    def test_a_file_that_fails_for_good_is_told(self, unified):
        folder = unified.group(f"{V2}/job/step", v2_memory(8 * GB))
        (folder / "memory.current").unlink()

        with pytest.raises(FileNotFoundError, match=r"memory\.current"):
            read(unified)


class TestCost:
    def test_a_reading_takes_five_files_with_one_limit(self, unified, monkeypatch):
        """Where it is, then limit, use and statistics of one level, then the kills."""
        unified.group(f"{V2}/job", v2_memory())
        unified.group(f"{V2}/job/step", v2_memory(8 * GB))
        memory = CgroupMemory(unified.root)
        memory.read(HOST)
        reads = count_reads(monkeypatch)
        memory.read(HOST)

        assert len(reads) == 5

    def test_a_reading_takes_one_file_without_a_limit(self, unified, monkeypatch):
        unified.group(f"{V2}/job", v2_memory())
        unified.group(f"{V2}/job/step", v2_memory())
        memory = CgroupMemory(unified.root)
        memory.read(HOST)
        reads = count_reads(monkeypatch)
        memory.read(HOST)

        assert len(reads) == 1
