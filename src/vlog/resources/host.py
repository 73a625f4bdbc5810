"""Processor and memory of the host. Source: psutil (https://psutil.readthedocs.io)."""

from __future__ import annotations

from typing import Any

import psutil

from vlog.schema import GB


class HostCpu:
    """Busy share of all cores between two readings; nothing at the first one."""

    name = "cpu"

    def __init__(self) -> None:
        self._before: Any = None

    def read(self) -> dict[str, Any]:
        """Return `usage_percent` (0 to 100)."""
        times = psutil.cpu_times()
        before, self._before = self._before, times
        if before is None:
            return {}
        # `guest` is part of `user` already: psutil documents it so.
        fields = [name for name in times._fields if name not in ("guest", "guest_nice")]
        passed = {name: getattr(times, name) - getattr(before, name) for name in fields}
        total = sum(passed.values())
        idle = passed["idle"] + passed.get("iowait", 0.0)
        if total <= 0:
            return {}
        return {"usage_percent": round(min(max(100 * (1 - idle / total), 0.0), 100.0), 2)}


class HostMemory:
    """Memory of the host."""

    name = "memory"

    def read(self) -> dict[str, Any]:
        """Return `usage_percent` (not reclaimable), `used_gb`, `available_gb`, `total_gb`."""
        memory = psutil.virtual_memory()
        return {
            "usage_percent": memory.percent,
            "used_gb": round(memory.used / GB, 3),
            "available_gb": round(memory.available / GB, 3),
            "total_gb": round(memory.total / GB, 3),
        }
