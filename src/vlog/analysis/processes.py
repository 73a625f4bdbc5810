"""Whether the process that writes a log is still there."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_CLOCK_SLACK_SECONDS = 5.0  # the boot time is known in whole seconds, and the wall clock is set


def is_this_host(host: str | None) -> bool:
    """Return whether `host` is the name of this machine."""
    return host is not None and host == platform.node()


def is_alive(pid: int, since: float) -> bool:
    """Return whether a process of this machine that ran at the time `since` is still running.

    Where the system does not tell (Windows), it is not.

    Args:
        pid: The process.
        since: Seconds since the epoch. A process that started later has got the same number again.
    """
    if os.name != "posix" or not 0 < pid < 2**31:
        return False
    if not Path("/proc/self/stat").exists():
        return _takes_signals(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    fields = stat.rpartition(")")[2].split()  # the command's name before it can hold anything
    if fields[0] in "ZX":  # ended, but not collected by its parent
        return False
    return _boot_time() + int(fields[19]) / os.sysconf("SC_CLK_TCK") <= since + _CLOCK_SLACK_SECONDS


def _boot_time() -> float:
    for line in Path("/proc/stat").read_text("ascii").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _takes_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True
