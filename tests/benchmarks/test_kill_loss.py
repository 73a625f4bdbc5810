"""Kills of trainings, what they lost, and what a step on the disk is."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

import vlog


@pytest.fixture
def kill_loss(benchmark_script, monkeypatch, tmp_path):
    """The script; its trainings write below the test's folder."""
    monkeypatch.chdir(tmp_path)
    return benchmark_script("kill_loss")


@pytest.fixture
def steps_on_disk(benchmark_script):
    return benchmark_script("steps_on_disk")


class TestKills:
    def test_vlog_loses_no_step_however_it_is_killed(self, kill_loss):
        name = kill_loss.BASE
        kills = kill_loss.Kills([name], 1, (20, 40))
        done = [kills.done[name, kills_all] for kills_all in (False, True)]

        assert [[(0, "")], [(0, "")]] == [[(each.lost, each.error) for each in of] for of in done]
        assert all(each.logged >= 20 and each.seconds > 0 for of in done for each in of)
        assert ["0, 0", "0, 0"] == [cell.strip() for cell in kills.row(name).split("|")[-3:-1]]

    def test_a_logger_that_is_not_installed_is_said_to_be(self, kill_loss, monkeypatch):
        absent = kill_loss.Peer(("no_such_module",), kill_loss.steps_on_disk.in_wandb)
        monkeypatch.setitem(kill_loss.PEERS, "absent", absent)
        kills = kill_loss.Kills(["absent"], 1, (20, 40))

        assert "| absent | not installed | | | |" == kills.row("absent")

    def test_a_logger_that_ends_by_itself_is_said_to_have_failed(
        self, kill_loss, monkeypatch, tmp_path, capsys
    ):
        (tmp_path / "fails.py").write_text("raise SystemExit('no server')")
        monkeypatch.setattr(kill_loss, "__file__", str(tmp_path / "fails.py"))
        kills = kill_loss.Kills([kill_loss.BASE], 1, (20, 40))

        assert f"| {kill_loss.BASE} | failed | | | |" == kills.row(kill_loss.BASE)
        assert "no server" in capsys.readouterr().err


class TestOutcome:
    def test_all_steps_of_a_log_that_cannot_be_read_are_lost(self, kill_loss, tmp_path):
        found = kill_loss.outcome({1, 2, 3}, 1.0, kill_loss.BASE, tmp_path)

        assert (3, 3) == (found.logged, found.lost)
        assert "LogReadError" in found.error


class TestStepsOnDisk:
    def test_a_step_of_vlog_counts_with_all_its_numbers(self, steps_on_disk, tmp_path):
        facts = dict(steps_on_disk.METRICS)
        with vlog.training_run(None, "ultra", tmp_path / "vlog.jsonl", console=False) as run:
            for metrics in (facts, {"loss": 0.5}, facts):
                with run.step():
                    run.log(metrics)

        assert {1, 3} == steps_on_disk.in_vlog(tmp_path)

    def test_a_step_of_a_database_counts_with_all_its_numbers(self, steps_on_disk, tmp_path):
        rows = [(key, step) for step in (1, 2) for key in steps_on_disk.METRICS]
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
            database.execute("CREATE TABLE metrics (key TEXT, step INTEGER)")
            database.executemany("INSERT INTO metrics VALUES (?, ?)", rows[:-1])
            database.commit()

        assert {1} == steps_on_disk.in_mlflow(tmp_path)
