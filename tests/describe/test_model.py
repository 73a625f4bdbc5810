"""A model in numbers, without running it or reading a parameter."""

import pytest
import torch
from torch import nn

from vlog.describe import describe_model


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.embedding.weight


class Config:
    def to_dict(self):
        return {"hidden_size": 4}


class TestDescribeModel:
    def test_counts_parameters_by_module(self):
        model = nn.Sequential()
        model.add_module("body", nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
        model.add_module("head", nn.Linear(2, 1))
        for parameter in model.body.parameters():
            parameter.requires_grad = False
        found = describe_model(model)

        assert "torch.nn.modules.container.Sequential" == found["class"]
        assert (26, 3, 11.5385) == tuple(
            found[key] for key in ("total_parameters", "trainable_parameters", "trainable_percent")
        )
        assert {
            "body": {"total": 23, "trainable": 0},
            "head": {"total": 3, "trainable": 3},
        } == found["parameters_by_module"]

    def test_counts_tied_parameters_once(self):
        assert 40 == describe_model(Tied())["total_parameters"]

    def test_tells_dtypes_and_size_with_buffers(self):
        model = nn.Sequential(nn.Linear(512, 512, bias=False), nn.Linear(512, 512, bias=False))
        model[1].to(torch.bfloat16)
        model.register_buffer("mask", torch.zeros(2**18, dtype=torch.uint8))
        found = describe_model(model)

        assert {"float32": 2**18, "bfloat16": 2**18} == found["parameters_by_dtype"]
        assert 1 + 0.5 + 0.25 == found["size_mb"]

    def test_reads_no_parameter(self):
        """A meta parameter raises when it is read."""
        found = describe_model(nn.Linear(1000, 1000, device="meta"))

        assert (1_001_000, "meta") == (found["total_parameters"], found["device"])

    @pytest.mark.parametrize(
        ("config", "expected"), [(Config(), {"hidden_size": 4}), ({"a": 1}, {"a": 1})]
    )
    def test_takes_the_configuration_as_a_dict(self, config, expected):
        model = nn.Linear(1, 1)
        model.config = config

        assert expected == describe_model(model)["config"]

    def test_does_without_parameters(self):
        assert {"class": "builtins.object"} == describe_model(object())
        found = describe_model(nn.Identity())

        assert (0, 0.0, None) == tuple(
            found[key] for key in ("total_parameters", "trainable_percent", "device")
        )

    @pytest.mark.filterwarnings("ignore:Lazy modules")
    def test_counts_lazy_parameters_as_none(self):
        """They have no shape before the first batch."""
        found = describe_model(nn.Sequential(nn.LazyLinear(2), nn.Linear(2, 3)))

        assert (9, {"0": 0, "1": 9}) == (
            found["total_parameters"],
            {name: count["total"] for name, count in found["parameters_by_module"].items()},
        )

    def test_says_which_configuration_cannot_be_told(self):
        class Broken:
            def to_dict(self):
                raise ValueError("no")

        model = nn.Linear(1, 1)
        model.config = Broken()
        found = describe_model(model)

        assert {"not_described": "ValueError: no"} == found["config"]
        assert 2 == found["total_parameters"]
