"""Each detector on the windows that it is for, and on those that it must leave alone."""

from monitored import reading

from vlog.alerts import Limits, Situation, find_resource_alerts, little_room
from vlog.alerts.resources import (
    devices_of,
    high_disk,
    high_gpu_memory,
    high_memory,
    high_temperature,
    missing,
    throttled,
)
from vlog.resources import Missing


def look(detector, newest, *, active=(), checkpoint_gb=None, **limits):
    """Return the findings of a detector by subject."""
    situation = Situation(newest, Limits(**limits), frozenset(active), checkpoint_gb)
    return {finding.subject: finding for finding in detector(situation)}


def states(findings):
    return {subject: finding.is_on for subject, finding in findings.items()}


def gpu(*devices):
    return {"devices": [{"index": index, **device} for index, device in enumerate(devices)]}


class TestIsOver:
    def is_over(self, value, *active):
        situation = Situation(reading(), Limits(), frozenset(active))
        return situation.is_over("alert", "subject", value, 90.0, 1.0)

    def test_is_above_the_limit_alone(self):
        assert [False, False, True] == [self.is_over(value) for value in (89.9, 90.0, 90.1)]

    def test_stays_over_until_it_is_below_by_the_margin(self):
        was_on = ("alert", "subject")

        assert [True, True, False] == [self.is_over(value, was_on) for value in (90.1, 89.1, 89.0)]

    def test_takes_no_notice_of_other_subjects(self):
        assert not self.is_over(89.5, ("alert", "another"))

    def test_is_not_over_for_nan(self):
        assert not self.is_over(float("nan"))


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

    def test_is_not_over_while_the_room_is_just_enough(self):
        was_on = [("no_room_for_checkpoint", "/data")]

        assert [{"/data": True}, {"/data": False}] == [
            states(
                look(little_room, reading(disk=self.SYSTEMS), active=was_on, checkpoint_gb=needed)
            )
            for needed in (2.9, 2.7)
        ]


class TestHighTemperature:
    def reading(self, celsius, critical=90.0):
        device = {"temperature_celsius": celsius}
        if critical is not None:
            device["slowdown_temperature_celsius"] = critical
        return reading(gpu=gpu(device))

    def test_is_near_what_the_sensor_calls_critical_and_must_last(self):
        hot, warm = (look(high_temperature, self.reading(each)) for each in (85.1, 85.0))

        assert [{"gpu 0": True}, {"gpu 0": False}] == [states(hot), states(warm)]
        assert hot["gpu 0"].must_last
        assert "gpu 0 is at 85 °C (limit 85 °C)" == hot["gpu 0"].message

    def test_can_be_given_a_limit_for_all_sensors(self):
        found = look(high_temperature, self.reading(71.0, None), temperature_celsius=70.0)

        assert {"gpu 0": True} == states(found)
        assert {} == look(high_temperature, self.reading(71.0, None))

    def test_is_over_when_it_is_below_by_the_margin(self):
        was_on = [("high_temperature", "gpu 0")]

        assert [{"gpu 0": False}, {"gpu 0": True}] == [
            states(look(high_temperature, self.reading(each), active=was_on))
            for each in (82.0, 82.1)
        ]

    def test_sees_the_sensors_of_the_host(self):
        sensors = {
            "coretemp 0": {"celsius": 99.0, "critical_celsius": 100.0},
            "x": {"celsius": 120.0},
        }

        assert {"coretemp 0": True} == states(
            look(high_temperature, reading(temperatures={"sensors": sensors}))
        )


class TestThrottled:
    def look(self, *reasons):
        return look(throttled, reading(gpu=gpu({"throttle_reasons": list(reasons)})))

    def test_is_held_down_by_heat_and_must_last(self):
        found = self.look("sw_thermal_slowdown", "sw_power_cap")["gpu 0"]

        assert (True, True) == (found.is_on, found.must_last)
        assert "gpu 0 is held down: sw_thermal_slowdown, sw_power_cap" == found.message

    def test_is_not_the_power_cap_that_a_device_works_at(self):
        assert [{"gpu 0": False}] * 2 == [states(self.look("sw_power_cap")), states(self.look())]


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
        was_on = [("resource_missing", "gpu")]
        (found,) = find_resource_alerts(Situation(reading(), Limits(), frozenset(was_on)))

        assert ("resource_missing", "gpu", False, False) == (
            found.alert, found.subject, found.is_on, found.must_last
        )  # fmt: skip


class TestFindResourceAlerts:
    def find(self, newest, *active):
        return list(find_resource_alerts(Situation(newest, Limits(), frozenset(active))))

    def test_finds_nothing_in_a_healthy_reading(self):
        newest = reading(
            memory={"usage_percent": 60.0},
            gpu=gpu({"memory_usage_percent": 80.0, "temperature_celsius": 70.0,
                     "slowdown_temperature_celsius": 90.0, "throttle_reasons": []}),
            disk=disk({"mount": "/", "holds": ["output"], "usage_percent": 50.0,
                       "free_gb": 100.0}),
            missing={"temperatures": TestMissing.ABSENT},
        )  # fmt: skip
        found = self.find(newest)

        assert 5 == len(found)
        assert not any(finding.is_on for finding in found)

    def test_ends_the_alerts_whose_subject_is_not_seen_any_more_after_a_while(self):
        gone = [("gpu_throttled", "gpu 0"), ("high_disk_usage", "/mnt/a")]
        others = [("slow_steps", None), ("no_room_for_checkpoint", "/mnt/a")]
        found = self.find(reading(), *gone, *others)

        assert gone == [(finding.alert, finding.subject) for finding in found]
        assert {(False, True)} == {(finding.is_on, finding.must_last) for finding in found}
