"""Memory and swap, of the host or of the control group where that has less.

Source: https://www.kernel.org/doc/html/latest/filesystems/proc.html (`/proc/meminfo`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.resources.cgroup.memory import CgroupMemory
from vlog.resources.files import ROOT, KeptFile
from vlog.resources.source import Fields
from vlog.resources.units import as_gb, as_percent

if TYPE_CHECKING:
    from pathlib import Path

_KB = 1024


class Memory:
    """What is in use of the memory that this process can have.

    Args:
        root: Where `/proc` and `/sys` are.
        detailed: Whether to name the control group.

    Attributes:
        total_bytes: The limit, as of the last reading.
    """

    name = "memory"
    can_block = False

    def __init__(self, root: Path = ROOT, *, detailed: bool = False) -> None:
        self.total_bytes: int | None = None
        self._file = KeptFile(root / "proc/meminfo")
        self._cgroup = CgroupMemory(root)
        self.detailed = detailed

    def read(self) -> Fields:
        """Return the fields of `memory`."""
        content = self._file.read()
        total = _bytes(content, b"MemTotal:")
        available = _bytes(content, b"MemAvailable:")
        self.total_bytes = total
        fields = Fields(
            {
                "scope": "host",
                **_share(total - available, total),
                "available_gb": as_gb(available),
            }
        )
        fields.merge("cgroup", self._limit, total, available, fields.values["usage_percent"])
        fields.merge("swap_used_gb", _swap, content)
        return fields

    def _limit(self, total: int, available: int, host_percent: float) -> dict[str, Any]:
        """Return the fields of the tightest limit, where that leaves less than the host does."""
        limit = self._cgroup.read(total)
        if limit is None or limit.limit_bytes - limit.used_bytes > available:
            return {}
        self.total_bytes = limit.limit_bytes
        found: dict[str, Any] = {
            "scope": "cgroup",
            **_share(min(limit.used_bytes, limit.limit_bytes), limit.limit_bytes),
            "available_gb": as_gb(max(limit.limit_bytes - limit.used_bytes, 0)),
            "host_usage_percent": host_percent,
        }
        if limit.oom_kills is not None:
            found["oom_kills"] = limit.oom_kills
        if self.detailed:
            found["cgroup"] = limit.path
        return found


def _share(used: int, total: int) -> dict[str, Any]:
    return {
        "usage_percent": as_percent(used / total),
        "used_gb": as_gb(used),
        "total_gb": as_gb(total),
    }


def _swap(content: bytes) -> dict[str, Any]:
    total = _bytes(content, b"SwapTotal:")
    used = total - _bytes(content, b"SwapFree:")
    return {
        "swap_used_gb": as_gb(used),
        "swap_percent": as_percent(used / total) if total else 0.0,
    }


def _bytes(content: bytes, name: bytes) -> int:
    """Return the number of bytes behind `name`, which the kernel gives in KiB."""
    start = content.index(name) + len(name)
    return int(content[start : content.index(b"kB", start)]) * _KB
