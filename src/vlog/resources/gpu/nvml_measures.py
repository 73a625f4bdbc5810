"""What NVML says about one device, question by question.

What belongs to a part of a device (MIG) is asked of the part, the rest of the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.resources.files import KeptFile, table_of
from vlog.resources.gpu.host_pid import host_pid
from vlog.resources.gpu.memory_fields import memory_fields
from vlog.resources.gpu.nvml import NOT_SUPPORTED, Unsupported
from vlog.resources.gpu.nvml_counters import LINK_COUNT, read_field_values
from vlog.resources.gpu.questions import Question
from vlog.resources.source import Unavailable
from vlog.resources.units import as_gb

if TYPE_CHECKING:
    from pathlib import Path

    from vlog.resources.gpu.nvml import Nvml

_STEADY_SECONDS = 60.0  # limits and thresholds
_SLOW_READINGS = 5  # the driver counts PCIe for 20 ms, while the call waits

# Constants of nvml.h.
_MEMORY_V2 = 0x02000028
_SENSOR_OF_CHIP = 0
_SLOWDOWN = 1
_SM_CLOCK, _MEMORY_CLOCK = 1, 2
_SEND, _RECEIVE = 0, 1

_IDLE = 0x1  # is no throttling
_REASONS = {
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
    0x200: "board_limit",
    0x400: "reliability",
}


class NvmlMeasures:
    """Answer the questions about one device.

    Args:
        nvml: The library.
        root: What /proc hangs under.

    Attributes:
        card: The handle of the device.
        part: The handle of the part of it, or None.
        has_links: Whether NVLink is in use.
    """

    def __init__(self, nvml: Nvml, root: Path) -> None:
        self.card: Any = None
        self.part: Any = None
        self.has_links = False
        self._nvml = nvml
        self._root = root
        self._meminfo = KeptFile(root / "proc/meminfo")

    @property
    def _handle(self) -> Any:
        return self.card if self.part is None else self.part

    def questions(self, interval_seconds: float) -> list[Question]:
        """Return what to ask, for readings at this interval."""
        steady, slow = _STEADY_SECONDS, _SLOW_READINGS * interval_seconds
        return [
            Question("utilization_percent", self._utilization),
            Question("memory_usage_percent", self._memory),
            Question("process_memory_gb", self._process_memory),
            Question("power_watts", self._power),
            Question("power_limit_watts", self._power_limit, steady),
            Question("temperature_celsius", self._temperature),
            Question("slowdown_temperature_celsius", self._slowdown, steady),
            Question("sm_clock_mhz", self._sm_clock),
            Question("memory_clock_mhz", self._memory_clock),
            Question("throttle_reasons", self._throttling),
            Question("fan_percent", self._fan, slow),
            Question("nvlink", self._find_links, steady),
            Question("pcie_receive_mb_per_second", self._pcie, slow),
        ]

    def _utilization(self) -> dict[str, Any]:
        rates = self._nvml.call("nvmlDeviceGetUtilizationRates", self._handle)
        return {"utilization_percent": rates.gpu}

    def _memory(self) -> dict[str, Any]:
        # nvidia-smi shows what version 2 says: `used` without what the driver keeps for itself.
        function = "nvmlDeviceGetMemoryInfo"
        scope = "device" if self.part is None else "mig"
        try:
            memory = self._nvml.call_first(
                (function, self._handle, _MEMORY_V2), (function, self._handle)
            )
        except Unsupported as error:
            if error.code != NOT_SUPPORTED or self.part is not None:
                raise
            return self._unified_memory()
        if not memory.total:
            return self._unified_memory()
        return memory_fields(memory.used, memory.total, scope)

    def _unified_memory(self) -> dict[str, Any]:
        """Return the host's memory, of a device that has none of its own (Grace, GB10, Jetson)."""
        table = table_of(self._meminfo.read())
        total = int(table[b"MemTotal"]) * 1024
        return memory_fields(total - int(table[b"MemAvailable"]) * 1024, total, "unified")

    def _process_memory(self) -> dict[str, Any]:
        pid = host_pid(self._root)
        function = "nvmlDeviceGetComputeRunningProcesses"
        processes = self._nvml.call_first(
            (f"{function}_v3", self._handle), (f"{function}_v2", self._handle)
        )
        own = [each.usedGpuMemory for each in processes if each.pid == pid]
        if None in own:
            raise Unavailable("the driver does not say how much memory a process has")
        return {"process_memory_gb": as_gb(sum(own))} if own else {}

    def _power(self) -> dict[str, Any]:
        milliwatts = self._nvml.call("nvmlDeviceGetPowerUsage", self.card)
        return {"power_watts": round(milliwatts / 1000, 2)}

    def _power_limit(self) -> dict[str, Any]:
        milliwatts = self._nvml.call("nvmlDeviceGetEnforcedPowerLimit", self.card)
        return {"power_limit_watts": round(milliwatts / 1000, 2)}

    def _temperature(self) -> dict[str, Any]:
        # The older function is to go with CUDA 14; drivers before R565 have only that one.
        celsius = self._nvml.call_first(
            ("nvmlDeviceGetTemperatureV", self.card, _SENSOR_OF_CHIP),
            ("nvmlDeviceGetTemperature", self.card, _SENSOR_OF_CHIP),
        )
        return {"temperature_celsius": celsius}

    def _slowdown(self) -> dict[str, Any]:
        celsius = self._nvml.call("nvmlDeviceGetTemperatureThreshold", self.card, _SLOWDOWN)
        return {"slowdown_temperature_celsius": celsius}

    def _sm_clock(self) -> dict[str, Any]:
        mhz = self._nvml.call("nvmlDeviceGetClockInfo", self.card, _SM_CLOCK)
        return {"sm_clock_mhz": mhz}

    def _memory_clock(self) -> dict[str, Any]:
        mhz = self._nvml.call("nvmlDeviceGetClockInfo", self.card, _MEMORY_CLOCK)
        return {"memory_clock_mhz": mhz}

    def _throttling(self) -> dict[str, Any]:
        bits = self._nvml.call_first(
            ("nvmlDeviceGetCurrentClocksEventReasons", self.card),
            ("nvmlDeviceGetCurrentClocksThrottleReasons", self.card),
        )
        return {"throttle_reasons": reasons_of(bits)}

    def _fan(self) -> dict[str, Any]:
        return {"fan_percent": min(self._nvml.call("nvmlDeviceGetFanSpeed", self.card), 100)}

    def _find_links(self) -> dict[str, Any]:
        """Learn whether a link is in use; without one its counters say nothing."""
        self.has_links = False
        told = read_field_values(self._nvml, self.card, {"links": LINK_COUNT})
        for error in told.gaps.values():
            raise error
        links = range(told.values["links"])
        state = "nvmlDeviceGetNvLinkState"
        self.has_links = any(self._nvml.call(state, self.card, link) for link in links)
        return {}

    def _pcie(self) -> dict[str, Any]:
        # The byte counters among the field values have 32 bits: full in a fraction of a second.
        function = "nvmlDeviceGetPcieThroughput"
        received, sent = (self._nvml.call(function, self.card, each) for each in (_RECEIVE, _SEND))
        return {
            "pcie_receive_mb_per_second": round(received / 1024, 3),
            "pcie_send_mb_per_second": round(sent / 1024, 3),
        }


def reasons_of(bits: int) -> list[str]:
    """Return why the clocks are held down, the lowest bit first.

    >>> reasons_of(0x1 | 0x4 | 0x40 | 0x10000)
    ['sw_power_cap', 'hw_thermal_slowdown', 'reason_0x10000']
    """
    ones = [1 << place for place in range(bits.bit_length()) if bits >> place & 1]
    return [_REASONS.get(bit, f"reason_{bit:#x}") for bit in ones if bit != _IDLE]
