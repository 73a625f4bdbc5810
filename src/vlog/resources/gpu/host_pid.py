"""Which of the driver's processes is this one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vlog.resources.source import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

# The kernel gives the first namespace of process numbers this name, on every machine.
# Source: PROC_PID_INIT_INO of include/linux/proc_ns.h
_FIRST_NAMESPACE = "pid:[4026531836]"


def host_pid(root: Path) -> int:
    """Return the number that the host has for this process.

    The driver counts by the host's numbers. In a container this process has another one, which
    it cannot learn there, and which on the host may be somebody else's.

    Raises:
        Unavailable: this process is in a container that numbers its own processes.
    """
    try:
        namespace = str((root / "proc/self/ns/pid").readlink())
    except FileNotFoundError:
        return os.getpid()  # not a Linux, or one without namespaces
    if namespace != _FIRST_NAMESPACE:
        raise Unavailable("in a container the driver's process numbers are not this process's")
    return os.getpid()
