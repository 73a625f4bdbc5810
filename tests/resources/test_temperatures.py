"""Sensors have readable names that are unique; what a dead one says is left out."""

import errno

import psutil
import pytest
from kernel_files import gaps_of, link, write

from vlog.resources.files import KeptFile
from vlog.resources.source import Unavailable, is_unavailable
from vlog.resources.temperatures import Temperatures

CORETEMP = {
    "hwmon2/name": "coretemp\n",
    "hwmon2/temp1_input": "54000\n",
    "hwmon2/temp1_label": "Package id 0\n",
    "hwmon2/temp1_crit": "100000\n",
    "hwmon2/temp1_max": "80000\n",
    "hwmon2/temp10_input": "50000\n",
    "hwmon2/temp10_label": "Core 8\n",
    "hwmon2/temp2_input": "51500\n",
    "hwmon2/temp2_label": "Core 0\n",
    "hwmon2/in0_input": "1200\n",
}


@pytest.fixture
def machine(tmp_path):
    """Return a function that lays out files below /sys/class/hwmon."""
    return lambda files: write(tmp_path / "sys/class/hwmon", files)


def celsius(fields):
    return {name: each["celsius"] for name, each in fields.values["sensors"].items()}


class TestTemperatures:
    def test_have_the_names_of_the_drivers(self, machine, tmp_path):
        machine(CORETEMP)
        machine({"hwmon0/name": "acpitz\n", "hwmon0/temp1_input": "27800\n"})
        fields = Temperatures(tmp_path).read()

        assert {
            "max_celsius": 54.0,
            "sensors": {
                "acpitz temp1": {"celsius": 27.8},
                "coretemp Package id 0": {"celsius": 54.0, "critical_celsius": 100.0},
                "coretemp Core 0": {"celsius": 51.5},
                "coretemp Core 8": {"celsius": 50.0},
            },
        } == fields.values
        assert [
            "acpitz temp1",
            "coretemp Package id 0",
            "coretemp Core 0",
            "coretemp Core 8",
        ] == list(fields.values["sensors"])
        assert {} == fields.gaps

    def test_are_told_apart_by_their_device(self, machine, tmp_path):
        for number, device in enumerate(["nvme0", "nvme1", "nvme1"]):
            chip = f"hwmon{number}"
            machine({
                f"{chip}/name": "nvme",
                f"{chip}/temp1_label": "Composite",
                f"{chip}/temp1_input": f"{30 + number}000",
            })  # fmt: skip
            link(tmp_path, f"sys/class/hwmon/{chip}/device", f"sys/devices/pci/{device}")

        assert {
            "nvme Composite (nvme0)": 30.0,
            "nvme Composite (nvme1)": 31.0,
            "nvme Composite (nvme1, 2)": 32.0,
        } == celsius(Temperatures(tmp_path).read())

    @pytest.mark.parametrize("text", ["-60000", "0", "255000", "-273150", "65261850"])
    def test_leave_out_what_a_dead_sensor_says(self, machine, tmp_path, text):
        machine({"hwmon0/name": "nct6775", "hwmon0/temp1_input": "-12500"})
        machine({"hwmon0/temp2_input": text, "hwmon0/temp2_label": "AUXTIN0"})
        fields = Temperatures(tmp_path).read()

        assert {"nct6775 temp1": -12.5} == celsius(fields)
        assert ["sensors.nct6775 AUXTIN0"] == list(fields.gaps)
        assert is_unavailable(fields.gaps["sensors.nct6775 AUXTIN0"])

    @pytest.mark.parametrize(
        ("limits", "critical"),
        [
            ({"crit": "84850", "max": "81850"}, 84.8),
            ({"crit": "0", "max": "81850"}, 81.8),
            ({"crit": "-273150"}, None),
            ({"max": "65261850"}, None),
            ({"crit": "N/A", "max": "81850"}, 81.8),
        ],
    )
    def test_have_a_limit_where_it_makes_sense(self, machine, tmp_path, limits, critical):
        machine({"hwmon0/name": "nvme", "hwmon0/temp1_input": "40000"})
        machine({f"hwmon0/temp1_{name}": text for name, text in limits.items()})
        (found,) = Temperatures(tmp_path).read().values["sensors"].values()

        assert critical == found.get("critical_celsius")

    def test_come_from_the_zones_where_no_driver_reports(self, tmp_path):
        write(tmp_path / "sys/class/thermal", {
            "thermal_zone0/type": "x86_pkg_temp\n",
            "thermal_zone0/temp": "45000\n",
            "cooling_device0/type": "Processor\n",
        })  # fmt: skip

        assert {
            "max_celsius": 45.0, "sensors": {"x86_pkg_temp": {"celsius": 45.0}},
        } == Temperatures(tmp_path).read().values  # fmt: skip

    def test_come_from_the_drivers_alone_where_both_report(self, machine, tmp_path):
        machine(CORETEMP)
        write(tmp_path / "sys/class/thermal", {"thermal_zone0/temp": "45000\n"})

        assert {"coretemp"} == {name.split()[0] for name in celsius(Temperatures(tmp_path).read())}

    def test_are_looked_up_again_when_one_is_gone(self, machine, tmp_path, forget_deleted_files):
        """A driver that is loaded anew has another number."""
        machine({"hwmon0/name": "nvme", "hwmon0/temp1_input": "40000"})
        temperatures = Temperatures(tmp_path)
        temperatures.read()
        machine({"hwmon0/name": None, "hwmon0/temp1_input": None})
        machine({"hwmon3/name": "nvme", "hwmon3/temp1_input": "41000"})
        gone = temperatures.read()

        assert ({}, ["sensors.nvme temp1"]) == (gone.values, list(gone.gaps))
        assert {"nvme temp1": 41.0} == celsius(temperatures.read())

    def test_are_looked_for_until_there_are_some(self, machine, tmp_path):
        temperatures = Temperatures(tmp_path)
        with pytest.raises(Unavailable, match="no temperature sensors"):
            temperatures.read()
        machine(CORETEMP)

        assert 3 == len(celsius(temperatures.read()))

    @pytest.mark.parametrize(
        ("error", "is_fault"),
        [(errno.ENODATA, False), (errno.ENETDOWN, False), (errno.EIO, True)],
    )
    def test_lose_one_and_no_other(self, machine, tmp_path, monkeypatch, error, is_fault):
        """A device that is off has no temperature; an I/O error is a fault."""
        machine(CORETEMP)
        real = KeptFile.read

        def read(self):
            if self.path.name == "temp1_input":
                raise OSError(error, "no")
            return real(self)

        monkeypatch.setattr(KeptFile, "read", read)
        fields = Temperatures(tmp_path).read()

        assert {"coretemp Core 0", "coretemp Core 8"} == set(celsius(fields))
        assert is_fault is not is_unavailable(fields.gaps["sensors.coretemp Package id 0"])

    def test_agree_with_psutil_on_this_machine(self):
        known = psutil.sensors_temperatures()
        found = {}
        try:
            found = Temperatures().read().values["sensors"]
        except Unavailable:
            assert {} == known
        assert bool(known) == bool(found)


@pytest.fixture
def forget_deleted_files(monkeypatch):
    """Let a deleted file raise like those of sysfs: a kept descriptor of a real one reads on."""
    import os

    real = os.pread

    def pread(descriptor, size, offset):
        if os.fstat(descriptor).st_nlink == 0:
            raise OSError(errno.ENODEV, "No such device")
        return real(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", pread)


def test_gaps_are_told_in_one_line(machine, tmp_path):
    machine({"hwmon0/name": "nct6775", "hwmon0/temp1_input": "255000"})

    assert {"sensors.nct6775 temp1": "it says 255 degrees: nothing is connected to it"} == gaps_of(
        Temperatures(tmp_path).read()
    )
