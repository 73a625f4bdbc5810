"""The accelerators: NVIDIA's through NVML, AMD's through its driver's files, any through torch."""

from __future__ import annotations

from vlog.resources.gpu.gpu import Gpu

__all__ = ["Gpu"]
