"""What the machine does while a run goes on, measured beside it and never by it."""

from __future__ import annotations

from vlog.resources.disk import Places
from vlog.resources.monitor import Monitor, measure_once
from vlog.resources.reading import Missing, Reading
from vlog.resources.source import Fields, Source, Unavailable
from vlog.resources.sources import default_sources

__all__ = [
    "Fields",
    "Missing",
    "Monitor",
    "Places",
    "Reading",
    "Source",
    "Unavailable",
    "default_sources",
    "measure_once",
]
