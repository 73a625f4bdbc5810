"""What torch says about its devices. It is never imported here, nor made to start a device.

Until the program itself has started one there is nothing to ask: each call below either answers
from what torch already knows or returns nothing. `mem_get_info` and `current_device` are left
alone: the first starts a device, the second is another one for each thread.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from vlog.resources.gpu.memory_fields import memory_fields
from vlog.resources.units import as_gb, as_percent


@dataclass(frozen=True, slots=True)
class TorchDevice:
    """A device that torch uses.

    Attributes:
        number: Torch's.
        name: The product.
        uuid: Its identity, as torch writes it; empty before torch 2.4.
        address: Where it sits, as in /sys: `0000:03:00.0`; empty where torch does not say.
        total_bytes: Its memory.
        allocator: The fields of torch's allocator.
    """

    number: int
    name: str
    uuid: str
    address: str
    total_bytes: int
    allocator: dict[str, Any] = field(default_factory=dict)


class TorchDevices:
    """Find the devices that torch has, or had, memory on.

    One that it has none on is not this process's: on a machine with eight, a process of
    distributed training sees all of them and uses one.
    """

    def __init__(self) -> None:
        self._used: set[int] = set()

    def read(self) -> list[TorchDevice]:
        """Return them; all that torch sees while it has memory on none; none before it began."""
        cuda = _started_cuda()
        if cuda is None:
            return []
        devices = [_device_of(cuda, number) for number in range(cuda.device_count())]
        self._used.update(each.number for each in devices if each.allocator["reserved_gb"] > 0)
        return [each for each in devices if each.number in self._used] or devices


def is_hip() -> bool:
    """Return whether the torch that is loaded is AMD's build."""
    version = getattr(sys.modules.get("torch"), "version", None)
    return getattr(version, "hip", None) is not None


def is_loaded() -> bool:
    """Return whether the program has loaded torch."""
    return hasattr(sys.modules.get("torch"), "version")


def read_mps() -> dict[str, Any] | None:
    """Return the fields of Apple's device, or None where there is none."""
    torch = sys.modules.get("torch")
    backend = getattr(getattr(torch, "backends", None), "mps", None)
    if torch is None or backend is None or not hasattr(torch, "mps") or not backend.is_available():
        return None
    mps = torch.mps
    held, limit = mps.driver_allocated_memory(), mps.recommended_max_memory()
    return {
        "index": 0,
        "name": "Apple MPS",
        "source": "torch",
        # Of what this process may have: the host's memory is shared, and is told elsewhere.
        **memory_fields(held, limit, "process"),
        "process_memory_gb": as_gb(held),
        "allocator": {
            "allocated_gb": as_gb(mps.current_allocated_memory()),
            "reserved_gb": as_gb(held),
        },
    }


def entry_of(device: TorchDevice) -> dict[str, Any]:
    """Return the fields of a device that nobody but torch tells of."""
    return {
        "index": device.number,
        "cuda_index": device.number,
        "name": device.name,
        **({"uuid": device.uuid} if device.uuid else {}),
        "source": "torch",
        "memory_total_gb": as_gb(device.total_bytes),
        "allocator": device.allocator,
    }


def allocator_fields(stats: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of torch's allocator, of `memory_stats_as_nested_dict`."""
    allocated, reserved = stats["allocated_bytes"]["all"], stats["reserved_bytes"]["all"]
    fields = {
        "allocated_gb": as_gb(allocated["current"]),
        "reserved_gb": as_gb(reserved["current"]),
        "peak_allocated_gb": as_gb(allocated["peak"]),
        "peak_reserved_gb": as_gb(reserved["peak"]),
        "retries": stats["num_alloc_retries"],
        "out_of_memory_count": stats["num_ooms"],
    }
    if reserved["current"]:
        split = stats["inactive_split_bytes"]["all"]["current"]
        fields["fragmentation_percent"] = as_percent(split / reserved["current"])
    return fields


def _started_cuda() -> Any | None:
    # A program may be in the middle of `import torch`: then some of it is not there yet.
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    is_initialized = getattr(cuda, "is_initialized", None)
    return cuda if is_initialized is not None and is_initialized() else None


def _device_of(cuda: Any, number: int) -> TorchDevice:
    properties = cuda.get_device_properties(number)
    found = [getattr(properties, f"pci_{part}_id", None) for part in ("domain", "bus", "device")]
    parts = [part for part in found if part is not None]
    return TorchDevice(
        number,
        properties.name,
        str(getattr(properties, "uuid", "")),
        "{:04x}:{:02x}:{:02x}.0".format(*parts) if len(parts) == len(found) else "",
        properties.total_memory,
        allocator_fields(cuda.memory_stats_as_nested_dict(number)),
    )
