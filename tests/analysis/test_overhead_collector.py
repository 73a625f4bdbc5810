"""What vlog cost a run stands in its end entry, or else is added up from the others."""

from __future__ import annotations

import pytest

from vlog.analysis.overhead_collector import OverheadCollector

MICRO, BOTH = ["micro_batches"], ["micro_batches", "trends"]


@pytest.fixture
def collector():
    return OverheadCollector()


def change(step, kind, extra, shed):
    fields = {"step": step, "change": kind, "shed": shed, "budget_percent": 1.0}
    return fields if extra is None else {**fields, "extra": extra}


def step_entry(seconds, percent, bytes_written):
    return {
        "overhead": {
            "training_thread_seconds": seconds,
            "training_thread_percent": percent,
            "bytes_written": bytes_written,
        }
    }


class TestOfAnEnd:
    def test_is_what_the_end_entry_says(self, collector):
        collector.add_step(step_entry(5.0, 5.0, 5))
        section = {
            "training_thread_seconds": 1.5,
            "training_thread_percent": 0.5,
            "per_step_seconds": 0.0015,
            "monitor_cpu_seconds": 0.2,
            "thread_cpu_seconds": 0.3,
            "bytes_per_step": 2048.0,
            "budget_percent": 2.0,
            "shed_steps": 7,
            "failed": 1,
        }
        collector.add_end({"overhead": section})
        overhead = collector.finish(1000)

        assert section == {name: getattr(overhead, name) for name in section}
        assert [] == overhead.shed

    def test_without_anything_about_it_is_unknown(self, collector):
        collector.add_end({})
        overhead = collector.finish(None)

        assert overhead.training_thread_seconds is None
        assert overhead.budget_percent is None
        assert 0 == overhead.shed_steps


class TestWithoutAnEnd:
    def test_is_the_sum_of_the_steps_over_the_time_that_they_cover(self, collector):
        collector.add_step(step_entry(0.001, 1.0, 3000))  # of 0.1 s
        collector.add_step({"step": 2})  # not at ultra
        collector.add_step(step_entry(0.003, 1.0, 1000))  # of 0.3 s
        overhead = collector.finish(3)

        assert (0.004, 0.002, 2000.0) == (
            overhead.training_thread_seconds, overhead.per_step_seconds, overhead.bytes_per_step
        )  # fmt: skip
        assert overhead.training_thread_percent == pytest.approx(1.0)

    @pytest.mark.parametrize("section", [step_entry(0.0, 1.0, 0), step_entry(1e308, 1e-300, -1)])
    def test_of_rubbish_has_no_share(self, collector, section):
        collector.add_step(section)

        assert not collector.finish(1).training_thread_percent


class TestWhatWasShed:
    def test_is_named_with_the_steps_from_first_to_last(self, collector):
        for entry in (
            change(10, "shed", "micro_batches", MICRO),
            change(20, "shed", "trends", BOTH),
            change(120, "restored", "trends", MICRO),
            change(150, "restored", "micro_batches", []),
            change(400, "shed", "micro_batches", MICRO),
        ):
            collector.add_change(entry)
        overhead = collector.finish(500)

        assert (BOTH, 240, 1.0) == (overhead.shed, overhead.shed_steps, overhead.budget_percent)
        assert not overhead.is_exceeded
        assert 240 == collector.finish(500).shed_steps

    def test_counts_the_steps_of_the_end_entry_if_it_has_them(self, collector):
        collector.add_change(change(10, "shed", "micro_batches", MICRO))
        collector.add_end({"overhead": {"shed_steps": 77}})

        assert 77 == collector.finish(500).shed_steps

    def test_may_not_have_been_enough(self, collector):
        collector.add_change(change(10, "exceeded", None, []))
        overhead = collector.finish(500)

        assert (True, [], 0) == (overhead.is_exceeded, overhead.shed, overhead.shed_steps)
