"""Handlers of somebody else's, for configurations."""

from __future__ import annotations

import logging


class Foreign(logging.Handler):
    """Take any options."""

    def __init__(self, **options) -> None:
        super().__init__()
        self.options = options

    def emit(self, record) -> None:
        """Do nothing."""


class Broken(logging.FileHandler):
    """Open a file, and then fail."""

    made = None

    def __init__(self, filename) -> None:
        super().__init__(filename)
        Broken.made = self
        raise RuntimeError("no such device")
