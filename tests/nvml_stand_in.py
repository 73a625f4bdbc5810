"""A stand-in for the NVIDIA driver's library, which the real `pynvml` loads, and its controls.

    library = nvml_stand_in.build(tmp_path / "nvml")     # skips the test without a C compiler
    control = nvml_stand_in.Control(tmp_path / "control")
    subprocess.run([...], env=nvml_stand_in.environment(library, control))

`environment` has LD_LIBRARY_PATH, so every import of `pynvml` in that process finds the stand-in.
In the own process, `load(library)` before the first `nvmlInit` does the same: the dynamic loader
finds a library by its soname among those that are loaded. It stays loaded; prefer a process.

`Control.set` may be called at any time: the library reads the file anew at each call.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
GB = 2**30
UUIDS = ("GPU-11111111-aaaa-bbbb-cccc-000000000001", "GPU-22222222-aaaa-bbbb-cccc-000000000002")
MIG_UUIDS = ("MIG-33333333-aaaa-bbbb-cccc-000000000003", "MIG-44444444-aaaa-bbbb-cccc-000000000004")

DEVICE = {
    "name": "NVIDIA H100 80GB HBM3",
    "utilization": 87,
    "memory_total": 80 * GB,
    "memory_reserved": GB // 2,
    "memory_used": 68 * GB,
    "power_mw": 612_345,
    "power_limit_mw": 700_000,
    "temperature": 64,
    "slowdown_temperature": 92,
    "sm_clock": 1755,
    "memory_clock": 2619,
    "throttle": 0,
    "fan": 41,
    "pcie_receive_kb": 2048,
    "pcie_send_kb": 512,
    "field3": 5,  # single bit errors since the driver was loaded
    "field4": 1,  # double bit errors
    "field82": 71,  # memory temperature
    "field83": 5_000_000,  # millijoules since the driver was loaded
    "field91": 2,  # links
    "field94": 7,  # PCIe replays
    "field138": 1_000_000,  # KiB sent over all links
    "field139": 2_000_000,  # KiB received
    "nvlink0": 0,
    "nvlink1": 1,
}
PART = {"memory_total": 20 * GB, "memory_reserved": 0, "memory_used": 5 * GB}


def two_devices():
    """Return the keys of two devices, of which the second has MIG on, with two instances."""
    keys = {"devices": 2, "driver_version": "580.65.06"}
    for device, uuid in enumerate(UUIDS):
        keys |= {f"{device}.{name}": value for name, value in {**DEVICE, "uuid": uuid}.items()}
    keys["1.migs"] = 2
    del keys["1.utilization"]  # the driver has none while MIG is on
    for part, uuid in enumerate(MIG_UUIDS):
        own = {**PART, "uuid": uuid, "gpu_instance": 3 + part, "compute_instance": 0}
        own["name"] = "NVIDIA H100 80GB HBM3 MIG 2g.20gb"
        keys |= {f"1.mig{part}.{name}": value for name, value in own.items()}
    return keys


class Control:
    """What the library says from now on.

    Attributes:
        path: The file that it reads.
        keys: What stands there.
    """

    def __init__(self, path, keys=None):
        self.path = Path(path)
        self.keys = two_devices() if keys is None else dict(keys)
        self.set({})

    def set(self, keys):
        """Change some keys; None takes one away."""
        self.keys |= keys
        self.keys = {name: value for name, value in self.keys.items() if value is not None}
        text = "".join(f"{name} {value}\n" for name, value in self.keys.items())
        beside = self.path.with_name(self.path.name + ".new")
        beside.write_text(text, encoding="utf-8")
        beside.replace(self.path)  # the library never sees half of it

    def fail(self, device, function, code):
        """Let `function` return `code`: `nvmlDeviceGetPowerUsage`, or `field82`."""
        self.set({f"{device}.fail.{function}": code})

    def hang(self, device, function, seconds):
        """Let `function` take `seconds` (0: no more, from the next call on)."""
        self.set({f"{device}.hang.{function}": seconds})

    def lose(self, device):
        """Let the device fall off the bus."""
        self.set({f"{device}.lost": 1})

    def find(self, device):
        """Let the device come back."""
        self.set({f"{device}.lost": None})


def build(folder):
    """Compile the library into `folder`, and return its path."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler: the stand-in for libnvidia-ml.so.1 cannot be built")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "libnvidia-ml.so.1"
    options = ["-shared", "-fPIC", "-pthread", "-Wl,-soname,libnvidia-ml.so.1"]
    subprocess.run([compiler, *options, "-o", library, SOURCE], check=True)
    return library


def environment(library, control, **more):
    """Return the environment of a process that finds this library and these controls."""
    found = f"{Path(library).parent}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
    return {**os.environ, "LD_LIBRARY_PATH": found, "NVML_STAND_IN": str(control.path), **more}


def load(library):
    """Let this process find the library; NVML_STAND_IN in `os.environ` names the controls."""
    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
