"""Thresholds that cannot be used are refused by the name that the user gave them."""

import pytest

from vlog.alerts import Limits
from vlog.errors import ConfigurationError


class TestLimits:
    def test_are_those_of_the_guide(self):
        assert (90.0, 95.0, 95.0) == (
            Limits().memory_percent, Limits().gpu_memory_percent, Limits().disk_percent
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("memory_percent", 0, "memory_alert_percent is 0"),
            ("memory_percent", 0.9, "memory_alert_percent is 0.9. Expected percent, above 1"),
            ("gpu_memory_percent", 101, "gpu_memory_alert_percent is 101"),
            ("disk_percent", "95", "disk_alert_percent is '95'"),
            ("temperature_celsius", -1, "temperature_alert_celsius is -1"),
            ("slow_step_factor", 1.0, "slow_step_alert_factor is 1.0. Expected how many times"),
            ("after_seconds", True, "alert_after_seconds is True"),
            ("after_seconds", float("nan"), "alert_after_seconds is nan"),
        ],
    )  # fmt: skip
    def test_refuse_what_cannot_be_used(self, name, value, message):
        with pytest.raises(ConfigurationError) as caught:
            Limits(**{name: value})

        assert message in str(caught.value)
