"""The machine under one run: what is measured of it, and which of its disks matter."""

from __future__ import annotations

from dataclasses import replace
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
        interval, detailed = settings.interval_seconds, _is_detailed(settings.verbosity)
        self._settings = settings
        self._places = Places()
        if sources is None:
            sources = default_sources(clock, interval, self._places, detailed=detailed)
        self._sources = sources
        self.monitor = Monitor(interval, clock, sources, report, hidden=_hidden(detailed))

    def switch(self, verbosity: Verbosity) -> None:
        """Measure as often, and in as much detail, as `verbosity` wants."""
        detailed = _is_detailed(verbosity)
        for source in self._sources:
            if hasattr(source, "detailed"):
                source.detailed = detailed
        settings = replace(self._settings, verbosity=verbosity)
        self.monitor.adjust(settings.interval_seconds, _hidden(detailed))

    def watch_disk(self, role: str, path: Path | str | None) -> None:
        """Measure the disk that `path` is on.

        Args:
            role: What it holds: `log` or `output`.
            path: A file or folder, which may not be there yet; None for none.
        """
        if path is not None:
            self._places.set(role, Path(path))


def _is_detailed(verbosity: Verbosity) -> bool:
    return verbosity <= Verbosity.ULTRA


def _hidden(detailed: bool) -> frozenset[str]:
    return frozenset() if detailed else _ULTRA_SECTIONS
