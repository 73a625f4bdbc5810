"""A moment of the slow-down benchmark: a row for each kind of main thread."""

from __future__ import annotations

import re

import pytest

RATIO = r"-?\d+\.\d\d"
PERCENT = f"{RATIO} %"
INTERVAL = rf"{PERCENT} \({RATIO} to {RATIO}\)"


@pytest.fixture
def slowdown(benchmark_script, monkeypatch):
    script = benchmark_script("slowdown")
    monkeypatch.setattr(script, "batch_for", lambda _seconds: 4)
    return script


@pytest.mark.parametrize("work", ["Trainer", "pure Python", "NumPy"])
def test_a_row_shows_the_cost_in_three_ways(slowdown, work):
    row = slowdown.measured(slowdown.Row(work, 10, "ultra", share=1.0), seconds=0.2)

    hooks = rf"{RATIO} ms \| {PERCENT}"
    cells = rf"{work} \| \d+ ms \| ultra \| {hooks} \| {INTERVAL} \| {INTERVAL} \| {PERCENT}"
    assert re.fullmatch(rf"\| {cells} \| {RATIO} \|", row), row


def test_hooks_are_seen_from_outside_as_long_as_the_log_says(slowdown):
    row = slowdown.Row("torch", 10, "ultra", share=1.0)

    ratio = float(slowdown.measured(row, seconds=0.2).split("|")[-2])

    assert 0.5 < ratio < 1.5


@pytest.mark.parametrize("verbosity", ["low", "ultra"])
def test_a_budget_is_shown_as_a_share(slowdown, verbosity):
    with slowdown.own_folder():
        assert 0 < slowdown.budget_share(verbosity, settle=0.05, seconds=0.1) < 100
