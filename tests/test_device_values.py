"""Numbers out of tensors, without waiting for a device."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from vlog.device_values import DeviceValues, host_number


class Event:
    """Of a device that is done after some questions."""

    def __init__(self, questions):
        self.questions = questions

    def query(self):
        self.questions -= 1
        return self.questions < 0


@pytest.fixture
def found():
    return []


@pytest.fixture
def values(found):
    return DeviceValues(lambda *told: found.append(told))


class TestHostNumber:
    def test_is_read_at_once(self):
        assert 0.5 == host_number(torch.tensor([0.5], requires_grad=True))
        assert 0.5 == host_number(torch.nn.Parameter(torch.tensor(0.5)))
        assert 0.5 == host_number(torch.tensor([0.5]).to_sparse())

    @pytest.mark.parametrize(
        "value",
        [0.5, "0.5", None, torch.zeros(2), torch.zeros(()).to("meta"), torch.tensor(1j)],
    )  # fmt: skip
    def test_is_none_where_there_is_no_such_number(self, value):
        assert host_number(value) is None

    def test_a_tensor_that_only_stands_for_others_is_not_read(self):
        """To read a distributed one would be to wait for the other ranks."""
        with FakeTensorMode():
            value = torch.zeros(())

        assert "cpu" == value.device.type
        assert host_number(value) is None


class TestDeviceValues:
    def test_a_number_in_the_hosts_memory_is_delivered_at_once(self, values, found):
        assert values.observe(3, torch.tensor(0.5, requires_grad=True), "rate")
        assert [(3, 0.5, "rate")] == found

    def test_what_can_only_be_waited_for_is_left_alone(self, values, found):
        assert not values.observe(3, torch.zeros((), device="meta"))
        values.collect()
        assert [] == found

    def test_numbers_come_in_order_as_their_events_pass(self, values, found):
        for step, questions in enumerate((0, 1, 0)):
            values.pending.append((step, "loss", torch.tensor(float(step)), Event(questions)))

        values.collect()
        assert [(0, 0.0, "loss")] == found
        values.collect()
        assert [0, 1, 2] == [step for step, *_ in found]

    def test_the_end_waits_for_them_but_not_for_ever(self, values, found, monkeypatch):
        slept = []
        monkeypatch.setattr("vlog.device_values.time.sleep", slept.append)
        for step, questions in enumerate((3, 10**9)):
            values.pending.append((step, "loss", torch.tensor(1.0), Event(questions)))

        values.collect(wait_seconds=2.0)

        assert [0] == [step for step, *_ in found]
        assert 2.0 == pytest.approx(sum(slept))
