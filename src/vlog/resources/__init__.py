"""What the machine does while a run goes on, measured beside it and never by it."""

from __future__ import annotations

from vlog.resources.monitor import Monitor, Reading, Source, default_sources

__all__ = ["Monitor", "Reading", "Source", "default_sources"]
