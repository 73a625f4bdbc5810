"""One round of the start-up benchmark."""

from __future__ import annotations

import pytest


@pytest.fixture
def startup(benchmark_script):
    return benchmark_script("startup")


def test_a_round_has_all_that_is_divided(startup):
    found = startup.one_round()

    assert {name for pair in startup.RATIOS.values() for name in pair} <= set(found)
    assert min(found.values()) > 0


def test_a_child_that_fails_is_told(startup):
    with pytest.raises(RuntimeError, match="NameError"):
        startup.answer_of("-c", "no_such_name")
