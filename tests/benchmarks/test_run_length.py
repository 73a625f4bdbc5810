"""A moment of the benchmark of long runs and many processes."""

from __future__ import annotations

import re
import statistics

import pytest

RATIO = r"\d+\.\d\d"
INTERVAL = rf"{RATIO} \({RATIO} to {RATIO}\)"


@pytest.fixture
def run_length(benchmark_script, monkeypatch):
    script = benchmark_script("run_length")
    monkeypatch.setattr(script, "PROCESSES", (1, 2))
    return script


def test_a_run_has_a_cost_for_each_hundredth_and_its_memory(run_length):
    found = run_length.measured("loop", "ultra", 200)

    assert 100 == len(found.floors)
    assert min(found.floors) > 0
    assert found.peak_mb > found.growth_mb


def test_a_loop_without_vlog_costs_less_than_the_floor(run_length):
    found = run_length.measured("bare", "ultra", 2_000)

    # In all but a tenth, which pauses of the machine may take.
    assert statistics.quantiles(found.floors, n=10)[-1] < 1


def test_processes_are_shown_beside_the_floor(run_length):
    line = run_length.process_table(rounds=2, steps=20)[-1]

    assert re.fullmatch(rf"\| 2 \| {INTERVAL} \| {INTERVAL} \|", line), line


def test_a_cost_that_grows_is_not_flat(run_length):
    text = run_length.flatness([1.0] * 50 + [3.0] * 50)

    assert "3.00 (3.00 to 3.00)" == text
