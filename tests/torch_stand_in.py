"""A stand-in for torch with devices, which cannot be had without them.

Only what the monitor asks is there: anything else (`mem_get_info`, `current_device`, a reset of
the peaks) raises AttributeError.
"""

from __future__ import annotations

from types import SimpleNamespace

GB = 2**30


class Torch:
    """A `torch` for `sys.modules`.

    Args:
        devices: The identity, and the bytes that the allocator has reserved, for each.

    Attributes:
        reserved: The latter, to be changed.
        has_begun: Whether the program has started its devices.
    """

    def __init__(self, devices, *, hip=None, addresses=(), total=80 * GB):
        self.reserved = [size for _, size in devices]
        self.has_begun = True
        self.version = SimpleNamespace(hip=hip, cuda=None if hip else "13.0")
        self._uuids = [uuid for uuid, _ in devices]
        self._addresses = addresses
        self._total = total
        self.cuda = SimpleNamespace(
            is_initialized=lambda: self.has_begun,
            device_count=self._if_begun(lambda: len(self.reserved)),
            get_device_properties=self._if_begun(self._properties),
            memory_stats_as_nested_dict=self._if_begun(self._stats),
        )

    def _if_begun(self, function):
        def call(*arguments):
            assert self.has_begun, "this call would have started a device"
            return function(*arguments)

        return call

    def _properties(self, number):
        address = self._addresses[number] if self._addresses else {}
        uuid = self._uuids[number].removeprefix("GPU-")
        return SimpleNamespace(
            name=f"device {number}", uuid=uuid, total_memory=self._total, **address
        )

    def _stats(self, number):
        size = self.reserved[number]

        def of(current, peak):
            return {"all": {"current": current, "peak": peak, "allocated": 0, "freed": 0}}

        return {
            "num_alloc_retries": 3,
            "num_ooms": 1,
            "allocated_bytes": of(size // 2, size),
            "reserved_bytes": of(size, 2 * size),
            "inactive_split_bytes": of(size // 8, size),
        }
