"""Each detector on the windows that it is for, and on those that it must leave alone."""

import pytest
from monitored import reading

from vlog.alerts import Limits, Situation, devices_of
from vlog.alerts.resources import (
    RESOURCE_DETECTORS,
    high_disk,
    high_gpu_memory,
    high_memory,
    high_temperature,
    is_lasting,
    is_over,
    little_room,
    missing,
    throttled,
)
from vlog.resources import Missing


def look(detector, *window, active=(), checkpoint_gb=None, **limits):
    """Return the findings of a detector by subject."""
    situation = Situation(window, Limits(**limits), frozenset(active), checkpoint_gb)
    return {finding.subject: finding for finding in detector(situation)}


def states(findings):
    return {subject: finding.is_on for subject, finding in findings.items()}


def gpu(*devices):
    return {"devices": [{"index": index, **device} for index, device in enumerate(devices)]}


class TestIsOver:
    def test_is_above_the_limit_alone(self):
        assert [False, False, True] == [is_over(value, 90.0, False) for value in (89.9, 90.0, 90.1)]

    def test_stays_over_until_it_is_below_by_the_margin(self):
        assert [True, True, False] == [is_over(value, 90.0, True) for value in (90.1, 89.1, 89.0)]

    def test_is_not_over_for_nan(self):
        assert not is_over(float("nan"), 90.0, False)


class TestIsLasting:
    def lasting(self, states, *, was_on=False, seconds=3):
        window = [reading(taken=float(now), x={"on": state}) for now, state in enumerate(states)]
        return is_lasting(window, seconds, was_on, lambda each: each.values["x"]["on"])

    @pytest.mark.parametrize(
        ("states", "was_on", "expected"),
        [
            ([True] * 4, False, True),  # 3 seconds between the first and the last
            ([True] * 3, False, False),
            ([True] * 3, True, True),
            ([False, True, True, True], False, False),
            ([True, True, False, True, True], False, False),
            ([False] * 4, True, False),
            ([True, False, False, False], True, True),
            ([True, None, None, True], False, True),
            ([None] * 9, True, True),
            ([], False, False),
        ],
    )
    def test_wants_the_same_for_long_enough(self, states, was_on, expected):
        assert expected is self.lasting(states, was_on=was_on)


class TestHighMemory:
    def test_is_above_the_limit(self):
        usual = look(high_memory, reading(memory={"usage_percent": 90.0}))
        full = look(high_memory, reading(memory={"usage_percent": 93.25, "scope": "host"}))

        assert [{None: False}, {None: True}] == [states(usual), states(full)]
        assert "Memory usage is 93.2 % (limit 90 %)" == full[None].message

    def test_says_whose_limit_it_is_and_who_has_the_memory(self):
        found = look(
            high_memory,
            reading(
                memory={"usage_percent": 97.0, "scope": "cgroup"}, children={"memory_gb": 7.0},
                cpu={"usage_percent": 1.0},
            ),
            memory_percent=95.0,
        )[None]  # fmt: skip

        assert "Memory usage is 97.0 % of the control group's limit (limit 95 %)" == found.message
        assert {
            "memory": {"usage_percent": 97.0, "scope": "cgroup"}, "children": {"memory_gb": 7.0},
        } == found.evidence  # fmt: skip

    def test_says_nothing_where_memory_is_not_known(self):
        assert {} == look(high_memory, reading(cpu={}))


class TestHighGpuMemory:
    def test_is_told_of_each_device(self):
        devices = gpu({"memory_usage_percent": 96.0}, {"memory_usage_percent": 50.0}, {})

        assert {"gpu 0": True, "gpu 1": False} == states(
            look(high_gpu_memory, reading(gpu=devices))
        )

    def test_stays_on_until_it_is_below_by_the_margin(self):
        devices = gpu({"memory_usage_percent": 94.5})
        was_on = [("high_gpu_memory_usage", "gpu 0")]

        assert {"gpu 0": True} == states(look(high_gpu_memory, reading(gpu=devices), active=was_on))


class TestDevicesOf:
    def test_names_the_parts_of_a_device(self):
        devices = [{"index": 1, "mig": {"gpu_instance_id": 7}}, {"index": 1}, {}]

        assert ["gpu 1 mig 7", "gpu 1", "gpu 2"] == [
            name for name, _ in devices_of(reading(gpu={"devices": devices}))
        ]


def disk(*systems):
    return {"file_systems": list(systems)}


class TestHighDisk:
    def test_is_told_of_each_file_system(self):
        systems = disk(
            {"mount": "/", "usage_percent": 99.0}, {"mount": "/data", "usage_percent": 95.0}
        )

        assert {"/": True, "/data": False} == states(look(high_disk, reading(disk=systems)))


class TestLittleRoom:
    SYSTEMS = disk(
        {"mount": "/", "holds": ["log"], "free_gb": 1.0},
        {"mount": "/data", "holds": ["output"], "free_gb": 3.0},
    )

    def test_holds_the_output_folder_s_disk_against_the_next_checkpoint(self):
        found = look(little_room, reading(disk=self.SYSTEMS), checkpoint_gb=3.5)

        assert {"/data": True} == states(found)
        assert "The next checkpoint needs 3.5 GB, and /data has 3 GB left" == found["/data"].message
        assert {"/data": False} == states(
            look(little_room, reading(disk=self.SYSTEMS), checkpoint_gb=2.0)
        )

    def test_says_nothing_where_no_checkpoint_is_expected(self):
        assert {} == look(little_room, reading(disk=self.SYSTEMS))


class TestHighTemperature:
    def window(self, *celsius, critical=90.0):
        return [
            reading(
                taken=float(now),
                gpu=gpu({"temperature_celsius": each, "slowdown_temperature_celsius": critical}),
            )
            for now, each in enumerate(celsius)
        ]

    def test_lasts_for_a_while_near_what_the_sensor_calls_critical(self):
        hot, short = [86.0] * 4, [80.0, 86.0, 86.0, 86.0]

        assert [{"gpu 0": True}, {"gpu 0": False}] == [
            states(look(high_temperature, *self.window(*each), after_seconds=3))
            for each in (hot, short)
        ]

    def test_can_be_given_a_limit_for_all_sensors(self):
        assert {"gpu 0": True} == states(
            look(
                high_temperature,
                *self.window(71.0, 72.0, critical=None),
                after_seconds=1,
                temperature_celsius=70.0,
            )
        )

    def test_is_over_when_it_has_been_cool_for_as_long(self):
        was_on = [("high_temperature", "gpu 0")]
        cooler = self.window(86.0, 81.0, 81.0, 81.0, 81.0)
        warm = self.window(86.0, 83.0, 83.0, 83.0, 83.0)  # not below by the margin

        assert [{"gpu 0": False}, {"gpu 0": True}] == [
            states(look(high_temperature, *each, active=was_on, after_seconds=3))
            for each in (cooler, warm)
        ]

    def test_sees_the_sensors_of_the_host(self):
        sensors = {
            "coretemp 0": {"celsius": 99.0, "critical_celsius": 100.0},
            "x": {"celsius": 120.0},
        }
        window = [reading(taken=float(now), temperatures={"sensors": sensors}) for now in range(3)]

        assert {"coretemp 0": True} == states(look(high_temperature, *window, after_seconds=2))


class TestThrottled:
    def window(self, *reasons):
        return [
            reading(taken=float(now), gpu=gpu({"throttle_reasons": each}))
            for now, each in enumerate(reasons)
        ]

    def test_is_held_down_by_heat_for_a_while(self):
        found = look(throttled, *self.window(*[["sw_thermal_slowdown"]] * 3), after_seconds=2)

        assert {"gpu 0": True} == states(found)
        assert "gpu 0 is held down: sw_thermal_slowdown" == found["gpu 0"].message

    def test_is_not_the_power_cap_that_a_device_works_at(self):
        assert {"gpu 0": False} == states(
            look(throttled, *self.window(*[["sw_power_cap"]] * 9), after_seconds=2)
        )

    def test_is_not_for_a_moment(self):
        window = self.window([], ["hw_slowdown"], ["hw_slowdown"], [], ["hw_slowdown"])

        assert {"gpu 0": False} == states(look(throttled, *window, after_seconds=2))


class TestMissing:
    GONE = Missing("it does not answer", "2026-01-10T11:30:00+00:00", is_lost=True)
    ABSENT = Missing("no NVIDIA driver", "2026-01-10T11:30:00+00:00")

    def test_is_what_was_there_before(self):
        found = look(missing, reading(missing={"gpu": self.GONE, "pressure": self.ABSENT}))

        assert {"gpu": True} == states(found)
        assert (
            "No reading of gpu since 2026-01-10T11:30:00+00:00: it does not answer"
            == found["gpu"].message
        )

    def test_is_over_when_it_is_read_again(self):
        was_on = [("resource_missing", "gpu"), ("high_memory_usage", None)]

        assert {"gpu": False} == states(look(missing, reading(), active=was_on))


class TestAll:
    def test_find_nothing_in_a_healthy_reading(self):
        window = [
            reading(
                taken=float(now),
                memory={"usage_percent": 60.0},
                gpu=gpu({"memory_usage_percent": 80.0, "temperature_celsius": 70.0,
                         "slowdown_temperature_celsius": 90.0, "throttle_reasons": []}),
                disk=disk({"mount": "/", "holds": ["output"], "usage_percent": 50.0,
                           "free_gb": 100.0}),
                missing={"temperatures": TestMissing.ABSENT},
            )
            for now in range(20)
        ]  # fmt: skip

        found = [look(detector, *window, checkpoint_gb=1.0) for detector in RESOURCE_DETECTORS]
        assert not any(finding.is_on for each in found for finding in each.values())
