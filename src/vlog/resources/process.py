"""This process. Source: psutil (https://psutil.readthedocs.io)."""

from __future__ import annotations

import time
from typing import Any

import psutil

from vlog.schema import GB


class OwnProcess:
    """Memory, processor time and threads of this process."""

    name = "process"

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._total = psutil.virtual_memory().total
        self._before: tuple[float, float] | None = None

    def read(self) -> dict[str, Any]:
        """Return `memory_gb`, `memory_percent`, `threads`; from the second time `cpu_percent`."""
        with self._process.oneshot():
            resident = self._process.memory_info().rss
            times = self._process.cpu_times()
            threads = self._process.num_threads()
        found = {
            "memory_gb": round(resident / GB, 3),
            "memory_percent": round(100 * resident / self._total, 2),
            "threads": threads,
        }
        now, busy = time.perf_counter(), times.user + times.system
        if self._before is not None and now > self._before[0]:
            share = 100 * (busy - self._before[1]) / (now - self._before[0])
            found["cpu_percent"] = round(max(share, 0.0), 2)
        self._before = now, busy
        return found
