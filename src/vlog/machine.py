"""The machine under one run: what is measured of it, and which of its disks matter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vlog.resources import Monitor, Places, default_sources
from vlog.schema import RESOURCE_USAGE
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vlog.clock import Clock
    from vlog.resources import Source
    from vlog.settings import Settings

_ULTRA_SECTIONS = frozenset(
    section.name for section in RESOURCE_USAGE.fields if section.tier is Verbosity.ULTRA
)


class Machine:
    """Measure the machine while a run goes on.

    Args:
        settings: How often, and in how much detail.
        clock: Where time comes from.
        sources: What is measured; None for everything that this machine has.
        report: Told of what cannot be read.

    Attributes:
        monitor: Has the latest reading.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        sources: Sequence[Source] | None,
        report: Callable[[str, BaseException], None],
    ) -> None:
        interval, is_complete = settings.interval_seconds, settings.verbosity <= Verbosity.ULTRA
        self._places = Places()
        if sources is None:
            sources = default_sources(clock, interval, self._places, detailed=is_complete)
        hidden = frozenset() if is_complete else _ULTRA_SECTIONS
        self.monitor = Monitor(interval, clock, sources, report, hidden=hidden)

    def watch_disk(self, role: str, path: Path | str | None) -> None:
        """Measure the disk that `path` is on.

        Args:
            role: What it holds: `log` or `output`.
            path: A file or folder, which may not be there yet; None for none.
        """
        if path is not None:
            self._places.set(role, Path(path))
