"""A training on a GPU that is throttled, hot, full, and gone: each is told once, and its end once.

The driver is a stand-in; the real pynvml reads it, the other device stays well all the time.
"""

import pytest
from nvml_stand_in import GB, Control, build, environment
from processes import train_in
from trainers import of_type

SCRIPT = """
from nvml_stand_in import GB, Control
from processes import text_of, wait_for
from vlog.resources import sampler

sampler._RETRY_SECONDS = 0.2
sampler._SHORTEST_PATIENCE_SECONDS = 0.5
control = Control(os.environ["NVML_STAND_IN"])
control.set({"1.migs": None})

def logged(alert, kind):
    lines = text_of("log.jsonl").splitlines()
    return any(f'"{alert}"' in line and f'"{kind}"' in line for line in lines)

def change(alert, kind, **keys):
    def act():
        control.set({name.replace("_", ".", 1): value for name, value in keys.items()})
        wait_for(lambda: logged(alert, kind), f"{kind} {alert}")
    return act

RAISED, OVER = "resource_warning", "alert_resolved"
HEAT = 0x40  # nvmlClocksThrottleReasonHwThermalSlowdown
CAP = 0x4    # nvmlClocksThrottleReasonSwPowerCap
acts = {
    20: lambda: control.set({"0.throttle": CAP, "0.power_mw": 700_000}),  # full load: no alert
    30: change("gpu_throttled", RAISED, d0_throttle=HEAT),
    40: change("gpu_throttled", OVER, d0_throttle=CAP),
    50: change("high_temperature", RAISED, d0_temperature=90),
    60: change("high_temperature", OVER, d0_temperature=70),
    70: change("high_gpu_memory_usage", RAISED, d0_memory_used=79 * GB),
    80: change("high_gpu_memory_usage", OVER, d0_memory_used=60 * GB),
    90: change("resource_missing", RAISED, d0_lost=1),
    100: change("resource_missing", OVER, d0_lost=None),
}

class Trouble(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        acts.get(state.global_step, lambda: None)()

callback = VerboseLoggingCallback(
    "high", "log.jsonl", reading_interval_seconds=0.05, alert_after_seconds=0.4, console=False,
    slow_step_alert_factor=1e6, overhead_budget_percent=0,
)
make_trainer([callback, Trouble()], max_steps=120).train()
""".replace('name.replace("_", ".", 1)', 'name[1:].replace("_", ".", 1)')


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    home = tmp_path_factory.mktemp("gpu")
    library, control = build(home / "nvml"), Control(home / "control")
    variables = environment(library, control)
    variables["CUDA_VISIBLE_DEVICES"] = "0,1"
    return train_in(home, SCRIPT, **variables)


def test_each_trouble_is_told_once_and_its_end_once(entries):
    told = of_type(entries, "resource_warning", "performance_anomaly", "alert_resolved")

    assert [
        ("gpu_throttled", "gpu 0", "resource_warning", 30),
        ("gpu_throttled", "gpu 0", "alert_resolved", 40),
        ("high_temperature", "gpu 0", "resource_warning", 50),
        ("high_temperature", "gpu 0", "alert_resolved", 60),
        ("high_gpu_memory_usage", "gpu 0", "resource_warning", 70),
        ("high_gpu_memory_usage", "gpu 0", "alert_resolved", 80),
        ("resource_missing", "gpu.devices[0]", "resource_warning", 90),
        ("resource_missing", "gpu.devices[0]", "alert_resolved", 100),
    ] == [(each["alert"], each["subject"], each["type"], each["step"]) for each in told]


def test_the_evidence_is_the_device_s(entries):
    throttled, hot, full, gone = of_type(entries, "resource_warning")

    assert ["hw_thermal_slowdown"] == throttled["evidence"]["device"]["throttle_reasons"]
    assert (90, 87) == (hot["value"], hot["threshold"])
    assert full["value"] > 95
    assert "lost" in gone["evidence"]["why"].lower()


def test_the_other_device_is_read_all_the_time(entries):
    readings = [
        entry["resource_usage"]["gpu"]["devices"]
        for entry in entries
        if "gpu" in entry.get("resource_usage", {})
    ]

    assert len(readings) > 80
    assert all(any(device["index"] == 1 for device in devices) for devices in readings)
    assert any(all(device["index"] != 0 for device in devices) for devices in readings)
    last = {device["index"]: device for device in readings[-1]}
    assert 75.0 == last[0]["memory_usage_percent"]
    assert last[1]["memory_total_gb"] == 80 * GB / 2**30


def test_the_trend_follows_the_fullest_device(entries):
    last = of_type(entries, "training_step_complete")[-1]
    fullest = max(
        device["memory_usage_percent"] for device in last["resource_usage"]["gpu"]["devices"]
    )

    assert fullest == last["trends"]["gpu_memory_usage_trend"]["current"]
