"""What the monitor sees, as people read it: every value with its unit, what is missing with why."""

import json

import pytest
from monitored import reading

from vlog.cli.screen import Screen
from vlog.cli.system_view import print_reading
from vlog.resources import Missing


@pytest.fixture
def shown(capsys):
    def show(*args, **sections):
        print_reading(Screen(), reading(*args, **sections))
        return capsys.readouterr().out

    return show


class TestPrintReading:
    def test_has_each_value_with_its_unit(self, shown):
        out = shown(
            memory={"usage_percent": 68.2, "used_gb": 10.9, "scope": "host"},
            disk={"file_systems": [{"mount": "/data", "holds": ["log", "output"]}]},
            gpu={"devices": [{"index": 3, "power_watts": 412.5, "throttle_reasons": []}]},
            cpu={"per_core_percent": [1.0, 2.0]},
        )
        lines = [" ".join(line.split()) for line in out.splitlines()]

        for line in (
            "usage 68.2 %", "used 10.90 GB", "scope host", "mount /data", "holds log, output",
            "index 3", "power 412.5 W", "throttle reasons none", "per core 1.0 %, 2.0 %",
        ):  # fmt: skip
            assert line in lines
        assert "everything is seen" in out

    def test_tells_two_amounts_of_one_thing_apart(self, shown):
        out = shown(process={"memory_gb": 0.5, "memory_percent": 2.0, "threads": 3})

        assert ["memory gb", "memory percent", "threads"] == [
            line.strip().rpartition("  ")[0].strip() for line in out.splitlines()[2:5]
        ]

    def test_says_what_is_missing_and_why(self, shown):
        missing = {"gpu": Missing("no NVIDIA driver", "2026-01-10T11:30:00+00:00")}

        assert "gpu  no NVIDIA driver" in shown(1, 0.0, missing, cpu={})

    def test_shows_sections_that_it_does_not_know(self, shown):
        assert "mine" in shown(mine={"answer": 42})


class TestCommand:
    def test_shows_this_machine(self, vlog):
        done = vlog("system", "--json")
        found = json.loads(done.stdout)

        assert (0, "") == (done.returncode, done.stderr)
        assert {"cpu", "memory", "process", "disk", "children"} <= set(found["resource_usage"])
        assert {"usage_percent", "scope"} <= set(found["resource_usage"]["memory"])
        assert "usage_percent" in found["resource_usage"]["cpu"]
        for what in found["missing"].values():
            assert what["why"]

    def test_fits_a_terminal_of_80_columns(self, terminal):
        drawn, _ = terminal("system")

        assert "usable cores" in drawn
        assert max(map(len, drawn.splitlines())) <= 80
