"""The NVIDIA devices that this process uses, each read by a thread of its own.

Nothing here calls the driver: a call that hangs holds up the device that it is about, and nobody
else.
"""

from __future__ import annotations

import math
import os
import threading
from typing import TYPE_CHECKING, Any

from vlog.resources.gpu.nvml import Nvml
from vlog.resources.gpu.nvml_device import NvmlDevice
from vlog.resources.gpu.nvml_inventory import NvmlInventory
from vlog.resources.gpu.visible_devices import match_uuids, targets_of, visible_targets
from vlog.resources.sampler import Sampler
from vlog.resources.source import Fields, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from vlog.clock import Clock
    from vlog.resources.gpu.visible_devices import Target
    from vlog.resources.sampler import Section

_STALE_INTERVALS = 2.0  # an entry as old as this says so
_FIRST_ANSWER_SECONDS = 1.0  # so long is a new thread waited for
_NAP_SECONDS = 0.01


class NvmlDevices:
    """Collect what the threads of the devices found.

    Args:
        clock: Tells when.
        interval_seconds: Time between two readings of a device.
        root: What /proc hangs under.
    """

    def __init__(self, clock: Clock, interval_seconds: float, root: Path) -> None:
        self._clock = clock
        self._interval = interval_seconds
        self._root = root
        self._closed = threading.Event()
        self._nvml = Nvml()
        self._inventory = NvmlInventory(self._nvml)
        self._look = Sampler(self._inventory, clock, interval_seconds)
        self._is_looking = False
        self._devices: dict[str, Sampler] = {}

    def read(self, uuids: Sequence[tuple[int, str]]) -> Fields:
        """Return `devices`, in CUDA's order as far as it is known, and `driver_version`.

        Args:
            uuids: What torch uses: its number for the device, and the identity. Empty where torch
                has not begun: then these are all devices that the process may use.

        Raises:
            Unavailable: there is no driver, or no device for this process.
        """
        if not self._is_looking:
            self._is_looking = True
            self._start([self._look])
        found = self._look.look()
        targets = self._targets(uuids, found)
        self._follow(targets)
        fields = Fields({**found.values, "devices": []})
        known = {f"devices[{card.index}]" for card in self._inventory.cards}
        fields.gaps.update(
            (name, error) for name, error in found.gaps.items() if name and name not in known
        )
        for target in targets:
            self._collect(target, fields)
        return fields

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the threads that run."""
        return sum(each.cpu_seconds for each in (self._look, *self._devices.values()))

    def close(self) -> None:
        """Ask all threads to end. One that hangs in the driver ends when it comes back."""
        self._closed.set()
        samplers = [self._look, *self._devices.values()] if self._is_looking else []
        for wait in (0.0, _FIRST_ANSWER_SECONDS / max(len(samplers), 1)):
            for sampler in samplers:
                sampler.stop(wait)

    def _targets(self, uuids: Sequence[tuple[int, str]], found: Section) -> list[Target]:
        cards = self._inventory.cards
        if not cards and "" in found.gaps:
            raise found.gaps[""].with_traceback(None)  # it is kept: each raise adds to it
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        targets = visible_targets(cards, visible, os.environ.get("CUDA_DEVICE_ORDER"))
        if uuids:
            others = [target for card in cards for target in targets_of(card)]
            targets = match_uuids(uuids, [*targets, *others])
        if not targets and found.taken > -math.inf and not found.gaps:
            text = f"none of {len(cards)} devices for this process: CUDA_VISIBLE_DEVICES={visible}"
            raise Unavailable(text)
        return targets

    def _follow(self, targets: list[Target]) -> None:
        """Have a thread for each of `targets`, and for nothing else."""
        wanted = {target.uuid: target for target in targets}
        for uuid in self._devices.keys() - wanted.keys():
            self._devices.pop(uuid).stop(0.0)
        new = wanted.keys() - self._devices.keys()
        for uuid in new:
            source = NvmlDevice(
                self._nvml, wanted[uuid], self._clock, self._interval, self._root
            )  # fmt: skip
            self._devices[uuid] = Sampler(source, self._clock, self._interval)
        self._start([self._devices[uuid] for uuid in new])

    def _start(self, samplers: Iterable[Sampler]) -> None:
        """Start threads, and give them a moment for their first answer."""
        waiting = list(samplers)
        for sampler in waiting:
            self._nvml.enter()
            sampler.start()
        for _ in range(round(_FIRST_ANSWER_SECONDS / _NAP_SECONDS)):
            waiting = [sampler for sampler in waiting if sampler.look().taken == -math.inf]
            if not waiting or self._closed.wait(_NAP_SECONDS):
                return

    def _collect(self, target: Target, fields: Fields) -> None:
        section = self._devices[target.uuid].look()
        path = f"devices[{target.label}]"
        for name, error in section.gaps.items():
            fields.gaps[f"{path}.{name}" if name else path] = error
        if section.values:
            entry = {**_identity(target), **section.values}
            age = self._clock.monotonic() - section.taken
            if age > _STALE_INTERVALS * self._interval:
                entry["age_seconds"] = round(age, 3)
            fields.values["devices"].append(entry)


def _identity(target: Target) -> dict[str, Any]:
    name = target.card.name if target.part is None else target.part.name
    entry = {"index": target.card.index, "name": name, "uuid": target.uuid, "source": "nvml"}
    if target.cuda_index is not None:
        entry["cuda_index"] = target.cuda_index
    if target.part is not None:
        entry["mig"] = {
            "gpu_instance_id": target.part.gpu_instance_id,
            "compute_instance_id": target.part.compute_instance_id,
        }
    return entry
