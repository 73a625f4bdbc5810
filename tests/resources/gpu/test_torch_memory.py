"""What torch says about its devices, by stand-ins: nothing here has a device."""

import sys
from types import SimpleNamespace

import pytest
from torch_stand_in import GB, Torch

from vlog.resources.gpu.torch_memory import (
    TorchDevices,
    allocator_fields,
    is_hip,
    is_loaded,
    read_mps,
)


@pytest.fixture
def use(monkeypatch):
    def put(torch):
        monkeypatch.setitem(sys.modules, "torch", torch)
        return torch

    return put


def sizes(bytes_now, peak):
    return {"all": {"current": bytes_now, "peak": peak}}


class TestTorchDevices:
    def test_are_none_without_torch(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "torch", raising=False)

        assert [] == TorchDevices().read()
        assert (False, False, None) == (is_loaded(), is_hip(), read_mps())
        assert "torch" not in sys.modules

    def test_are_none_until_the_program_has_started_one(self, use):
        """The stand-in fails if it is asked anything that would start a device."""
        torch = use(Torch([("GPU-a", GB)]))
        torch.has_begun = False

        assert [] == TorchDevices().read()

    @pytest.mark.parametrize("half", [SimpleNamespace(), SimpleNamespace(cuda=SimpleNamespace())])
    def test_are_none_while_torch_is_being_imported(self, use, half):
        use(half)

        assert [] == TorchDevices().read()
        assert (False, False, None) == (is_loaded(), is_hip(), read_mps())

    def test_are_none_of_the_real_torch_without_devices(self):
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("this machine has a device")

        assert [] == TorchDevices().read()
        assert is_loaded()
        assert not torch.cuda.is_initialized()

    def test_are_those_that_it_has_memory_on(self, use):
        use(Torch([("GPU-a", 0), ("GPU-b", 4 * GB)]))
        (found,) = TorchDevices().read()

        assert (1, "device 1", "b", "", 80 * GB) == (
            found.number, found.name, found.uuid, found.address, found.total_bytes,
        )  # fmt: skip
        assert 4.0 == found.allocator["reserved_gb"]

    def test_are_all_while_it_has_none(self, use):
        use(Torch([("GPU-a", 0), ("GPU-b", 0)]))

        assert [0, 1] == [each.number for each in TorchDevices().read()]

    def test_stay_when_it_has_given_its_memory_back(self, use):
        torch = use(Torch([("GPU-a", 0), ("GPU-b", GB)]))
        devices = TorchDevices()
        devices.read()
        torch.reserved[1] = 0

        assert [1] == [each.number for each in devices.read()]

    def test_may_say_where_they_sit(self, use):
        address = {"pci_domain_id": 0, "pci_bus_id": 0xC1, "pci_device_id": 2}
        use(Torch([("GPU-a", GB)], addresses=[address]))

        assert ["0000:c1:02.0"] == [each.address for each in TorchDevices().read()]


STATS = {
    "allocated_bytes": sizes(3 * GB, 5 * GB),
    "reserved_bytes": sizes(4 * GB, 6 * GB),
    "inactive_split_bytes": sizes(GB // 2, GB),
    "num_alloc_retries": 2,
    "num_ooms": 1,
}


class TestAllocatorFields:
    def test_are_in_the_units_of_their_keys(self):
        assert {
            "allocated_gb": 3.0,
            "reserved_gb": 4.0,
            "peak_allocated_gb": 5.0,
            "peak_reserved_gb": 6.0,
            "fragmentation_percent": 12.5,
            "retries": 2,
            "out_of_memory_count": 1,
        } == allocator_fields(STATS)

    def test_have_no_fragmentation_of_nothing(self):
        stats = {**STATS, "reserved_bytes": sizes(0, 6 * GB)}

        assert "fragmentation_percent" not in allocator_fields(stats)

    def test_are_those_of_the_schema(self):
        from vlog.schema import RESOURCE_USAGE

        gpu = next(each for each in RESOURCE_USAGE.fields if each.name == "gpu")
        allocator = next(each for each in gpu.fields[0].items if each.name == "allocator")

        assert {each.name for each in allocator.fields} == set(allocator_fields(STATS))

    def test_come_from_what_torch_documents(self):
        torch = pytest.importorskip("torch")
        text = torch.cuda.memory_stats.__doc__

        assert [] == [name for name in STATS if f'"{name}' not in text]


class TestMps:
    def test_is_what_this_process_may_have(self, use):
        mps = SimpleNamespace(
            current_allocated_memory=lambda: 3 * GB,
            driver_allocated_memory=lambda: 6 * GB,
            recommended_max_memory=lambda: 24 * GB,
        )
        backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: True))
        use(SimpleNamespace(mps=mps, backends=backends))

        assert {
            "index": 0,
            "name": "Apple MPS",
            "source": "torch",
            "memory_usage_percent": 25.0,
            "memory_used_gb": 6.0,
            "memory_total_gb": 24.0,
            "memory_scope": "process",
            "process_memory_gb": 6.0,
            "allocator": {"allocated_gb": 3.0, "reserved_gb": 6.0},
        } == read_mps()

    def test_is_not_there_on_another_machine(self, use):
        backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False))
        use(SimpleNamespace(mps=SimpleNamespace(), backends=backends))

        assert read_mps() is None

    def test_has_the_functions_that_torch_has(self):
        torch = pytest.importorskip("torch")
        names = ("current_allocated_memory", "driver_allocated_memory", "recommended_max_memory")

        assert all(callable(getattr(torch.mps, name)) for name in names)
        if sys.platform != "darwin":
            assert read_mps() is None
