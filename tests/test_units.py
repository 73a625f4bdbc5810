"""Any number becomes a short text."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlog.units import duration, gigabytes, number, percent, size, whole

UNITS = [number, whole, percent, duration, gigabytes, size]


class TestUnits:
    @pytest.mark.parametrize("unit", UNITS)
    @given(value=st.floats() | st.integers())
    def test_say_any_number_shortly(self, unit, value):
        assert 1 <= len(unit(value)) <= 24

    @pytest.mark.parametrize("unit", UNITS)
    @pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1.7e308, -1e300, 10**400])
    def test_say_what_is_no_number_or_a_huge_one(self, unit, value):
        assert 1 <= len(unit(value)) <= 24


class TestDuration:
    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [(-75, "-1 min 15 s"), (math.inf, "inf s"), (math.nan, "nan s"), (1e308, "1.16e+303 d")],
    )
    def test_has_a_sign_and_a_power_of_ten(self, seconds, expected):
        assert expected == duration(seconds)
