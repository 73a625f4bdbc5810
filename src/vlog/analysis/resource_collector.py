"""The readings of one run, added up in bounded memory."""

from __future__ import annotations

from typing import Any

from vlog.analysis.fields import number_at, object_at, text_at, value_at
from vlog.analysis.quick_entries import decoded
from vlog.analysis.run_summary import Gpu, Range, Resources
from vlog.analysis.samples import Samples

_MAX_DEVICES = 64
_READINGS = {
    "cpu_percent": ("cpu", "usage_percent"),
    "memory_percent": ("memory", "usage_percent"),
    "memory_used_gb": ("memory", "used_gb"),
    "process_memory_gb": ("process", "memory_gb"),
    "children_memory_gb": ("children", "memory_gb"),
}
_DEVICE_READINGS = {
    "memory_percent": "memory_usage_percent",
    "utilization_percent": "utilization_percent",
    "temperature_celsius": "temperature_celsius",
    "power_watts": "power_watts",
}


class ResourceCollector:
    """What the machine did over a run, while its entries come in."""

    def __init__(self) -> None:
        self._resources = Resources()
        self._last: dict[str, Any] = {}
        self._encoded: bytes | None = None  # ... as it stands in its entry
        self._readings = {name: Samples() for name in _READINGS}
        self._devices: dict[str, dict[str, Samples]] = {}
        self._disks: dict[str, Samples] = {}

    def add(self, entry: dict[str, Any]) -> None:
        """Take in a step's entry; the same reading may stand in several."""
        if "resource_missing" in entry:
            missing = object_at(entry, "resource_missing")
            self._resources.missing = {
                path: str(value_at(what, "why")) for path, what in missing.items()
            }
        self._add_usage(object_at(entry, "resource_usage"))
        self._encoded = None

    def add_all(self, usages: list[bytes]) -> None:
        """Take in the `resource_usage` of steps' entries as it stands there; empty without one."""
        for usage in usages:
            if usage != self._encoded:
                found = decoded(usage)
                self._add_usage(found if isinstance(found, dict) else {})
                self._encoded = usage

    def _add_usage(self, usage: dict[str, Any]) -> None:
        if usage == self._last:
            return
        self._last = usage
        self._resources.readings += bool(usage)
        _add_all(self._readings, {name: number_at(usage, *_READINGS[name]) for name in _READINGS})
        found = self._resources
        found.memory_scope = text_at(usage, "memory", "scope") or found.memory_scope
        found.memory_total_gb = number_at(usage, "memory", "total_gb") or found.memory_total_gb
        for disk in _objects(usage, "disk", "file_systems"):
            self._add_disk(disk)
        for device in _objects(usage, "gpu", "devices"):
            self._add_device(device)

    def _add_disk(self, disk: object) -> None:
        mount, share = text_at(disk, "mount"), number_at(disk, "usage_percent")
        if mount is None or share is None:
            return
        if mount in self._disks or len(self._disks) < _MAX_DEVICES:
            self._disks.setdefault(mount, Samples()).add(share)

    def _add_device(self, device: object) -> None:
        part = value_at(device, "mig", "gpu_instance_id")
        name = f"{value_at(device, 'index')}{'' if part is None else f' mig {part}'}"
        if name not in self._devices and len(self._devices) >= _MAX_DEVICES:
            return
        gpu = self._resources.gpus.setdefault(name, Gpu())
        gpu.product = text_at(device, "name") or gpu.product
        energy = number_at(device, "energy_joules")
        gpu.energy_joules = gpu.energy_joules if energy is None else energy
        samples = self._devices.setdefault(name, {each: Samples() for each in _DEVICE_READINGS})
        _add_all(samples, {each: number_at(device, key) for each, key in _DEVICE_READINGS.items()})

    def finish(self) -> Resources:
        """Return means and peaks."""
        _set_ranges(self._resources, self._readings)
        self._resources.disks = {
            mount: Range(mean=samples.mean, peak=samples.max)
            for mount, samples in self._disks.items()
        }
        for name, samples in self._devices.items():
            _set_ranges(self._resources.gpus[name], samples)
        return self._resources


def _objects(usage: dict[str, Any], *keys: str) -> list[Any]:
    found = value_at(usage, *keys)
    return found if isinstance(found, list) else []


def _add_all(samples: dict[str, Samples], values: dict[str, float | None]) -> None:
    for name, value in values.items():
        if value is not None:
            samples[name].add(value)


def _set_ranges(target: object, samples: dict[str, Samples]) -> None:
    for name, each in samples.items():
        setattr(target, name, Range(mean=each.mean, peak=each.max))
