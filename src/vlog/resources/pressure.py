"""Pressure stall information: the time in which work stood still for want of something.

Source: https://www.kernel.org/doc/html/latest/accounting/psi.html.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vlog.resources.files import ROOT, KeptFile
from vlog.resources.rates import Rates
from vlog.resources.source import Fields

if TYPE_CHECKING:
    from pathlib import Path

# The line `full` of the host's cpu is undefined: the kernel writes zeros.
_LINES = {"cpu": ("some",), "memory": ("some", "full"), "io": ("some", "full")}
_PERCENT_OF_MICROSECONDS = 100 / 1e6


class Pressure:
    """The share of time that tasks waited, between two readings; not the kernel's averages.

    Args:
        root: Where `/proc` is.
    """

    name = "pressure"
    can_block = False

    def __init__(self, root: Path = ROOT) -> None:
        self._files = {what: KeptFile(root / "proc/pressure" / what) for what in _LINES}
        self._rates = Rates()

    def read(self) -> Fields:
        """Return the fields of `pressure`, from the second time on."""
        fields = Fields()
        for what in _LINES:
            fields.merge(what, self._shares, what)
        if len(fields.gaps) == len(_LINES):
            raise fields.gaps["cpu"]
        return fields

    def _shares(self, what: str) -> dict[str, float]:
        lines = self._files[what].read().splitlines()
        now = time.perf_counter()
        found = {}
        for line in lines:
            kind = line.split(None, 1)[0].decode()
            if kind in _LINES[what]:
                total = int(line.rpartition(b"total=")[2])
                rate = self._rates.of(f"{what}_{kind}", total, now)
                if rate is not None:
                    percent = round(min(rate * _PERCENT_OF_MICROSECONDS, 100.0), 2)
                    found[f"{what}_{kind}_percent"] = percent
        return found
