"""What NVML counts, in one call: field values, and what they say since the last reading.

Source: https://docs.nvidia.com/deploy/nvml-api/group__nvmlFieldValueEnums.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from vlog.resources.gpu.nvml import error_of
from vlog.resources.gpu.questions import REFUSED_SECONDS
from vlog.resources.rates import Rates
from vlog.resources.source import Fields, is_unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vlog.resources.gpu.nvml import Nvml

_ALL_LINKS = 0xFFFFFFFF
_KIB_IN_MB = 1024
# The member of the union, by `valueType`.
_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")


class FieldId(NamedTuple):
    """A field value of NVML's: its number, and what of the device it is about."""

    number: int
    scope: int = 0


LINK_COUNT = FieldId(91)
_COUNTERS = {
    "ecc_corrected": FieldId(3),  # single bit, since the driver was loaded
    "ecc_uncorrected": FieldId(4),  # double bit
    "memory_temperature_celsius": FieldId(82),
    "energy_joules": FieldId(83),  # in millijoules
    "pcie_replays": FieldId(94),
}
_LINK_COUNTERS = {
    "nvlink_send_mb_per_second": FieldId(138, _ALL_LINKS),  # in KiB so far
    "nvlink_receive_mb_per_second": FieldId(139, _ALL_LINKS),
}


def read_field_values(nvml: Nvml, handle: Any, wanted: dict[str, FieldId]) -> Fields:
    """Return what NVML says to each of `wanted`, in its own units, by their names."""
    fields = Fields()
    values = nvml.call("nvmlDeviceGetFieldValues", handle, list(wanted.values()))
    for name, value in zip(wanted, values, strict=True):
        if value.nvmlReturn:
            what = f"field value {value.fieldId}"
            text = f"return code {value.nvmlReturn}"
            fields.gaps[name] = error_of(value.nvmlReturn, what, text)
        else:
            fields.values[name] = getattr(value.value, _MEMBERS[value.valueType])
    return fields


class NvmlCounters:
    """Read the counters of one device.

    Args:
        nvml: The library.
    """

    def __init__(self, nvml: Nvml) -> None:
        self._nvml = nvml
        self._refused: dict[str, tuple[float, Exception]] = {}
        self._rates = Rates()
        self._energy: float | None = None  # what the counter said last
        self._joules = 0.0

    def read(self, handle: Any, now: float, *, has_links: bool) -> Fields:
        """Return the fields of the counters, as of `now` in monotonic seconds.

        Args:
            handle: The device.
            now: When.
            has_links: Whether NVLink is in use.
        """
        wanted = {**_COUNTERS, **_LINK_COUNTERS} if has_links else _COUNTERS
        refused = {
            name: error for name, (until, error) in self._refused.items() if now < until
        }  # fmt: skip
        wanted = {name: each for name, each in wanted.items() if name not in refused}
        fields = read_field_values(self._nvml, handle, wanted) if wanted else Fields()
        for name, error in fields.gaps.items():
            if is_unavailable(error):
                self._refused[name] = now + REFUSED_SECONDS, error
        fields.gaps.update(refused)
        self._convert(fields.values, now)
        return fields

    def _convert(self, values: dict[str, Any], now: float) -> None:
        for name in _present(_LINK_COUNTERS, values):
            rate = self._rates.of(name, values.pop(name), now)
            if rate is not None:
                values[name] = round(rate / _KIB_IN_MB, 3)
        for name in _present(("energy_joules",), values):
            values[name] = self._energy_since_first(values[name])

    def _energy_since_first(self, millijoules: float) -> float:
        # The counter begins at 0 again when the driver is loaded again.
        before = millijoules if self._energy is None else self._energy
        self._joules += max(millijoules - before, 0.0) / 1000
        self._energy = millijoules
        return round(self._joules, 3)


def _present(names: Iterable[str], values: dict[str, Any]) -> list[str]:
    return [name for name in names if name in values]
