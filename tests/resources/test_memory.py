"""Memory of the host, or of the control group where that has less."""

import subprocess

import pytest

from vlog.resources.cgroup.memory import MemoryLimit
from vlog.resources.memory import Memory

GB = 2**30
MEMINFO = f"""MemTotal:       {16 * 2**20} kB
MemFree:         {1 * 2**20} kB
MemAvailable:    {4 * 2**20} kB
SwapCached:            0 kB
SwapTotal:       {4 * 2**20} kB
SwapFree:        {3 * 2**20} kB
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(MEMINFO)
    return tmp_path


def limited(memory, monkeypatch, limit):
    monkeypatch.setattr(memory._cgroup, "read", lambda _total: limit)
    return memory.read().values


class TestMemory:
    def test_is_what_cannot_be_reclaimed_of_the_host(self, root):
        memory = Memory(root)

        assert {
            "scope": "host", "usage_percent": 75.0, "used_gb": 12.0, "total_gb": 16.0,
            "available_gb": 4.0, "swap_used_gb": 1.0, "swap_percent": 25.0,
        } == memory.read().values  # fmt: skip
        assert 16 * GB == memory.total_bytes

    def test_is_of_the_limit_where_a_group_has_one(self, root, monkeypatch):
        memory = Memory(root, detailed=True)
        found = limited(memory, monkeypatch, MemoryLimit(8 * GB, 6 * GB, "/job", 2))

        assert {
            "scope": "cgroup", "usage_percent": 75.0, "used_gb": 6.0, "total_gb": 8.0,
            "available_gb": 2.0, "host_usage_percent": 75.0, "oom_kills": 2, "cgroup": "/job",
        } == {name: found[name] for name in found if "swap" not in name}  # fmt: skip
        assert 8 * GB == memory.total_bytes

    def test_is_of_the_host_where_that_has_less_left_than_the_limit(self, root, monkeypatch):
        found = limited(Memory(root), monkeypatch, MemoryLimit(15 * GB, 1 * GB, "/", None))

        assert ("host", 75.0, 4.0) == tuple(
            found[name] for name in ("scope", "usage_percent", "available_gb")
        )

    def test_does_without_a_count_of_kills(self, root, monkeypatch):
        found = limited(Memory(root), monkeypatch, MemoryLimit(8 * GB, 6 * GB, "/", None))

        assert "cgroup" == found["scope"]
        assert "oom_kills" not in found

    def test_stays_in_range_above_the_limit(self, root, monkeypatch):
        """The kernel counts a little ahead of what it takes back."""
        found = limited(Memory(root), monkeypatch, MemoryLimit(8 * GB, 9 * GB, "/", 0))

        assert (100.0, 0.0) == (found["usage_percent"], found["available_gb"])

    def test_does_without_swap_and_without_groups(self, root):
        (root / "proc/meminfo").write_text(MEMINFO.partition("SwapTotal")[0])
        found = Memory(root).read()

        assert 75.0 == found.values["usage_percent"]
        assert ["swap_used_gb"] == list(found.gaps)


class TestThisMachine:
    def test_sees_what_free_sees(self):
        lines = subprocess.run(
            ["free", "--bytes"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        total, available = (int(lines[1].split()[place]) for place in (1, 6))
        found = Memory().read().values
        host_percent = found.get("host_usage_percent", found["usage_percent"])

        assert host_percent == pytest.approx(100 * (total - available) / total, abs=3)
        if found["scope"] == "host":
            assert found["total_gb"] == pytest.approx(total / GB, abs=0.01)
            assert found["available_gb"] == pytest.approx(available / GB, abs=1)
