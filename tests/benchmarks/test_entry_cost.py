"""The benchmarks of an entry and of a step run, and print tables that hold numbers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vlog

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RATIO = re.compile(r"([\d.,e+]+) \(([\d.,e+]+) to ([\d.,e+]+)\)")


def tables_of(script, folder):
    """Return what stands above the tables that a quick run prints, and each as rows of cells.

    It finds no wandb, whether or not that is installed.
    """
    (folder / "wandb.py").write_text("raise ImportError('hidden')")
    environment = os.environ | {"PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, BENCHMARKS / script, "--quick"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    above, *parts = done.stdout.strip().split("\n\n")
    return above, [[row[1:-1].split("|") for row in part.splitlines()] for part in parts]


def ratios_in(rows):
    return [
        [float(number.replace(",", "")) for number in found.groups()]
        for row in rows
        for cell in row
        if (found := RATIO.search(cell))
    ]


@pytest.fixture(scope="module")
def entry_cost(tmp_path_factory):
    return tables_of("entry_cost.py", tmp_path_factory.mktemp("entry_cost"))


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    return tables_of("peers.py", tmp_path_factory.mktemp("peers"))


class TestEntryCost:
    def test_says_what_was_measured_on_what(self, entry_cost):
        above, _ = entry_cost

        assert f"Python {sys.version.split()[0]}" in above.splitlines()[0]

    def test_every_row_has_the_cells_of_its_head(self, entry_cost):
        _, tables = entry_cost

        assert [6, 3, 3] == [len(table[0]) for table in tables]
        assert all(len(row) == len(table[0]) for table in tables for row in (table[0], *table[2:]))

    def test_every_ratio_is_a_number_within_its_interval(self, entry_cost):
        _, tables = entry_cost
        found = [ratio for table in tables for ratio in ratios_in(table[2:])]

        assert 2 * 6 + 2 * 4 + 5 == len(found)
        assert all(0 < low <= ratio <= high for ratio, low, high in found)

    def test_the_floor_is_once_the_floor(self, entry_cost):
        _, (chains, *_) = entry_cost

        assert [[1.0, 1.0, 1.0]] * 2 == ratios_in([chains[2]])


class TestPeers:
    def test_every_row_has_the_cells_of_its_head(self, peers):
        _, (table,) = peers

        assert all(len(row) == 8 for row in (table[0], *table[2:]))

    def test_every_ratio_is_a_number_within_its_interval(self, peers):
        _, (table,) = peers
        found = ratios_in(table[2:])

        assert 4 * 3 == len(found)  # vlog at two verbosities, and the guide's design
        assert all(0 < low <= ratio <= high for ratio, low, high in found)

    def test_a_peer_that_is_not_installed_is_said_to_be(self, peers):
        _, (table,) = peers

        assert ["wandb, offline", "not installed"] == [cell.strip() for cell in table[-2][:2]]


class TestDrivenTrainer:
    def test_a_step_is_recorded_as_a_trainers_is(self, benchmark_script, tmp_path):
        """Its hooks come in order: the batch is seen, and the log is in the step's entry."""
        driven = benchmark_script("driven_trainer")
        callback = vlog.VerboseLoggingCallback("ultra", tmp_path / "log.jsonl", console=False)
        trainer = driven.driven_trainer(callback, tmp_path, {"loss": 0.5, "reward": 2.0})
        worked = []
        trainer.begin()
        for step in (1, 2):
            trainer.step(lambda step=step: worked.append(step))
        trainer.end()
        entries = list(vlog.read(tmp_path / "log.jsonl"))
        steps = [entry for entry in entries if entry["type"] == "training_step_complete"]
        batches = [entry for entry in entries if entry["type"] == "micro_batch"]

        assert [1, 2] == worked
        assert [(1, 0.5, 2.0), (2, 0.5, 2.0)] == [
            (entry["step"], entry["metrics"]["loss"], entry["metrics"]["reward"]) for entry in steps
        ]
        assert [2048, 2048] == [entry["tokens"] for entry in batches]
        assert "training_complete" == entries[-1]["type"]
