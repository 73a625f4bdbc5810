"""In a real control group with a limit, percentages are of the limit, and so is the alert.

A group of 2 GB, and a child of the training that takes nearly all of it.
"""

import pytest
from cgroups import in_groups, limited_memory
from processes import train_in
from trainers import of_type

MB = 2**20
LIMIT = 2048 * MB
SIZE = 1600 * MB
ALERTS = ("resource_warning", "alert_resolved")

BALLOON = """
import time
class Balloon(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 20:
            self.child = subprocess.Popen(
                [sys.executable, "-c", "import sys; b = bytearray(b'1') * %d; sys.stdin.read()"],
                stdin=subprocess.PIPE,
            )
            wait_for(lambda: '"high_memory_usage"' in text_of("log.jsonl"), "the alert")
        if state.global_step == 30:
            self.child.communicate()
            wait_for(lambda: "alert_resolved" in text_of("log.jsonl"), "its end")
            wait_for(lambda: self.usage()["children"]["count"] == 0, "no child")
    def usage(self):
        return callback._get_current_resource_usage()

import subprocess
from processes import text_of, wait_for
from vlog.resources.children import Children
Children.pace_seconds = 0.1
callback = VerboseLoggingCallback(
    "high", "log.jsonl", reading_interval_seconds=0.1, overhead_budget_percent=0, console=False
)
make_trainer([callback, Balloon()], max_steps=40).train()
"""


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    home = tmp_path_factory.mktemp("container")
    with limited_memory(LIMIT) as group:
        return train_in(home, BALLOON % SIZE, lambda *command: in_groups([group], *command))


def test_a_balloon_raises_one_alert_which_ends_when_it_bursts(entries):
    alert, resolved = of_type(entries, *ALERTS)

    assert ["high_memory_usage"] * 2 == [alert["alert"], resolved["alert"]]
    assert list(ALERTS) == [alert["type"], resolved["type"]]
    assert alert["step"] == 20
    assert "of the control group's limit" in alert["message"]
    assert 90 < alert["value"] <= 100
    assert alert["evidence"]["memory"]["scope"] == "cgroup"
    assert resolved["value"] < 89


def test_percentages_are_of_the_limit(entries):
    usages = [entry["resource_usage"] for entry in entries if "resource_usage" in entry]

    assert {"cgroup"} == {usage["memory"]["scope"] for usage in usages}
    assert {2.0} == {usage["memory"]["total_gb"] for usage in usages}
    for usage in usages:
        memory, process = usage["memory"], usage["process"]
        assert memory["usage_percent"] == pytest.approx(100 * memory["used_gb"] / 2, abs=0.1)
        assert memory["used_gb"] + memory["available_gb"] == pytest.approx(2.0, abs=0.01)
        assert 0 < memory["host_usage_percent"] < 100
        assert process["memory_percent"] == pytest.approx(100 * process["memory_gb"] / 2, abs=0.5)


def test_the_child_s_memory_is_in_children(entries):
    sizes = [
        entry["resource_usage"]["children"].get("memory_gb", 0.0)
        for entry in entries
        if "children" in entry.get("resource_usage", {})
    ]

    assert max(sizes) == pytest.approx(SIZE / 2**30, rel=0.1)
    assert sizes[-1] < 0.1
