"""What is measured of the machine under a run, and what of it is written."""

import pytest
from monitored import Fixed

from vlog.machine import Machine
from vlog.settings import Settings
from vlog.verbosity import Verbosity


@pytest.fixture
def make_machine(clock):
    def make(verbosity=Verbosity.HIGH, sources=None):
        return Machine(Settings(verbosity), clock, sources, lambda *_: None)

    return make


class TestMachine:
    @pytest.mark.parametrize(
        ("verbosity", "is_written"), [(Verbosity.HIGH, False), (Verbosity.ULTRA, True)]
    )
    def test_writes_temperatures_at_ultra_alone_and_watches_them_always(
        self, make_machine, verbosity, is_written
    ):
        sources = [Fixed("temperatures", {"max_celsius": 50.0})]
        reading = make_machine(verbosity, sources).monitor.measure()

        assert 50.0 == reading.values["temperatures"]["max_celsius"]
        assert is_written is (b"temperatures" in reading.json)

    def test_measures_the_disks_that_it_is_told_of(self, make_machine, tmp_path):
        machine = make_machine()
        machine.watch_disk("log", tmp_path / "log.jsonl")
        machine.watch_disk("output", None)
        disk = next(each.source for each in machine.monitor._samplers if each.source.name == "disk")
        (system,) = disk.read().values["file_systems"]

        assert ["log"] == list(system["holds"])
