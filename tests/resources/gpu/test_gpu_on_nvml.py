"""The GPU as the real pynvml sees it, with a stand-in for the NVIDIA driver's library.

Each test has a process of its own; the numbers are held against the file that the library reads.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gpu_process import GpuProcess
from nvml_stand_in import DEVICE, GB, MIG_UUIDS, UUIDS, Control, build, environment, two_devices
from processes import wait_for

TESTS = str(Path(__file__).parents[2])
NAMESPACE = "pid:[4026531836]"
TIMEOUT, DRIVER_NOT_LOADED, FUNCTION_NOT_FOUND = 10, 9, 13


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def control(tmp_path):
    return Control(tmp_path / "control")


@pytest.fixture
def watch(library, control):
    """Start processes that read, and end them."""
    started = []

    def start(**options):
        started.append(GpuProcess(library, control, **options))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def root(tmp_path):
    """Make a /proc as on a host, which is not in a container."""
    folder = tmp_path / "root"
    (folder / "proc/self/ns").mkdir(parents=True)
    (folder / "proc/self/ns/pid").symlink_to(NAMESPACE)
    (folder / "proc/meminfo").write_text(
        "MemTotal:       134217728 kB\nMemFree:        10 kB\nMemAvailable:   100663296 kB\n"
    )
    return folder


def devices(reading):
    return reading["values"].get("devices", [])


def has(count, *fields):
    """Return a condition: `count` devices, the first of which has these fields."""

    def condition(reading):
        found = devices(reading)
        return len(found) == count and set(fields) <= set(found[0])

    return condition


def first(process, *fields):
    return devices(process.until(has(1, *fields), f"a device with {fields}"))[0]


def calls(path):
    return path.read_text().splitlines()


class TestFields:
    def test_say_what_the_driver_says(self, watch, control):
        found = first(watch(CUDA_VISIBLE_DEVICES="0"), "nvlink_send_mb_per_second")

        assert {
            "index": 0,
            "cuda_index": 0,
            "name": DEVICE["name"],
            "uuid": UUIDS[0],
            "source": "nvml",
            "utilization_percent": DEVICE["utilization"],
            "memory_usage_percent": 85.0,
            "memory_used_gb": 68.0,  # without the half that the driver reserves
            "memory_total_gb": 80.0,
            "memory_scope": "device",
            "power_watts": 612.35,
            "power_limit_watts": 700.0,
            "energy_joules": 0.0,
            "temperature_celsius": DEVICE["temperature"],
            "memory_temperature_celsius": DEVICE["field82"],
            "slowdown_temperature_celsius": DEVICE["slowdown_temperature"],
            "fan_percent": DEVICE["fan"],
            "sm_clock_mhz": DEVICE["sm_clock"],
            "memory_clock_mhz": DEVICE["memory_clock"],
            "throttle_reasons": [],
            "ecc_corrected": DEVICE["field3"],
            "ecc_uncorrected": DEVICE["field4"],
            "pcie_receive_mb_per_second": 2.0,
            "pcie_send_mb_per_second": 0.5,
            "pcie_replays": DEVICE["field94"],
            "nvlink_receive_mb_per_second": 0.0,
            "nvlink_send_mb_per_second": 0.0,
        } == found

    def test_follow_the_driver(self, watch, control):
        process = watch()
        first_reading = process.until(has(3), "three devices")
        control.set({
            "0.utilization": 12, "0.memory_used": 79 * GB, "0.power_mw": 95_000,
            "0.temperature": 91, "0.sm_clock": 345, "0.memory_clock": 1593,
            "0.field3": 6, "0.field4": 2, "0.field82": 95, "0.field94": 8,
        })  # fmt: skip
        found = devices(process.until(lambda it: devices(it)[0]["pcie_replays"] == 8, "a change"))

        assert {
            "utilization_percent": 12, "memory_usage_percent": 98.75, "memory_used_gb": 79.0,
            "power_watts": 95.0, "temperature_celsius": 91, "sm_clock_mhz": 345,
            "memory_clock_mhz": 1593, "ecc_corrected": 6, "ecc_uncorrected": 2,
            "memory_temperature_celsius": 95, "pcie_replays": 8,
        }.items() <= found[0].items()  # fmt: skip
        assert devices(first_reading)[1]["power_watts"] == found[1]["power_watts"]

    def test_name_the_driver(self, watch):
        assert "580.65.06" == watch().until(has(3), "devices")["values"]["driver_version"]

    def test_are_those_of_the_schema(self, watch):
        from vlog.resources.fit import fit
        from vlog.schema import RESOURCE_USAGE

        reading = watch().until(has(3, "nvlink_send_mb_per_second"), "devices")
        gpu = next(each for each in RESOURCE_USAGE.fields if each.name == "gpu")
        known = {each.name for each in gpu.fields[0].items}

        assert (reading["values"], {}) == fit("gpu", reading["values"])
        assert set() == {name for device in devices(reading) for name in device} - known

    @pytest.mark.parametrize(
        ("bits", "reasons"),
        [
            (0x1, []),
            (0x4, ["sw_power_cap"]),
            (0x20 | 0x1, ["sw_thermal_slowdown"]),
            (0x8 | 0x40, ["hw_slowdown", "hw_thermal_slowdown"]),
            (0x80, ["hw_power_brake_slowdown"]),
        ],
    )
    def test_name_the_reasons_of_throttling(self, watch, control, bits, reasons):
        control.set({"0.throttle": bits})

        assert reasons == first(watch(CUDA_VISIBLE_DEVICES="0"))["throttle_reasons"]

    def test_count_energy_from_the_first_reading_on(self, watch, control):
        process = watch(CUDA_VISIBLE_DEVICES="0")
        assert 0.0 == first(process)["energy_joules"]

        control.set({"0.field83": DEVICE["field83"] + 250_500})
        process.until(lambda it: devices(it)[0]["energy_joules"] == 250.5, "250.5 J")
        control.set({"0.field83": 100, "0.temperature": 65})  # the driver was loaded anew
        process.until(lambda it: devices(it)[0]["temperature_celsius"] == 65, "a low counter")
        control.set({"0.field83": 1100})
        process.until(lambda it: devices(it)[0]["energy_joules"] == 251.5, "251.5 J")

    def test_rate_what_the_links_carry(self, watch, control):
        process = watch(interval=0.1, CUDA_VISIBLE_DEVICES="0")
        first(process, "nvlink_send_mb_per_second")
        control.set({
            "0.field138": DEVICE["field138"] + 300 * 1024,
            "0.field139": DEVICE["field139"] + 600 * 1024,
        })  # fmt: skip
        reading = process.until(
            lambda it: devices(it)[0]["nvlink_send_mb_per_second"] > 0, "something sent"
        )
        found = devices(reading)[0]
        sent, received = found["nvlink_send_mb_per_second"], found["nvlink_receive_mb_per_second"]

        assert 0 < sent <= 3000.001  # 300 MB, at least 0.1 s apart
        assert 2 * sent == pytest.approx(received, abs=0.01)

    def test_leave_out_links_that_are_not_in_use(self, watch, control):
        control.set({"0.nvlink1": 0})
        process = watch(CUDA_VISIBLE_DEVICES="0")
        first(process)
        process.next()
        process.next()

        assert not [name for name in devices(process.next())[0] if name.startswith("nvlink")]


class TestOwnMemory:
    def test_is_what_the_driver_counts_for_this_process(self, watch, control, root):
        process = watch(root=root, CUDA_VISIBLE_DEVICES="0")
        reading = process.until(has(1), "a device")
        assert "process_memory_gb" not in devices(reading)[0]
        assert {} == reading["gaps"]

        control.set({"0.processes": f"1:{GB} {process.pid}:{3 * GB} {process.pid}:{GB // 2}"})
        assert 3.5 == first(process, "process_memory_gb")["process_memory_gb"]

    def test_is_a_gap_where_the_driver_does_not_say(self, watch, control, root):
        process = watch(root=root, CUDA_VISIBLE_DEVICES="0")
        control.set({"0.processes": f"{process.pid}:{2**64 - 1}"})
        reading = process.until(lambda it: it["gaps"], "a gap")

        assert ["devices[0].process_memory_gb"] == list(reading["gaps"])
        assert "Unavailable" == reading["gaps"]["devices[0].process_memory_gb"][0]

    def test_is_a_gap_in_a_container(self, watch, control, root):
        """There the number of this process may be another one's on the host."""
        (root / "proc/self/ns/pid").unlink()
        (root / "proc/self/ns/pid").symlink_to("pid:[4026532201]")
        process = watch(root=root, CUDA_VISIBLE_DEVICES="0")
        control.set({"0.processes": f"{process.pid}:{GB}"})
        reading = process.until(has(1), "a device")

        assert "process_memory_gb" not in devices(reading)[0]
        assert [
            "Unavailable",
            "in a container the driver's process numbers are not this process's",
        ] == reading["gaps"]["devices[0].process_memory_gb"]

    @pytest.mark.skipif(
        not shutil.which("unshare") or os.geteuid() != 0,
        reason="making a namespace of process numbers takes root and `unshare`",
    )
    def test_knows_a_real_container(self):
        script = (
            "from vlog.resources.gpu.host_pid import host_pid\n"
            "from vlog.resources.files import ROOT\n"
            "host_pid(ROOT)"
        )
        command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "unshare" in done.stderr:
            pytest.skip(f"no namespaces here: {done.stderr}")

        assert "Unavailable: in a container" in done.stderr


class TestFailingField:
    def test_costs_nobody_else_anything(self, watch, control):
        control.fail(0, "nvmlDeviceGetPowerUsage", TIMEOUT)
        control.fail(0, "field82", 999)
        control.fail(0, "nvmlDeviceGetUtilizationRates", 2)
        reading = watch().until(has(3, "nvlink_send_mb_per_second"), "three devices")

        gaps = {name: kind for name, (kind, _) in reading["gaps"].items()}
        assert {
            "devices[0].power_watts": "NvmlFault",
            "devices[0].memory_temperature_celsius": "NvmlFault",
            "devices[0].utilization_percent": "Stale",
            "devices[1/3/0].utilization_percent": "Unsupported",
            "devices[1/4/0].utilization_percent": "Unsupported",
        } == gaps
        assert "nvmlDeviceGetPowerUsage: Timeout" == reading["gaps"]["devices[0].power_watts"][1]
        assert 64 == devices(reading)[0]["temperature_celsius"]
        assert 612.35 == devices(reading)[1]["power_watts"]

    def test_is_asked_again_at_the_next_reading(self, watch, control):
        control.fail(0, "nvmlDeviceGetPowerUsage", TIMEOUT)
        process = watch(CUDA_VISIBLE_DEVICES="0")
        process.until(lambda it: "devices[0].power_watts" in it["gaps"], "a gap")
        control.fail(0, "nvmlDeviceGetPowerUsage", None)

        assert 612.35 == first(process, "power_watts")["power_watts"]

    def test_is_left_alone_for_a_minute_where_it_is_not_supported(self, watch, control, tmp_path):
        """So are a counter among others, and the gap stays told."""
        control.set({"0.fan": None, "0.field4": None, "0.power_mw": None})
        process = watch(
            CUDA_VISIBLE_DEVICES="0", NVML_STAND_IN_CALLS=str(tmp_path / "calls")
        )  # fmt: skip
        process.until(has(1), "a device")
        for _ in range(10):
            reading = process.next()

        assert {
            "devices[0].fan_percent", "devices[0].ecc_uncorrected", "devices[0].power_watts",
        } == set(reading["gaps"]) - {"devices[0].process_memory_gb"}  # fmt: skip
        made = calls(tmp_path / "calls")
        assert 1 == made.count("nvmlDeviceGetPowerUsage 0.")
        assert 1 == made.count("field 0.field4")
        assert made.count("field 0.field3") > 3

    def test_is_read_by_an_older_name_where_the_driver_has_no_other(self, watch, control, root):
        for function in (
            "nvmlDeviceGetMemoryInfo_v2",
            "nvmlDeviceGetCurrentClocksEventReasons",
            "nvmlDeviceGetTemperatureV",
            "nvmlDeviceGetComputeRunningProcesses_v3",
        ):
            control.fail(0, function, FUNCTION_NOT_FOUND)
        control.set({"0.throttle": 4})
        process = watch(root=root, CUDA_VISIBLE_DEVICES="0")
        control.set({"0.processes": f"{process.pid}:{GB}"})
        found = first(process, "process_memory_gb")

        assert {
            "memory_used_gb": 68.5,  # that version counts what is reserved
            "throttle_reasons": ["sw_power_cap"],
            "temperature_celsius": 64,
            "process_memory_gb": 1.0,
        }.items() <= found.items()

    def test_of_a_part_is_read_by_an_older_name_too(self, watch, control):
        control.fail("1.mig0", "nvmlDeviceGetMemoryInfo_v2", FUNCTION_NOT_FOUND)

        assert 5.0 == first(watch(CUDA_VISIBLE_DEVICES=MIG_UUIDS[0]))["memory_used_gb"]

    def test_is_asked_for_seldom_where_it_is_steady_or_slow(self, watch, tmp_path):
        """The second reading comes soon, however long the interval is."""
        log = tmp_path / "calls"
        watch(interval=600, CUDA_VISIBLE_DEVICES="0", NVML_STAND_IN_CALLS=str(log))
        counted = "nvmlDeviceGetFieldValues 0."  # the last call of a reading; once more for links
        wait_for(lambda: log.exists() and calls(log).count(counted) == 3, "two readings")
        made = calls(log)

        assert 2 == made.count("nvmlDeviceGetUtilizationRates 0.")
        assert 1 == made.count("nvmlDeviceGetEnforcedPowerLimit 0.")
        assert 1 == made.count("nvmlDeviceGetTemperatureThreshold 0.")
        assert 1 == made.count("nvmlDeviceGetFanSpeed 0.")
        assert 2 == made.count("nvmlDeviceGetPcieThroughput 0.")  # in and out


class TestMemory:
    def test_of_a_part_is_its_own(self, watch, control):
        control.set({"1.mig1.memory_used": 19 * GB})
        found = devices(watch(CUDA_VISIBLE_DEVICES=",".join(MIG_UUIDS)).until(has(2), "parts"))

        assert [(25.0, 5.0, 20.0, "mig"), (95.0, 19.0, 20.0, "mig")] == [
            tuple(
                each[f"memory_{name}"] for name in ("usage_percent", "used_gb", "total_gb", "scope")
            )
            for each in found
        ]
        assert [1, 1] == [each["index"] for each in found]
        assert [0, 1] == [each["cuda_index"] for each in found]
        assert list(MIG_UUIDS) == [each["uuid"] for each in found]
        assert [
            {"gpu_instance_id": 3, "compute_instance_id": 0},
            {"gpu_instance_id": 4, "compute_instance_id": 0},
        ] == [each["mig"] for each in found]
        assert [612.35, 612.35] == [each["power_watts"] for each in found]

    @pytest.mark.parametrize("total", [None, 0])
    def test_is_the_hosts_where_a_device_has_none(self, watch, control, root, total):
        control.set({"0.memory_total": total, "0.memory_used": 0, "0.memory_reserved": 0})
        found = first(watch(root=root, CUDA_VISIBLE_DEVICES="0"))

        assert {
            "memory_usage_percent": 25.0,
            "memory_used_gb": 32.0,
            "memory_total_gb": 128.0,
            "memory_scope": "unified",
        }.items() <= found.items()

    def test_may_be_kept_from_this_user(self, watch, control):
        control.fail(0, "nvmlDeviceGetMemoryInfo_v2", 4)
        reading = watch(CUDA_VISIBLE_DEVICES="0").until(has(1), "a device")

        assert "memory_scope" not in devices(reading)[0]
        assert "Unsupported" == reading["gaps"]["devices[0].memory_usage_percent"][0]


class TestWhichDevices:
    @pytest.mark.parametrize(
        ("visible", "expected"),
        [
            ("0", [UUIDS[0]]),
            ("1", list(MIG_UUIDS)),
            ("1,0", [*MIG_UUIDS, UUIDS[0]]),
            (UUIDS[0], [UUIDS[0]]),
            ("GPU-111", [UUIDS[0]]),
            (MIG_UUIDS[1], [MIG_UUIDS[1]]),
            (f"MIG-{UUIDS[1]}/3/0", [MIG_UUIDS[0]]),
        ],
    )
    def test_are_those_that_the_environment_names(self, watch, visible, expected):
        process = watch(CUDA_VISIBLE_DEVICES=visible)
        reading = process.until(has(len(expected)), visible)

        assert expected == [each["uuid"] for each in devices(reading)]

    @pytest.mark.parametrize("visible", ["", "-1", "GPU-9", "7"])
    def test_may_be_none(self, watch, visible):
        reading = watch(CUDA_VISIBLE_DEVICES=visible).until(lambda it: it["gaps"], "nothing")

        assert {} == reading["values"]
        assert [
            "Unavailable",
            f"none of 2 devices for this process: CUDA_VISIBLE_DEVICES={visible}",
        ] == reading["gaps"][""]

    def test_follow_torch_when_it_has_begun(self, watch, control):
        """It numbers them in another order; of those that it sees it uses one."""
        control.set({"1.migs": None, "1.utilization": 55, "1.name": "another product"})
        process = watch()
        process.until(has(2), "two devices")
        process.tell(
            "sys.path.insert(0, " + repr(TESTS) + ")\n"
            "from torch_stand_in import Torch\n"
            f"torch = Torch([({UUIDS[1]!r}, 0), ({UUIDS[0]!r}, 6 * 2**30)])\n"
            "sys.modules['torch'] = torch"
        )
        reading = process.until(has(1, "allocator"), "one device")
        found = devices(reading)[0]

        assert (UUIDS[0], 0, 1) == (found["uuid"], found["index"], found["cuda_index"])
        assert 6.0 == found["allocator"]["reserved_gb"]
        process.tell("torch.reserved[0] = 2**30")
        found = devices(process.until(has(2, "allocator"), "both"))
        assert [(1, 0, 1.0), (0, 1, 6.0)] == [
            (each["index"], each["cuda_index"], each["allocator"]["reserved_gb"]) for each in found
        ]
        assert [] == [name for name in process.stop()[0] if name.startswith("vlog")]


class TestHangingCall:
    def test_holds_up_only_its_own_device(self, watch, control):
        control.set({"1.migs": None, "1.utilization": 55})
        process = watch()
        process.until(has(2), "two devices")
        control.hang(1, "nvmlDeviceGetUtilizationRates", 30)
        reading = process.until(lambda it: "devices[1]" in it["gaps"], "a gap")

        assert ["Lost", "it does not answer"] == reading["gaps"]["devices[1]"]
        assert [0] == [each["index"] for each in devices(reading)]
        with_age = [
            each["age_seconds"]
            for past in process.readings
            for each in devices(past)
            if "age_seconds" in each and each["index"] == 1
        ]
        assert max(with_age) > 2  # it says so until nobody would believe it any more
        control.set({"0.temperature": 77})
        process.until(lambda it: devices(it)[0]["temperature_celsius"] == 77, "the other goes on")

    def test_does_not_keep_the_process(self, watch, control):
        control.hang(0, "nvmlDeviceGetPowerUsage", 30)
        process = watch()
        process.until(has(2), "two parts of the other device")
        threads, code = process.stop()

        assert ["vlog-monitor-gpu-0"] == [name for name in threads if name.startswith("vlog")]
        assert 0 == code

    def test_may_be_the_one_that_finds_a_device(self, watch, control):
        """The devices before it are read meanwhile."""
        control.hang(1, "nvmlDeviceGetName", 30)
        process = watch()
        process.until(has(1, "nvlink_send_mb_per_second"), "the first device")
        control.set({"0.temperature": 79})
        found = process.until(lambda it: devices(it)[0]["temperature_celsius"] == 79, "a change")

        assert [0] == [each["index"] for each in devices(found)]

    def test_does_not_keep_the_others_from_a_library_that_was_shut_down(self, watch, control):
        process = watch()
        process.until(has(3), "devices")
        control.hang(0, "nvmlDeviceGetPowerUsage", 30)
        process.until(lambda it: "age_seconds" in devices(it)[0], "a hanging call")
        process.tell("import pynvml; pynvml.nvmlShutdown()")
        control.set({"1.temperature": 80})

        process.until(lambda it: devices(it)[-1]["temperature_celsius"] == 80, "a change")


class TestLostDevice:
    def test_becomes_a_gap_and_the_other_goes_on(self, watch, control):
        control.set({"1.migs": None, "1.utilization": 55})
        process = watch()
        process.until(has(2), "two devices")
        control.lose(1)
        reading = process.until(lambda it: "devices[1]" in it["gaps"], "a gap")

        assert "Lost" == reading["gaps"]["devices[1]"][0]
        assert "GPU is lost" in reading["gaps"]["devices[1]"][1]
        assert [0] == [each["index"] for each in devices(reading)]
        control.set({"0.temperature": 78})
        reading = process.until(
            lambda it: devices(it)[0]["temperature_celsius"] == 78, "the other goes on"
        )
        assert "devices[1]" in reading["gaps"]

    def test_is_nobodys_concern_who_does_not_use_it(self, watch, control):
        process = watch(CUDA_VISIBLE_DEVICES="0")
        first(process)
        control.lose(1)
        for _ in range(20):  # they are listed anew meanwhile
            reading = process.next()

        assert {} == reading["gaps"]

    def test_is_noticed_by_any_call(self, watch, control):
        process = watch(CUDA_VISIBLE_DEVICES="0")
        first(process)
        control.fail(0, "nvmlDeviceGetFieldValues", 15)
        reading = process.until(lambda it: it["gaps"], "a gap")

        assert {"devices[0]": ["Lost", "nvmlDeviceGetFieldValues: GPU is lost"]} == reading["gaps"]

    def test_keeps_its_number_when_the_driver_counts_anew(self, watch, control):
        """The library lists one device less; the second one is the first then."""
        control.set({"1.migs": None, "1.utilization": 55})
        process = watch()
        process.until(has(2), "two devices")
        keys = {
            name.replace("1.", "0.", 1): value
            for name, value in control.keys.items()
            if name.startswith("1.")
        }
        control.set({**keys, "devices": 1})
        process.tell("import pynvml; pynvml.nvmlShutdown()")
        process.until(lambda it: "devices[0]" in it["gaps"], "a gap")
        for _ in range(20):  # they are listed anew meanwhile
            reading = process.next()

        assert ["Lost", f"{UUIDS[0]} is not there any more"] == reading["gaps"]["devices[0]"]
        assert [(1, 55)] == [
            (each["index"], each["utilization_percent"]) for each in devices(reading)
        ]

    def test_comes_back(self, watch, control):
        process = watch(CUDA_VISIBLE_DEVICES="0")
        process.until(has(1), "a device")
        process.tell("import vlog.resources.gpu.nvml_device as it; it.LOST_SECONDS = 0.1")
        control.lose(0)
        process.until(lambda it: "devices[0]" in it["gaps"], "a gap")
        control.find(0)

        assert 64 == first(process)["temperature_celsius"]


class TestLateDriver:
    def test_is_found_when_it_comes(self, watch, control):
        control.set({"init_error": DRIVER_NOT_LOADED})
        process = watch()
        reading = process.until(lambda it: it["gaps"], "no driver")
        assert ["Unavailable", "no NVIDIA driver: Driver Not Loaded"] == reading["gaps"][""]

        control.set({"init_error": None, "devices": 0})
        reading = process.until(lambda it: "none of" in it["gaps"].get("", ["", ""])[1], "a driver")
        control.set({"devices": 2})
        assert 64 == devices(process.until(has(3), "devices"))[0]["temperature_celsius"]

    def test_may_be_installed_meanwhile(self, control, library, tmp_path):
        folder = tmp_path / "late"
        folder.mkdir()
        process = GpuProcess(folder / library.name, control)
        try:
            reading = process.until(lambda it: it["gaps"], "no library")
            assert reading["gaps"][""][1].startswith("no NVIDIA driver: libnvidia-ml.so.1")
            shutil.copy(library, folder / library.name)
            process.until(has(3), "devices")
        finally:
            process.kill()

    def test_that_fails_otherwise_is_a_fault(self, watch, control):
        control.set({"init_error": 999})
        reading = watch().until(lambda it: it["gaps"], "a fault")

        assert ["NvmlFault", "nvmlInit: Unknown Error"] == reading["gaps"][""]


class TestOthersInTheProcess:
    def test_may_shut_the_library_down(self, watch, control, tmp_path):
        process = watch(retry=30, NVML_STAND_IN_CALLS=str(tmp_path / "calls"))
        process.until(has(3), "devices")
        process.tell("import pynvml; pynvml.nvmlShutdown()")
        control.set({"0.temperature": 70, "1.temperature": 71})
        reading = process.until(
            lambda it: [70, 71, 71] == [each["temperature_celsius"] for each in devices(it)],
            "new temperatures",
        )

        assert not any(kind in ("Down", "Stale") for kind, _ in reading["gaps"].values())
        assert 2 == calls(tmp_path / "calls").count("nvmlInitWithFlags ")

    def test_may_shut_it_down_and_initialise_it_again(self, watch, control):
        process = watch()
        process.until(has(3), "devices")
        for _ in range(5):
            process.tell("import pynvml; pynvml.nvmlShutdown(); pynvml.nvmlInit()")
        control.set({"0.temperature": 70, "1.temperature": 71})
        process.until(
            lambda it: [70, 71, 71] == [each["temperature_celsius"] for each in devices(it)],
            "new temperatures",
        )

    def test_keep_it_when_the_source_is_closed(self, watch, tmp_path):
        process = watch(NVML_STAND_IN_CALLS=str(tmp_path / "calls"))
        process.until(has(3), "devices")
        process.tell("import pynvml; pynvml.nvmlInit()")
        process.tell("import atexit; atexit.register(lambda: print(pynvml.nvmlDeviceGetCount()))")
        threads, code = process.stop()

        assert [] == [name for name in threads if name.startswith("vlog")]
        assert 0 == code
        made = calls(tmp_path / "calls")
        assert (2, 1) == (made.count("nvmlInitWithFlags "), made.count("nvmlShutdown "))
        assert "nvmlDeviceGetCount_v2 " == made[-1]

    def test_find_it_shut_down_when_nobody_needs_it(self, watch, tmp_path):
        process = watch(NVML_STAND_IN_CALLS=str(tmp_path / "calls"))
        process.until(has(3), "devices")
        process.stop()
        made = calls(tmp_path / "calls")

        assert (1, 1) == (made.count("nvmlInitWithFlags "), made.count("nvmlShutdown "))
        assert "nvmlShutdown " == made[-1]


class TestStandIn:
    def test_can_be_loaded_into_a_process(self, library, control):
        script = (
            "import os, sys, nvml_stand_in\n"
            "nvml_stand_in.load(sys.argv[1])\n"
            "import pynvml\n"
            "pynvml.nvmlInit()\n"
            "print(pynvml.nvmlDeviceGetCount())"
        )
        variables = {**os.environ, "NVML_STAND_IN": str(control.path)}
        variables["PYTHONPATH"] = TESTS
        command = [sys.executable, "-c", script, library]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

        assert ("2\n", "") == (done.stdout, done.stderr)

    def test_is_as_the_tests_want_it(self, control):
        assert two_devices() == control.keys
        assert "LD_LIBRARY_PATH" in environment(control.path, control)
