"""Devices that no NVIDIA driver tells of: AMD's by recorded files, others by stand-ins for torch.

With NVIDIA's driver: test_gpu_on_nvml.py.
"""

import sys

import pytest
from torch_stand_in import GB, Torch

from vlog.clock import SystemClock
from vlog.resources.fit import fit
from vlog.resources.gpu import Gpu, nvml
from vlog.resources.source import Unavailable


@pytest.fixture(autouse=True)
def no_driver(monkeypatch):
    monkeypatch.setattr(nvml, "LIBRARY", "libnvidia-of-nobody.so.1")
    monkeypatch.delitem(sys.modules, "torch", raising=False)


@pytest.fixture
def make_card(tmp_path):
    """Write the files of an AMD device as its driver lays them out."""

    def make(number, address, **files):
        folder = tmp_path / "sys/devices/pci0000:00" / address
        sensors = folder / f"hwmon/hwmon{number + 3}"
        sensors.mkdir(parents=True)
        content = {
            "gpu_busy_percent": "97\n",
            "mem_info_vram_used": f"{48 * GB}\n",
            "mem_info_vram_total": f"{64 * GB}\n",
            "product_name": "AMD Instinct MI210\n",
            "unique_id": f"5a1e22{number:010x}\n",
            "hwmon/temp1_input": "61000\n",
            "hwmon/power1_average": "238500000\n",
        }
        for name, text in (content | files).items():
            if text is not None:
                (folder / name.replace("hwmon", f"hwmon/hwmon{number + 3}")).write_text(text)
        drm = tmp_path / "sys/class/drm"
        (drm / f"card{number}").mkdir(parents=True)
        (drm / f"card{number}-HDMI-A-1").mkdir()
        (drm / f"card{number}/device").symlink_to(folder)

    return make


@pytest.fixture
def read(tmp_path):
    """Read once; the fields and the gaps hold against the schema."""
    made = []

    def once():
        made.append(Gpu(SystemClock(), 1.0, tmp_path))
        fields = made[-1].read()
        assert (fields.values, {}) == fit("gpu", fields.values)
        return fields.values["devices"], {name: str(each) for name, each in fields.gaps.items()}

    yield once
    for gpu in made:
        gpu.close()


class TestWithoutDevices:
    def test_says_why(self, read):
        with pytest.raises(Unavailable, match=r"no NVIDIA driver: libnvidia-of-nobody\.so\.1"):
            read()

    def test_can_be_closed_before_it_is_read(self, tmp_path):
        Gpu(SystemClock(), 1.0, tmp_path).close()

    def test_says_so_of_amds_torch(self, read, monkeypatch):
        torch = Torch([], hip="7.0")
        monkeypatch.setitem(sys.modules, "torch", torch)
        with pytest.raises(Unavailable, match="no AMD device"):
            read()


class TestAmd:
    def test_reads_what_the_driver_writes(self, read, make_card):
        make_card(0, "0000:03:00.0")

        assert (
            [
                {
                    "index": 0,
                    "name": "AMD Instinct MI210",
                    "uuid": "5a1e220000000000",
                    "source": "amdgpu",
                    "utilization_percent": 97,
                    "memory_usage_percent": 75.0,
                    "memory_used_gb": 48.0,
                    "memory_total_gb": 64.0,
                    "memory_scope": "device",
                    "temperature_celsius": 61.0,
                    "power_watts": 238.5,
                }
            ],
            {},
        ) == read()

    def test_has_a_gap_for_each_file_that_is_not_there(self, read, make_card):
        make_card(0, "0000:03:00.0", **{"hwmon/temp1_input": None, "gpu_busy_percent": "?\n"})
        devices, gaps = read()

        assert 238.5 == devices[0]["power_watts"]
        assert {"devices[0].temperature_celsius", "devices[0].utilization_percent"} == set(gaps)

    def test_reads_the_power_of_newer_devices(self, read, make_card):
        files = {"hwmon/power1_average": None, "hwmon/power1_input": "55000000\n"}
        make_card(0, "0000:03:00.0", **files)

        assert 55.0 == read()[0][0]["power_watts"]

    def test_counts_in_the_order_of_the_driver(self, read, make_card):
        make_card(10, "0000:0a:00.0")
        make_card(2, "0000:02:00.0")

        assert ["5a1e220000000002", "5a1e22000000000a"] == [each["uuid"] for each in read()[0]]

    def test_leaves_out_other_graphics(self, read, make_card):
        make_card(0, "0000:00:02.0", mem_info_vram_total=None)

        with pytest.raises(Unavailable):
            read()

    def test_is_not_asked_where_torch_cannot_use_it(self, read, make_card, monkeypatch):
        make_card(0, "0000:03:00.0")
        torch = Torch([])
        torch.has_begun = False
        monkeypatch.setitem(sys.modules, "torch", torch)

        with pytest.raises(Unavailable):
            read()

    @pytest.mark.parametrize("is_by_address", [True, False])
    def test_follows_torch(self, read, make_card, monkeypatch, is_by_address):
        """It is found by where it sits, or by its number in letters (HIP's identity)."""
        make_card(0, "0000:03:00.0")
        make_card(1, "0000:c1:00.0")
        letters = b"5a1e220000000001".hex()
        addresses = [
            {"pci_domain_id": 0, "pci_bus_id": bus, "pci_device_id": 0} for bus in (0xC1, 0x03)
        ]
        torch = Torch(
            [(letters, 8 * GB), ("", 0)], hip="7.0", addresses=addresses if is_by_address else ()
        )
        monkeypatch.setitem(sys.modules, "torch", torch)
        (device,), gaps = read()

        assert {} == gaps
        assert (1, 0, "amdgpu") == (device["index"], device["cuda_index"], device["source"])
        assert (48.0, 8.0) == (device["memory_used_gb"], device["allocator"]["reserved_gb"])

    def test_leaves_to_torch_what_it_cannot_match(self, read, make_card, monkeypatch):
        make_card(0, "0000:03:00.0")
        monkeypatch.setitem(sys.modules, "torch", Torch([("", GB)], hip="7.0"))
        (device,), _ = read()

        assert ("torch", 80.0) == (device["source"], device["memory_total_gb"])


class TestTorchAlone:
    def test_tells_of_its_allocator_where_no_driver_tells(self, read, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", Torch([("GPU-a", 0), ("GPU-b", 4 * GB)]))

        assert (
            [
                {
                    "index": 1,
                    "cuda_index": 1,
                    "name": "device 1",
                    "uuid": "b",
                    "source": "torch",
                    "memory_total_gb": 80.0,
                    "allocator": {
                        "allocated_gb": 2.0,
                        "reserved_gb": 4.0,
                        "peak_allocated_gb": 4.0,
                        "peak_reserved_gb": 8.0,
                        "fragmentation_percent": 12.5,
                        "retries": 3,
                        "out_of_memory_count": 1,
                    },
                }
            ],
            {},
        ) == read()

    def test_that_fails_costs_its_own_fields(self, read, make_card, monkeypatch):
        make_card(0, "0000:03:00.0")
        torch = Torch([("", GB)], hip="7.0")
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1 / 0)
        monkeypatch.setitem(sys.modules, "torch", torch)
        devices, gaps = read()

        assert ["amdgpu"] == [each["source"] for each in devices]
        assert {"allocator": "division by zero"} == gaps
