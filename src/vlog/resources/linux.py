"""The sources of a Linux machine: files of the kernel, through descriptors that stay open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlog.resources.children import Children
from vlog.resources.cpu import Cpu
from vlog.resources.disk import Disk, Places
from vlog.resources.memory import Memory
from vlog.resources.network import Network
from vlog.resources.pressure import Pressure
from vlog.resources.process import OwnProcess
from vlog.resources.temperatures import Temperatures

if TYPE_CHECKING:
    from pathlib import Path

    from vlog.resources.source import Source


def linux_sources(places: Places, root: Path, *, detailed: bool) -> list[Source]:
    """Return a fresh instance of each; the arguments are those of `default_sources`."""
    memory = Memory(root, detailed=detailed)
    return [
        Cpu(root, detailed=detailed),
        memory,
        Pressure(root),
        Disk(places, root),
        Network(root, detailed=detailed),
        OwnProcess(root, lambda: memory.total_bytes),
        Children(root),
        Temperatures(root),
    ]
