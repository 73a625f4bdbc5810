"""Batches that are alike are described once, and never by what held for another one."""

import numpy as np
import pytest
import torch

from vlog import set_redaction
from vlog.describe import BatchStructures
from vlog.describe.dataset import describe_structure


@pytest.fixture(autouse=True)
def rules_are_put_back():
    yield
    set_redaction()


@pytest.fixture
def structures():
    return BatchStructures()


def batch(rows=2, dtype=torch.int64, name="input_ids"):
    return {name: torch.zeros(rows, 8, dtype=dtype)}


class TestBatchStructures:
    def test_describe_as_a_data_set_is_described(self, structures):
        assert describe_structure(batch()) == structures.of(batch()).values

    def test_keep_the_description_of_a_batch_that_is_alike(self, structures):
        first = structures.of(batch())

        assert first is structures.of(batch())

    @pytest.mark.parametrize(
        "other",
        [
            batch(rows=3),
            batch(dtype=torch.int32),
            batch(name="labels"),
            [torch.zeros(2, 8)],
            (torch.zeros(2, 8),),
            "text",
            {"texts": ["a", "b"]},
            {"input_ids": torch.zeros(2, 8, dtype=torch.int64), "texts": ["a"]},
        ],
        ids=str,
    )
    def test_describe_another_one_anew_and_the_first_one_again(self, structures, other):
        first = structures.of(batch())

        assert describe_structure(other) == structures.of(other).values
        assert first.values == structures.of(batch()).values

    def test_describe_what_is_no_array_each_time(self, structures):
        for texts in (["a"], ["a", "b"]):
            assert describe_structure({"t": texts}) == structures.of({"t": texts}).values

    def test_hide_what_is_a_secret_from_now_on(self, structures):
        first = structures.of(batch(name="badge_number"))
        set_redaction(keys=["badge_number"])
        second = structures.of(batch(name="badge_number"))

        assert "int64" in str(first.values)
        assert {"badge_number": "<redacted>"} != first.values
        assert "int64" not in str(second.values)

    def test_describe_what_cannot_be_compared(self, structures):
        class Odd:
            shape = np.array([2, 3])  # whose truth is ambiguous
            dtype = "f"

        for _ in range(2):
            assert {"type": "list", "length": 1} | {"items": ODD} == structures.of([Odd()]).values


ODD = {"shape": [2, 3], "dtype": "f"}
