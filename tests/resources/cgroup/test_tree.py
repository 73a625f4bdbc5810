"""The groups of a process are found wherever they are mounted, under whatever name."""

import pytest
from cgroup_trees import V1_MEMORY_MOUNT, V2_MOUNT, Tree

from vlog.resources.cgroup.tree import Group, Hierarchy, find_hierarchy

CGROUP = "/sys/fs/cgroup"


@pytest.fixture
def find(tmp_path):
    """Return a function that finds the groups of a machine: their version, folders and paths."""

    def find(membership, *mounts, folders=(), controller="memory"):
        tree = Tree(tmp_path)
        tree.mounts(*mounts)
        for folder in folders:
            (tmp_path / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        mountinfo = (tmp_path / "proc/self/mountinfo").read_bytes()
        found = find_hierarchy(controller, membership.encode(), mountinfo, tmp_path)
        if found is None:
            return None
        return found.version, [
            (f"/{group.folder.relative_to(tmp_path)}", group.path) for group in found.groups
        ]

    return find


class TestFindHierarchy:
    def test_goes_from_the_own_group_up_to_the_mount(self, tmp_path):
        (tmp_path / "sys/fs/cgroup/a.slice/b.scope").mkdir(parents=True)
        mounts = V2_MOUNT.format(top="/", point=CGROUP).encode()

        found = find_hierarchy("memory", b"0::/a.slice/b.scope\n", mounts, tmp_path)

        top = tmp_path / "sys/fs/cgroup"
        assert found == Hierarchy(
            version=2,
            groups=(
                Group(top / "a.slice/b.scope", "/a.slice/b.scope"),
                Group(top / "a.slice", "/a.slice"),
                Group(top, "/"),
            ),
        )

    def test_takes_version_1_where_it_has_the_controller(self, find):
        """In a hybrid, the controllers are on version 1 and 2 has none."""
        found = find(
            "4:memory:/job\n1:name=systemd:/other\n0::/unified\n",
            V2_MOUNT.format(top="/", point=f"{CGROUP}/unified"),
            V1_MEMORY_MOUNT.format(top="/", point=f"{CGROUP}/memory"),
            folders=[f"{CGROUP}/memory/job", f"{CGROUP}/unified/unified"],
        )

        assert (
            1,
            [(f"{CGROUP}/memory/job", "/job"), (f"{CGROUP}/memory", "/")],
        ) == found

    def test_takes_version_2_for_what_version_1_has_not(self, find):
        found = find(
            "4:pids:/job\n0::/unified\n",
            V1_MEMORY_MOUNT.format(top="/", point=f"{CGROUP}/pids"),
            V2_MOUNT.format(top="/", point=f"{CGROUP}/unified"),
            folders=[f"{CGROUP}/pids/unified", f"{CGROUP}/unified/unified"],
        )

        assert (
            2,
            [(f"{CGROUP}/unified/unified", "/unified"), (f"{CGROUP}/unified", "/")],
        ) == found

    def test_knows_controllers_that_are_mounted_together(self, find):
        mount = "3 1 0:9 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"

        found = find(
            "2:cpu,cpuacct:/\n", mount, folders=[f"{CGROUP}/cpu,cpuacct"], controller="cpu"
        )

        assert (1, [(f"{CGROUP}/cpu,cpuacct", "/")]) == found

    def test_cuts_off_what_is_above_a_bind_mount(self, find):
        """Docker without a namespace: the name is the host's, the mount begins within it."""
        found = find(
            "4:memory:/docker/c0ffee/worker\n",
            V1_MEMORY_MOUNT.format(top="/docker/c0ffee", point=f"{CGROUP}/memory"),
            folders=[f"{CGROUP}/memory/worker"],
        )

        assert (
            1,
            [
                (f"{CGROUP}/memory/worker", "/docker/c0ffee/worker"),
                (f"{CGROUP}/memory", "/docker/c0ffee"),
            ],
        ) == found

    def test_follows_names_above_the_namespace(self, find):
        found = find(
            "0::/../neighbour\n",
            V2_MOUNT.format(top="/..", point=CGROUP),
            folders=[f"{CGROUP}/neighbour"],
        )

        assert (2, [(f"{CGROUP}/neighbour", "/../neighbour"), (CGROUP, "/..")]) == found

    @pytest.mark.parametrize(
        ("own", "top"),
        [
            ("/../neighbour", "/"),  # moved out of what the container can see
            ("/", "/.."),  # the mount is from above the namespace: by which name, nobody tells
            ("/../../other", "/.."),
            ("/docker/other", "/docker/c0ffee"),
            ("/docker/c0ffee2", "/docker/c0ffee"),
        ],
    )
    def test_finds_none_where_the_mount_does_not_show_the_group(self, find, own, top):
        found = find(
            f"0::{own}\n",
            V2_MOUNT.format(top=top, point=CGROUP),
            folders=[CGROUP, f"{CGROUP}/../other"],
        )

        assert found is None

    def test_takes_the_mount_that_shows_most(self, find):
        found = find(
            "0::/a/b\n",
            V2_MOUNT.format(top="/a/b", point="/inner"),
            V2_MOUNT.format(top="/", point="/hidden"),
            V2_MOUNT.format(top="/", point="/outer"),
            folders=["/inner", "/outer/a/b", "/hidden"],
        )

        assert (2, [("/outer/a/b", "/a/b"), ("/outer/a", "/a"), ("/outer", "/")]) == found

    def test_undoes_the_escapes_of_mount_points_only(self, find):
        r"""`/proc/self/mountinfo` writes a blank as `\040`; `/proc/self/cgroup` writes it."""
        found = find(
            "0::/my jobs/a:b\n",
            V2_MOUNT.format(top=r"/my\040jobs", point=r"/mnt/c\040g\134x"),
            folders=[r"/mnt/c g\x/a:b"],
        )

        assert (
            2,
            [(r"/mnt/c g\x/a:b", "/my jobs/a:b"), (r"/mnt/c g\x", "/my jobs")],
        ) == found

    def test_names_a_group_that_is_not_utf_8(self, tmp_path):
        (tmp_path / "cg").mkdir()
        mounts = V2_MOUNT.format(top="/", point="/cg").encode()
        with_byte = b"/cg/\xff"
        (tmp_path / "cg").joinpath(with_byte.decode(errors="surrogateescape")[4:]).mkdir()

        found = find_hierarchy("memory", b"0::/\xff\n", mounts, tmp_path)

        assert r"/\xff" == found.groups[0].path

    @pytest.mark.parametrize("membership", ["", "0::/a\n", "3:pids:/\n"])
    def test_finds_none_where_nothing_is_mounted(self, find, membership):
        assert find(membership) is None
