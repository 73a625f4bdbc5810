"""One NVIDIA device, or a part of one: everything that NVML says about it.

It is read by a thread of its own, because a call to a sick device may take half a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.resources.gpu.nvml import NOT_FOUND, Down, NvmlFault, Stale
from vlog.resources.gpu.nvml_counters import NvmlCounters
from vlog.resources.gpu.nvml_measures import NvmlMeasures
from vlog.resources.gpu.questions import Questions
from vlog.resources.source import Fields, Lost

if TYPE_CHECKING:
    from pathlib import Path

    from vlog.clock import Clock
    from vlog.resources.gpu.nvml import Nvml
    from vlog.resources.gpu.visible_devices import Target

LOST_SECONDS = 30.0  # until a device is looked for again that fell off the bus
_INVENTORY_AND_ONE = 2


class NvmlDevice:
    """Read one device.

    Args:
        nvml: The library.
        target: Which device, or part of one.
        clock: Tells when.
        interval_seconds: Time between two readings.
        root: What /proc hangs under.
    """

    def __init__(
        self, nvml: Nvml, target: Target, clock: Clock, interval_seconds: float, root: Path
    ) -> None:
        self.name = f"gpu-{target.label}"
        self._nvml = nvml
        self._target = target
        self._clock = clock
        self._generation: int | None = None  # of the library in which the handles are good
        self._lost: tuple[float, Lost] | None = None
        self._stale: set[str] = set()
        self._measures = NvmlMeasures(nvml, root)
        self._counters = NvmlCounters(nvml)
        self._questions = Questions(self._measures.questions(interval_seconds), (Down, Lost))

    def read(self) -> Fields:
        """Measure now.

        Raises:
            Lost: the device fell off the bus.
        """
        now = self._clock.monotonic()
        if self._lost is not None and now < self._lost[0]:
            raise self._lost[1].with_traceback(None)  # each raise adds to it
        try:
            fields = self._read_again_if_down(now)
        except Lost as error:
            self._lost = now + LOST_SECONDS, error
            raise
        self._lost = None
        return fields

    def close(self) -> None:
        """Let the library go."""
        self._nvml.leave()

    def _read_again_if_down(self, now: float) -> Fields:
        if self._lost is not None:
            self._look_again()
        generation = self._nvml.generation
        try:
            return self._read(now)
        except Down:
            self._nvml.restart(generation)
        except Stale:  # somebody else has initialised the library again
            pass
        return self._read(now)

    def _look_again(self) -> None:
        self._generation = None
        if self._nvml.users <= _INVENTORY_AND_ONE:  # it would cost the other devices theirs
            self._nvml.reload()

    def _read(self, now: float) -> Fields:
        fields = Fields()
        with self._nvml.reading() as generation:
            if generation != self._generation:
                self._attach()
                self._generation = generation
            self._questions.ask(fields, now)
            fields.merge("counters", self._count, fields, now)
        for error in fields.gaps.values():
            if isinstance(error, (Down, Lost)):
                raise error
        self._look_at_stale(fields)
        return fields

    def _look_at_stale(self, fields: Fields) -> None:
        """Have the handles found anew, and at once if this is news: some devices refuse a call."""
        before = self._stale
        self._stale = {name for name, error in fields.gaps.items() if isinstance(error, Stale)}
        if self._stale:
            self._generation = None
        if not self._stale <= before:
            raise Stale(", ".join(sorted(self._stale)))

    def _count(self, fields: Fields, now: float) -> dict[str, Any]:
        counted = self._counters.read(self._measures.card, now, has_links=self._measures.has_links)
        fields.gaps.update(counted.gaps)
        return counted.values

    def _attach(self) -> None:
        """Find the handles, by number and then by identity.

        By number only this device is touched: a sick neighbour does not hold it up.
        """
        card, part = self._target.card, self._target.part
        self._measures.card = handle = self._find(card.index, card.uuid)
        if part is not None:
            handle = self._nvml.call("nvmlDeviceGetMigDeviceHandleByIndex", handle, part.place)
            if self._nvml.call("nvmlDeviceGetUUID", handle) != part.uuid:
                raise Lost(f"{part.uuid} is not there any more")
            self._measures.part = handle

    def _find(self, index: int, uuid: str) -> Any:
        try:
            handle = self._nvml.call("nvmlDeviceGetHandleByIndex", index)
            if self._nvml.call("nvmlDeviceGetUUID", handle) == uuid:
                return handle
        except Stale:  # there are fewer devices than there were
            pass
        try:
            return self._nvml.call("nvmlDeviceGetHandleByUUID", uuid)
        except NvmlFault as error:
            if error.code == NOT_FOUND:
                raise Lost(f"{uuid} is not there any more") from None
            raise
