"""Every source of this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from vlog.clock import Clock, SystemClock
from vlog.resources.disk import Places
from vlog.resources.files import ROOT
from vlog.resources.gpu import Gpu

if sys.platform == "linux":  # with the package: a run must not wait for it
    from vlog.resources.linux import linux_sources

if TYPE_CHECKING:
    from pathlib import Path

    from vlog.resources.source import Source


def default_sources(
    clock: Clock | None = None,
    interval_seconds: float = 1.0,
    places: Places | None = None,
    *,
    detailed: bool = False,
    root: Path = ROOT,
) -> list[Source]:
    """Return a fresh instance of every source that this machine can be asked for.

    Args:
        clock: Paces the devices of the GPU; the system's, if left out.
        interval_seconds: How often they are read.
        places: The folders whose disks are measured.
        detailed: Whether to tell of each core, interface and control group.
        root: Where `/proc` and `/sys` are; without `/proc`, psutil is asked.
    """
    clock = clock if clock is not None else SystemClock()
    places = places if places is not None else Places()
    if sys.platform == "linux" and (root / "proc/self/stat").exists():
        host = linux_sources(places, root, detailed=detailed)
    else:
        from vlog.resources.portable import portable_sources  # noqa: PLC0415 - it needs psutil

        host = portable_sources(places, root, detailed=detailed)
    return [*host, Gpu(clock, interval_seconds, root)]
