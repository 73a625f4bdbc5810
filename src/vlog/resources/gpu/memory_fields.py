"""The memory of a device, whoever told of it."""

from __future__ import annotations

from typing import Any

from vlog.resources.units import as_gb, as_percent


def memory_fields(used: float, total: float, scope: str) -> dict[str, Any]:
    """Return the fields of `used` of `total` bytes.

    Args:
        used: Without what the driver keeps for itself, where that is known.
        total: All of it, as nvidia-smi has it.
        scope: Whose it is: device, mig, unified (the host's) or process (what it may have).

    Raises:
        ValueError: more is used than there is.
    """
    if used > total:
        raise ValueError(f"{used} bytes are used of {total}")
    return {
        "memory_usage_percent": as_percent(used / total),
        "memory_used_gb": as_gb(used),
        "memory_total_gb": as_gb(total),
        "memory_scope": scope,
    }
