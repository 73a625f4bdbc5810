"""A data set's shape is told, never its content; its samples are not touched unasked."""

import datasets
import numpy as np
import pytest
import torch

from vlog.describe import count_batch, describe_dataset, describe_structure

SECRET = "the content of a sample"


class Custom(torch.utils.data.Dataset):
    """A data set of tensors that counts how often it is read."""

    reads = 0

    def __len__(self):
        return 7

    def __getitem__(self, index):
        self.reads += 1
        return {"input_ids": torch.arange(5), "text": SECRET, "label": 3, "more": [[1, 2]]}


class WithColumns(Custom):
    column_names = ("text",)


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        raise AssertionError("an iterable data set must not be started")


@pytest.fixture
def table():
    return datasets.Dataset.from_dict({"text": [SECRET, "b"], "label": [0, 1]})


class TestDescribeDataset:
    def test_of_hugging_face_tells_columns_and_features(self, table):
        found = describe_dataset(table)

        assert "datasets.arrow_dataset.Dataset" == found["type"]
        assert (2, ["text", "label"]) == (found["size"], found["columns"])
        assert {"text", "label"} == set(found["features"])
        assert {
            "text": {"type": "str", "length": len(SECRET)},
            "label": {"type": "int"},
        } == found["sample_structure"]

    def test_of_a_list_tells_the_structure_of_a_sample(self):
        found = describe_dataset([Custom()[0]] * 3)

        assert (3, ["input_ids", "text", "label", "more"]) == (found["size"], found["columns"])
        assert {
            "input_ids": {"shape": [5], "dtype": "int64"},
            "text": {"type": "str", "length": len(SECRET)},
            "label": {"type": "int"},
            "more": {
                "type": "list",
                "length": 1,
                "items": {"type": "list", "length": 2, "items": {"type": "int"}},
            },
        } == found["sample_structure"]

    @pytest.mark.parametrize("kind", [Custom, WithColumns])
    def test_runs_nobodys_code_for_a_sample(self, kind):
        dataset = kind()
        found = describe_dataset(dataset, with_content=True)

        assert 0 == dataset.reads
        assert 7 == found["size"]
        assert found["type"].endswith(f".{kind.__name__}")
        assert "not read" in found["sample_structure"]

    def test_runs_no_transform_of_a_table(self, table):
        def refuse(_batch):
            raise AssertionError("a transform is the user's code")

        assert "not read" in describe_dataset(table.with_transform(refuse))["sample_structure"]

    def test_never_starts_an_iterable_data_set(self):
        found = describe_dataset(Endless())

        assert ["type", "sample_structure"] == list(found)
        assert "size" not in describe_dataset(x for x in [1])

    def test_of_several_tells_of_each(self, table):
        found = describe_dataset({"a": table, "b": [1, 2, 3]})

        assert (2, 3) == (found["a"]["size"], found["b"]["size"])
        assert {"type": "int"} == found["b"]["sample_structure"]
        assert ["train"] == list(describe_dataset(datasets.DatasetDict(train=table)))

    def test_of_an_empty_one_has_no_sample(self):
        assert {"type": "builtins.list", "size": 0} == describe_dataset([])


class TestContent:
    def test_is_never_told_unasked(self, table):
        for dataset in (table, Custom(), [SECRET], [(SECRET,)], {"train": Custom()}):
            assert SECRET not in str(describe_dataset(dataset))

    def test_is_told_when_asked_for_and_cut(self):
        found = describe_dataset([{"text": SECRET, "long": "x" * 10_000}], with_content=True)

        assert SECRET == found["sample"]["text"]
        assert 1000 > len(found["sample"]["long"])


class TestDescribeStructure:
    def test_tells_shapes_dtypes_and_lengths_in_place_of_values(self):
        assert {
            "ids": {"shape": [4, 16], "dtype": "int64"},
            "weights": {"shape": [4], "dtype": "float32"},
            "names": {"type": "list", "length": 1, "items": {"type": "str", "length": 5}},
            "none": {"type": "NoneType"},
            "empty": {"type": "tuple", "length": 0},
        } == describe_structure(
            {
                "ids": torch.zeros(4, 16, dtype=torch.long, device="meta"),
                "weights": np.zeros(4, dtype=np.float32),
                "names": ["a b c"],
                "none": None,
                "empty": (),
            }
        )


class TestCountBatch:
    def test_tells_samples_and_tokens_without_reading_a_device(self):
        batch = {
            "scale": torch.tensor(1.0, device="meta"),
            "input_ids": torch.zeros(4, 16, device="meta"),
        }

        assert {"samples": 4, "tokens": 64} == count_batch(batch)

    @pytest.mark.parametrize("batch", [None, [], ["a"], {}, {"text": ["a"]}])
    def test_tells_nothing_where_nothing_is_to_be_told(self, batch):
        assert {} == count_batch(batch)

    def test_looks_at_the_first_fifty_parts(self):
        parts = ["text"] * 49 + [torch.zeros(7)]

        assert {"samples": 7} == count_batch(parts)
        assert {} == count_batch(["text", *parts])

    @pytest.mark.parametrize("wrap", [list, tuple, lambda parts: parts[0]])
    def test_takes_samples_from_tensors_without_names(self, wrap):
        assert {"samples": 3} == count_batch(wrap([torch.zeros(3, 2), torch.zeros(3)]))

    def test_takes_samples_where_there_are_no_tokens(self):
        assert {"samples": 2} == count_batch({"pixels": np.zeros((2, 3))})


class Refuses:
    """An object that raises whatever it is asked for."""

    def __getattr__(self, name):
        raise ZeroDivisionError


class NoItems(dict):
    def items(self):
        raise ZeroDivisionError

    values = get = items


def own_cycle():
    cycle = {"ids": np.zeros((2, 3))}
    cycle["self"] = [cycle]
    return cycle


class TestOddValues:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (Refuses(), {"type": "Refuses", "not_described": "ZeroDivisionError"}),
            (NoItems(a=1), {"type": "NoItems", "not_described": "ZeroDivisionError"}),
            (torch.nn.LazyLinear, {"type": "type"}),
            ({1: "a", "1": b"b"}, {1: {"type": "str", "length": 1},
                                   "1": {"type": "bytes", "length": 1}}),
        ],
        ids=["attributes", "items", "class", "keys"],
    )  # fmt: skip
    def test_cost_only_themselves(self, value, expected):
        ids = np.zeros((2, 3))

        assert {"odd": expected, "ids": {"shape": [2, 3], "dtype": "float64"}} == (
            describe_structure({"odd": value, "ids": ids})
        )
        assert 2 == count_batch({"odd": value, "ids": ids}).get("samples")

    def test_that_hold_themselves_end(self):
        assert {"type": "dict"} == innermost(describe_structure(own_cycle()))
        assert {"samples": 2} == count_batch(own_cycle())

    def test_without_counts_have_none(self):
        for batch in (Refuses(), NoItems(), None, 5, {"input_ids": Refuses()}, [Refuses()]):
            assert {} == count_batch(batch)

    def test_of_a_data_set_leave_the_rest_of_it(self):
        class Odd(Custom):
            features = property(lambda self: 1 / 0)

            def __len__(self):
                raise ZeroDivisionError

        found = describe_dataset({"a": Odd(), "b": Refuses(), "c": [Refuses()]})

        assert ["type", "sample_structure"] == list(found["a"])
        assert "Refuses" in found["b"]["type"]
        assert {"type": "Refuses", "not_described": "ZeroDivisionError"} == (
            found["c"]["sample_structure"]
        )

    def test_on_a_device_are_not_read_for_their_content(self):
        sample = {"ids": torch.ones(2, device="meta"), "odd": Refuses()}
        content = describe_dataset([sample], with_content=True)["sample"]

        assert "{'shape': [2], 'dtype': 'float32'}" == content["ids"]


def innermost(structure):
    while "self" in structure:
        structure = structure["self"]["items"]
    return structure
