"""Which devices the NVIDIA driver has: looked for again and again, in a thread of its own.

A device that was there stays listed when it falls off the bus, with the number that it had: its
loss is told by the one who reads it, and the numbers in CUDA_VISIBLE_DEVICES keep their meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.resources.gpu.nvml import NOT_FOUND, Down, NvmlFault, Unsupported
from vlog.resources.gpu.visible_devices import Card, Part
from vlog.resources.source import Fields

if TYPE_CHECKING:
    from vlog.resources.gpu.nvml import Nvml

LOOK_SECONDS = 30.0  # from one look to the next: devices come late, seldom and by reset


class NvmlInventory:
    """List the devices and their parts.

    Args:
        nvml: The library.

    Attributes:
        cards: All devices that were ever there, in the order of their numbers.
    """

    name = "gpu-inventory"

    def __init__(self, nvml: Nvml) -> None:
        self.pace_seconds = LOOK_SECONDS
        self.cards: tuple[Card, ...] = ()
        self._nvml = nvml

    def read(self) -> Fields:
        """Look for devices. Return `driver_version`, with a gap for each that does not answer.

        Raises:
            Unavailable: there is no driver.
        """
        self._nvml.start()
        generation = self._nvml.generation
        try:
            return self._list()
        except Down:
            self._nvml.restart(generation)
            return self._list()

    def close(self) -> None:
        """Let the library go."""
        self._nvml.leave()

    def _list(self) -> Fields:
        fields = Fields()
        with self._nvml.reading():
            fields.add("driver_version", self._nvml.call, "nvmlSystemGetDriverVersion")
            found = {card.uuid: card for card in self.cards}
            for index in range(self._nvml.call("nvmlDeviceGetCount")):
                fields.add(f"devices[{index}]", self._add, index, found)
                # At once: the next one may hang.
                self.cards = tuple(sorted(found.values(), key=lambda card: card.index))
        if any(isinstance(error, Down) for error in fields.gaps.values()):
            raise Down("while the devices were listed")
        return fields

    def _add(self, index: int, found: dict[str, Card]) -> None:
        handle = self._nvml.call("nvmlDeviceGetHandleByIndex", index)
        uuid = self._nvml.call("nvmlDeviceGetUUID", handle)
        if uuid in found:  # the library may number the rest anew when one is gone
            index = found[uuid].index
        name = self._nvml.call("nvmlDeviceGetName", handle)
        found[uuid] = Card(index, uuid, name, self._parts(handle))

    def _parts(self, handle: Any) -> tuple[Part, ...] | None:
        try:
            is_on, _ = self._nvml.call("nvmlDeviceGetMigMode", handle)
        except Unsupported:
            return None
        if not is_on:
            return None
        places = range(self._nvml.call("nvmlDeviceGetMaxMigDeviceCount", handle))
        parts = (self._part(handle, place) for place in places)
        return tuple(part for part in parts if part is not None)

    def _part(self, card: Any, place: int) -> Part | None:
        try:
            handle = self._nvml.call("nvmlDeviceGetMigDeviceHandleByIndex", card, place)
        except NvmlFault as error:
            if error.code == NOT_FOUND:  # fewer parts than there may be
                return None
            raise
        return Part(
            place,
            self._nvml.call("nvmlDeviceGetUUID", handle),
            self._nvml.call("nvmlDeviceGetName", handle),
            self._nvml.call("nvmlDeviceGetGpuInstanceId", handle),
            self._nvml.call("nvmlDeviceGetComputeInstanceId", handle),
        )
