"""The budget sheds what vlog can do without while that costs too much, and takes it up again."""

from __future__ import annotations

import random

import pytest

from vlog.budget import REMEDY, BudgetChange, OverheadBudget
from vlog.schema import EVENTS, EventType
from vlog.verbosity import CurrentVerbosity, Verbosity

COSTS = {"micro_batches": 0.004, "trends": 0.002, "resources": 0.001}  # seconds a step
ALL = ["micro_batches", "trends", "resources"]
DAY = 86_400.0


class Loop:
    """A training, simulated: its clock is the sum of its steps.

    Attributes:
        step: Seconds of a step without vlog, or a function that returns them.
        base: What vlog costs in a step without its extras, the same.
        costs: What each extra costs in a step, the same.
        changes: What the budget said, each with the time.
    """

    def __init__(self, percent=1.0, verbosity=Verbosity.ULTRA, step=0.1, base=0.0, costs=COSTS):
        self.verbosity = CurrentVerbosity(verbosity)
        self.budget = OverheadBudget(percent, self.verbosity)
        self.step, self.base, self.costs = step, base, dict(costs)
        self.now = 0.0
        self.steps = self.shed_steps = 0
        self.overhead = 0.0
        self.changes = []

    def run(self, seconds):
        end = self.now + seconds
        while self.now < end:
            self.one_step()
        return self

    def one_step(self, stall=0.0, overhead=0.0):
        overhead += value_of(self.base)
        for name, cost in self.costs.items():
            if not getattr(self.budget, f"sheds_{name}"):
                overhead += value_of(cost)
        seconds = value_of(self.step) + stall + overhead
        self.now += seconds
        self.overhead += overhead
        self.steps += 1
        self.shed_steps += bool(self.budget.shed)
        change = self.budget.step_done(seconds, overhead)
        if change is not None:
            self.changes.append((self.now, change))

    @property
    def said(self):
        """What was said, as pairs of change and extra."""
        return [(change.change, change.extra) for _, change in self.changes]


def value_of(number):
    return number() if callable(number) else number


def dice(median, spread, seed):
    """Return a source of random times with a long tail."""
    generator = random.Random(seed)
    return lambda: median * generator.lognormvariate(0.0, spread)


class TestShedding:
    def test_takes_one_extra_after_the_other_until_the_budget_is_kept(self):
        loop = Loop(base=0.0005).run(20)

        assert [("shed", "micro_batches"), ("shed", "trends"), ("shed", "resources")] == loop.said
        assert tuple(ALL) == loop.budget.shed
        assert [1, 2, 3] == [len(change.shed) for _, change in loop.changes]

    def test_takes_no_more_than_it_must(self):
        loop = Loop(step=0.4).run(20)

        assert [("shed", "micro_batches")] == loop.said
        assert (True, False, False) == (
            loop.budget.sheds_micro_batches, loop.budget.sheds_trends, loop.budget.sheds_resources
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("step", "seconds"), [(0.00002, 0.25), (0.002, 0.25), (0.01, 0.7), (0.1, 5.0)]
    )
    def test_is_over_soon(self, step, seconds):
        costs = dict.fromkeys(ALL, step / 50)
        loop = Loop(step=step, base=step / 200, costs=costs).run(seconds)

        assert [("shed", name) for name in ALL] == loop.said
        assert not loop.changes[-1][1].is_exceeded

    def test_does_not_happen_within_the_budget(self):
        assert [] == Loop(step=0.8).run(3600).said

    def test_does_not_happen_without_a_budget(self):
        loop = Loop(percent=0, step=0.001).run(60)

        assert [] == loop.said
        assert 0 == loop.budget.shed_steps

    @pytest.mark.parametrize(
        ("verbosity", "extras"),
        [("low", []), ("medium", ALL[1:]), ("high", ALL[1:]), ("ultra", ALL)],
    )
    def test_is_of_what_the_verbosity_writes(self, verbosity, extras):
        loop = Loop(verbosity=Verbosity.parse(verbosity), base=0.01).run(60)

        assert [*(("shed", name) for name in extras), ("exceeded", None)] == loop.said

    def test_that_does_not_suffice_is_said_once(self):
        loop = Loop(base=0.01).run(3600)

        assert ("exceeded", None) == loop.said[-1]
        assert [False, False, False, True] == [each.is_exceeded for _, each in loop.changes]
        assert tuple(ALL) == loop.changes[-1][1].shed


class TestWhatDecidesNothing:
    def test_is_warm_up(self):
        loop = Loop(base=0.01)
        for _ in range(22):  # two of warm-up, and two windows
            assert [] == loop.said
            loop.one_step()

        assert [("shed", "micro_batches")] == loop.said

    def test_is_a_stall_inside_vlog(self):
        loop = Loop(step=0.8)
        for _ in range(100):
            loop.run(40)
            loop.one_step(overhead=5.0)

        assert [] == loop.said

    def test_is_an_evaluation_with_the_time_that_its_entries_cost(self):
        loop = Loop(step=0.8)
        for _ in range(100):
            loop.run(20)
            loop.one_step(stall=300.0, overhead=10.0)

        assert [] == loop.said

    def test_is_an_evaluation_that_makes_the_share_of_its_window_small(self):
        loop = Loop(step=0.1, base=0.0005)
        for _ in range(20):
            loop.run(2)
            loop.one_step(stall=300.0)

        assert [("shed", name) for name in ALL] == loop.said[:3]


class TestRestoring:
    def test_of_what_fits_is_early_and_in_reverse_order(self):
        loop = Loop(base=0.0005).run(20)
        loop.step = 5.0
        loop.run(400)

        restored = [
            ("restored", "resources"),
            ("restored", "trends"),
            ("restored", "micro_batches"),
        ]
        assert restored == loop.said[3:]
        assert () == loop.budget.shed == loop.changes[-1][1].shed

    def test_of_what_fits_does_not_wait_for_a_trial(self):
        loop = Loop(base=0.0005).run(8)
        loop.step = 0.5
        loop.run(25)

        shed, restored = loop.changes[2:4]
        assert ("shed", "restored") == (shed[1].change, restored[1].change)
        assert 10 < restored[0] - shed[0] < 30

    def test_comes_soon_after_a_long_time_without_room(self):
        loop = Loop(base=0.01).run(3 * 3600)
        loop.step = 5.0
        loop.run(700)

        assert [("restored", name) for name in reversed(ALL)] == loop.said[4:]

    def test_needs_room_for_what_comes_back(self):
        loop = Loop(step=0.4).run(14)  # without micro-batches 0.75 %, with them 1.75 %
        loop.step = 0.6  # 0.5 % and 1.17 %
        loop.run(26)

        assert [("shed", "micro_batches")] == loop.said

    def test_is_tried_though_the_cost_seemed_too_high(self):
        loop = Loop(costs={name: 10 * cost for name, cost in COSTS.items()}).run(10)
        loop.costs = {name: cost / 10 for name, cost in COSTS.items()}  # once the caches are warm
        loop.run(120)

        assert () == loop.budget.shed
        assert [("restored", name) for name in reversed(ALL)] == loop.said[-3:]

    def test_in_vain_pauses_twice_as_long_each_time_up_to_ten_minutes(self):
        loop = Loop(step=0.4).run(3 * 3600)  # without micro-batches 0.75 % is used
        shed = [time for time, change in loop.changes if change.change == "shed"]
        restored = [time for time, change in loop.changes if change.change == "restored"]
        pauses = [round(end - begin) for begin, end in zip(shed, restored, strict=False)]

        assert {"micro_batches"} == {change.extra for _, change in loop.changes}
        for pause, expected in zip(pauses, [30, 60, 120, 240, 480, 600, 600], strict=False):
            assert expected <= pause <= expected + 5
        assert len(pauses) >= 7

    def test_does_not_happen_while_there_is_no_room_at_all(self):
        loop = Loop(base=0.0009).run(DAY / 24)

        assert 0 == sum(change.change == "restored" for _, change in loop.changes)


class TestChanges:
    @pytest.mark.parametrize(("step", "seconds", "most"), [(5.0, DAY, 250), (0.05, DAY / 48, 40)])
    @pytest.mark.parametrize("base", [0.002, 0.008])
    @pytest.mark.parametrize("cost", [0.002, 0.008])
    def test_are_few_whatever_chance_does(self, step, seconds, most, base, cost):
        loop = Loop(
            step=dice(step, 0.5, 1),
            base=dice(base * step / 1.6, 1.0, 2),  # the mean is 1.6 times the median
            costs={name: dice(cost * step / 1.6, 1.0, name) for name in ALL},
        ).run(seconds)

        assert len(loop.changes) < most

    def test_keep_a_loop_of_random_steps_within_its_budget(self):
        loop = Loop(step=dice(0.1, 0.3, 1), base=dice(0.0004, 0.5, 2))
        loop.run(30)
        begin, before = loop.now, loop.overhead
        loop.run(3600)

        assert (loop.overhead - before) / (loop.now - begin) < 0.01


class TestVerbosity:
    def test_that_is_switched_takes_what_it_does_not_write_out_of_the_account(self):
        loop = Loop(step=0.4).run(20)
        assert ("micro_batches",) == loop.budget.shed

        loop.verbosity.value, costs = Verbosity.HIGH, loop.costs.pop("micro_batches")
        loop.run(3600)
        assert () == loop.budget.shed
        assert [("shed", "micro_batches")] == loop.said

        loop.verbosity.value, loop.costs["micro_batches"] = Verbosity.ULTRA, costs
        loop.run(60)
        assert {"micro_batches"} == {extra for _, extra in loop.said}

    def test_that_is_switched_makes_a_new_start(self):
        loop = Loop(verbosity=Verbosity.LOW, base=0.01, costs={}).run(60)
        assert [("exceeded", None)] == loop.said

        loop.verbosity.value = Verbosity.HIGH
        loop.run(60)
        assert [("shed", "trends"), ("shed", "resources"), ("exceeded", None)] == loop.said[1:]


class TestShedSteps:
    def test_are_the_steps_in_which_something_was_left_out(self):
        loop = Loop(step=0.4).run(1000)

        assert 0 < loop.budget.shed_steps < loop.steps
        assert loop.shed_steps == loop.budget.shed_steps


class TestBudgetChange:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                BudgetChange("shed", "micro_batches", ("micro_batches",), 2.3456, 1.0),
                "2.35 % of the step time, above its budget of 1 %: micro-batches are left out",
            ),
            (
                BudgetChange("restored", "trends", ("micro_batches",), 0.3, 0.5),
                "0.30 % of the step time, within its budget of 0.5 %: trends are written again",
            ),
            (
                BudgetChange("exceeded", None, (), 12.0, 1.0),
                (
                    "12.00 % of the step time, above its budget of 1 %, with nothing left to leave "
                    f"out: {REMEDY}"
                ),
            ),
        ],
    )
    def test_is_a_line_for_people(self, change, message):
        assert f"⚖️ vlog takes {message}" == change.message

    def test_has_the_fields_of_its_entry(self):
        change = BudgetChange("shed", "trends", ("micro_batches", "trends"), 2.345678, 1.0)

        assert {
            "change": "shed",
            "extra": "trends",
            "shed": ["micro_batches", "trends"],
            "overhead_percent": 2.3457,
            "budget_percent": 1.0,
        } == change.fields()

    def test_has_the_fields_that_the_schema_knows(self):
        known = EVENTS[EventType.OVERHEAD_BUDGET].fields
        shed = BudgetChange("shed", "trends", ("trends",), 2.0, 1.0)
        exceeded = BudgetChange("exceeded", None, (), 2.0, 1.0)

        assert {field.name for field in known} == set(shed.fields())
        assert {field.name for field in known if field.required} == set(exceeded.fields())
