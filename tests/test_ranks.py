"""Which process of a distributed training this is, and which file is its own."""

import itertools
import sys
import threading
from pathlib import Path

import pytest
import torch.distributed

import vlog.ranks
from vlog.ranks import agree_on_run_id, process_rank, rank_path


class TestRank:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [("RANK", "2", 2), ("OMPI_COMM_WORLD_RANK", "1", 1), ("RANK", "x", 0), ("RANK", "", 0)],
    )
    def test_is_what_the_launcher_says(self, monkeypatch, name, value, expected):
        monkeypatch.setenv(name, value)

        assert expected == process_rank()

    def test_is_part_of_the_name_but_for_the_first(self):
        path = Path("/a/run.v1.jsonl")

        assert path == rank_path(path, 0)
        assert Path("/a/run.v1.rank3.jsonl") == rank_path(path, 3)


class Reports(list):
    def __call__(self, what, error):
        self.append((what, type(error)))


@pytest.fixture
def reports():
    return Reports()


@pytest.fixture
def store(monkeypatch):
    """The store of a process group of this process alone."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # torch puts its own there
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield store
    torch.distributed.destroy_process_group()


@pytest.fixture
def other_rank(monkeypatch):
    """Return a function that names a run as another process with the same store would."""
    ours, theirs = itertools.count(1), itertools.count(1)
    monkeypatch.setattr(vlog.ranks, "_numbers", ours)

    def agree(own, report):
        with monkeypatch.context() as patch:
            patch.setattr(vlog.ranks, "_numbers", theirs)
            return agree_on_run_id(own, report)

    return agree


class TestAgreeOnRunId:
    def test_is_the_own_one_without_torch_distributed(self, monkeypatch, reports):
        assert "own" == agree_on_run_id("own", reports)
        monkeypatch.delitem(sys.modules, "torch.distributed")
        assert "own" == agree_on_run_id("own", reports)
        assert [] == reports

    def test_is_the_one_that_came_first(self, store, other_rank, reports):
        assert ["a", "a"] == [agree_on_run_id("a", reports), other_rank("b", reports)]
        assert ["d", "d"] == [other_rank("d", reports), agree_on_run_id("c", reports)]
        assert [] == reports

    def test_is_new_for_each_run_of_a_process(self, store, reports):
        assert ["a", "b"] == [agree_on_run_id("a", reports), agree_on_run_id("b", reports)]

    def test_is_the_own_one_where_the_store_fails(self, store, monkeypatch, reports):
        monkeypatch.setattr(vlog.ranks, "_default_store", Broken)

        assert "own" == agree_on_run_id("own", reports)
        assert [("the other ranks may give run own another name", ConnectionError)] == reports

    def test_waits_for_nobody(self, monkeypatch, reports):
        """A store whose host is gone may never answer."""
        silent = Silent()
        monkeypatch.setattr(vlog.ranks, "_default_store", lambda: silent)
        monkeypatch.setattr(vlog.ranks, "_ANSWER_SECONDS", 0.01)

        assert "own" == agree_on_run_id("own", reports)
        assert [TimeoutError] == [error for _, error in reports]
        silent.answer.set()


class Broken:
    def compare_set(self, *_):
        raise ConnectionError("reset by peer")


class Silent:
    def __init__(self):
        self.answer = threading.Event()

    def compare_set(self, *_):
        self.answer.wait()
        return b"late"
