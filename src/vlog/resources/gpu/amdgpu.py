"""AMD devices, from what the kernel's driver writes into /sys.

Source: https://docs.kernel.org/gpu/amdgpu/thermal.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.resources.files import KeptFile
from vlog.resources.gpu.memory_fields import memory_fields
from vlog.resources.source import Fields

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlog.clock import Clock
    from vlog.resources.gpu.torch_memory import TorchDevice

_LIST_SECONDS = 30.0  # until the devices are listed again


class AmdCard:
    """Read one device.

    Args:
        index: Its number among those of the driver.
        folder: The device's, below /sys/class/drm.

    Attributes:
        index: The same.
        address: Where it sits: `0000:03:00.0`.
        uuid: Its identity; empty where the driver knows none.
    """

    def __init__(self, index: int, folder: Path) -> None:
        self.index = index
        self.address = folder.resolve().name
        self._name = _text_of(folder / "product_name") or "AMD GPU"
        self.uuid = _text_of(folder / "unique_id")
        self._busy = KeptFile(folder / "gpu_busy_percent")
        self._used = KeptFile(folder / "mem_info_vram_used")
        self._total = KeptFile(folder / "mem_info_vram_total")
        sensors = min(folder.glob("hwmon/hwmon*"), default=folder / "hwmon")
        self._temperature = KeptFile(sensors / "temp1_input")
        # A newer chip tells only what it takes now.
        average = sensors / "power1_average"
        self._power = KeptFile(average if average.exists() else sensors / "power1_input")

    def read(self) -> Fields:
        """Measure now."""
        fields = Fields({"index": self.index, "name": self._name, "source": "amdgpu"})
        if self.uuid:
            fields.values["uuid"] = self.uuid
        fields.add("utilization_percent", self._utilization)
        fields.merge("memory_usage_percent", self._memory)
        fields.add("temperature_celsius", lambda: int(self._temperature.read()) / 1000)
        fields.add("power_watts", lambda: round(int(self._power.read()) / 1e6, 2))
        return fields

    def _utilization(self) -> int:
        return min(int(self._busy.read()), 100)

    def _memory(self) -> dict[str, Any]:
        return memory_fields(int(self._used.read()), int(self._total.read()), "device")


class AmdGpu:
    """Read all devices of the driver, or those of them that torch uses.

    Args:
        clock: Tells when to list them again.
        root: What /sys hangs under.
    """

    def __init__(self, clock: Clock, root: Path) -> None:
        self._clock = clock
        self._folder = root / "sys/class/drm"
        self._cards: list[AmdCard] = []
        self._due: float | None = None

    def read(self, used: Sequence[TorchDevice]) -> Fields:
        """Return `devices`, with a gap for each field that cannot be read.

        Args:
            used: What torch uses; with none, these are all devices.
        """
        now = self._clock.monotonic()
        if self._due is None or now >= self._due:
            self._cards, self._due = self._list(), now + _LIST_SECONDS
        fields = Fields({"devices": []})
        for card, torch_device in self._chosen(used):
            found = card.read()
            if torch_device is not None:
                found.values["cuda_index"] = torch_device.number
                found.values["allocator"] = torch_device.allocator
            fields.values["devices"].append(found.values)
            path = f"devices[{card.index}]"
            fields.gaps.update((f"{path}.{name}", error) for name, error in found.gaps.items())
        return fields

    def _chosen(self, used: Sequence[TorchDevice]) -> list[tuple[AmdCard, TorchDevice | None]]:
        if not used:
            return [(card, None) for card in self._cards]
        cards = {key: card for card in self._cards for key in (card.address, card.uuid) if key}
        found = ((cards.get(each.address) or cards.get(_unique_id(each)), each) for each in used)
        return [(card, each) for card, each in found if card is not None]

    def _list(self) -> list[AmdCard]:
        if not self._folder.is_dir():
            return []
        # Only a driver for processors of graphics has this file; `card0-HDMI-A-1` has not.
        folders = [path.parent for path in self._folder.glob("card*/device/mem_info_vram_total")]
        folders.sort(key=lambda folder: int(folder.parent.name.removeprefix("card")))
        return [AmdCard(index, folder) for index, folder in enumerate(folders)]


def _unique_id(device: TorchDevice) -> str:
    """Return what the driver calls the device: HIP's identity is these 16 letters, in hex."""
    try:
        return bytes.fromhex(device.uuid.replace("-", "")).decode("ascii")
    except ValueError:
        return ""


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""
