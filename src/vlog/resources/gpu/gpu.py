"""The accelerators that this process uses, whoever tells of them.

NVIDIA's driver is asked first (NVML), then AMD's (/sys), then torch alone (Apple's devices, and
whatever else has no driver to ask). torch's allocator stands beside what the driver says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.resources.files import ROOT
from vlog.resources.gpu import torch_memory
from vlog.resources.gpu.amdgpu import AmdGpu
from vlog.resources.gpu.nvml_devices import NvmlDevices
from vlog.resources.source import Fields, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlog.clock import Clock
    from vlog.resources.gpu.torch_memory import TorchDevice


class Gpu:
    """Read the devices that torch has memory on; before that, all that the process may use.

    Args:
        clock: Tells when.
        interval_seconds: Time between two readings of a device.
        root: What /proc and /sys hang under.
    """

    name = "gpu"
    can_block = True

    def __init__(self, clock: Clock, interval_seconds: float, root: Path = ROOT) -> None:
        self._nvml = NvmlDevices(clock, interval_seconds, root)
        self._amd = AmdGpu(clock, root)
        self._torch = torch_memory.TorchDevices()

    def read(self) -> Fields:
        """Return `devices` and, of NVIDIA, `driver_version`.

        The path of a gap has the number of the device for NVML: `devices[1].power_watts`, or
        `devices[1/3/0]` for a part of it (MIG) with its instances.

        Raises:
            Unavailable: this machine has no accelerator, or none for this process.
        """
        told = Fields()
        told.add("allocator", self._torch.read)
        used: list[TorchDevice] = told.values.get("allocator", [])
        fields = self._read_devices(used)
        fields.gaps.update(told.gaps)
        return fields

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the threads of the devices."""
        return self._nvml.cpu_seconds

    def close(self) -> None:
        """End the threads of the devices."""
        self._nvml.close()

    def _read_devices(self, used: Sequence[TorchDevice]) -> Fields:
        if torch_memory.is_hip():
            return self._read_elsewhere(used, Unavailable("no AMD device"))
        try:
            fields = self._nvml.read([(each.number, each.uuid) for each in used])
        except Unavailable as error:
            return self._read_elsewhere(used, error)
        allocators = {each.number: each.allocator for each in used}
        for device in fields.values["devices"]:
            if device.get("cuda_index") in allocators:
                device["allocator"] = allocators[device["cuda_index"]]
        return fields

    def _read_elsewhere(self, used: Sequence[TorchDevice], reason: Unavailable) -> Fields:
        fields = Fields({"devices": []})
        if torch_memory.is_hip() or not torch_memory.is_loaded():
            fields = self._amd.read(used)
        devices: list[dict[str, Any]] = fields.values["devices"]
        numbers = {device.get("cuda_index") for device in devices}
        devices += [torch_memory.entry_of(each) for each in used if each.number not in numbers]
        apple = torch_memory.read_mps()
        if apple is not None:
            devices.append(apple)
        if not devices:
            raise reason.with_traceback(None)  # it is kept: each raise adds to it
        return fields
