"""The limits that control groups set to this process: what a container may use of its host."""

from __future__ import annotations

from vlog.resources.cgroup.cpu import CgroupCpu, CpuLimit
from vlog.resources.cgroup.memory import CgroupMemory, MemoryLimit

__all__ = ["CgroupCpu", "CgroupMemory", "CpuLimit", "MemoryLimit"]
