"""What a loop's own objects say, on their own."""

from __future__ import annotations

import argparse
import dataclasses
from types import SimpleNamespace

import pytest

from vlog.integrations.loop_facts import Plan, Spacing, initialization_of


def plan_of(total_steps=None, start_step=0):
    return Plan(total_steps, start_step, None, None)


class TestPlan:
    def test_epochs_and_a_loader_make_up_the_total(self):
        plan = plan_of()
        plan.epochs = 3
        plan.loader_begins(range(10), accumulate=4)

        assert (9, 9) == (plan.total_steps, plan.schedule.total_steps)
        assert {"gradient_accumulation_steps": 4, "micro_batches_per_epoch": 10} == plan.batch

    def test_what_was_given_counts_more(self):
        plan = plan_of(5)
        plan.epochs = 3
        plan.loader_begins(range(10), accumulate=1)

        assert 5 == plan.total_steps

    @pytest.mark.parametrize("loader", [iter([1, 2]), (), None])
    def test_a_loader_without_a_length_leaves_the_total_open(self, loader):
        plan = plan_of()
        plan.epochs = 3
        plan.loader_begins(loader, accumulate=1)

        assert plan.total_steps is None
        assert 2 == plan.epoch(2)

    def test_the_epoch_is_a_fraction_of_the_loader(self):
        plan = plan_of()
        plan.loader_begins(range(4), accumulate=1)
        plan.epoch_begins()
        plan.step_done()

        assert (0.25, 2.25) == (plan.epoch(None), plan.epoch(2))
        for _ in range(9):
            plan.step_done()
        assert 3.0 == plan.epoch(2)

    def test_the_numbers_to_come_end_where_the_total_is_known(self):
        assert [4, 5] == list(plan_of(5, start_step=3).numbers())
        assert [] == list(plan_of(2, start_step=3).numbers())
        endless = iter(plan_of(start_step=3).numbers())
        assert [4, 5, 6] == [next(endless) for _ in range(3)]


class TestSpacing:
    def test_is_as_last_seen_where_nobody_has_said(self):
        spacing = Spacing("save_every", None, 10)
        found = []
        for step in (10, 15, 15, 35):
            spacing.seen(step)
            found.append(spacing.steps)

        assert [None, 5, 5, 20] == found

    def test_is_as_given(self):
        spacing = Spacing("save_every", 4, 0)
        spacing.seen(10)

        assert 4 == spacing.steps


class TestInitialization:
    @pytest.mark.parametrize(
        "config",
        [
            {"rate": 0.1},
            argparse.Namespace(rate=0.1),
            SimpleNamespace(rate=0.1, _private=1),
            dataclasses.make_dataclass("Config", ["rate"])(0.1),
            type("Config", (), {"to_dict": lambda _self: {"rate": 0.1}})(),
        ],
    )
    def test_a_configuration_of_any_usual_kind_is_the_arguments(self, config):
        assert {"arguments": {"rate": 0.1}} == initialization_of(None, None, config)
