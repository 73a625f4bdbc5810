"""The summary can be printed whatever an entry holds."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlog.analysis.summary import summarize
from vlog.cli.screen import Screen
from vlog.cli.summary_view import print_summary


class TestPrintSummary:
    def test_tells_the_steps_of_this_run_from_those_of_earlier_ones(self, log, sample_run, capsys):
        sample = sample_run(steps=40)
        sample.step = 25
        sample.begin()
        sample.entries[-1]["start_step"] = 25
        summary = summarize(sample.train().write(log.with_name("resumed.jsonl")))

        print_summary(Screen(), summary, summary.last_run)

        assert "40 of 40 (15 in this run), 100.0 %" in capsys.readouterr().out

    def test_prints_huge_numbers_shortly(self, log, sample_run, capsys):
        sample = sample_run().begin()
        sample.entries[-1]["total_steps"] = -4
        for sample.step in (1, 2):
            sample.add_step(
                timing=dict.fromkeys(("step_time_seconds", "data_wait_seconds"), 1e308),
                progress={"progress_percent": 1e300, "total_steps": -4},
                resource_usage={"memory": {"used_gb": 1e308, "usage_percent": -1e308}},
            )
        sample.save(size_mb=1e308)
        summary = summarize(sample.write(log.with_name("huge.jsonl")))

        print_summary(Screen(), summary, summary.last_run)

        assert max(map(len, capsys.readouterr().out.splitlines())) < 150

    def test_names_gpus_and_the_subjects_of_alerts(self, log, sample_run, capsys):
        sample = sample_run().begin()
        device = {"index": 0, "name": "H100", "memory_usage_percent": 97.0, "energy_joules": 1.8e6}
        sample.step = 1
        sample.add_step(resource_usage={"gpu": {"devices": [device]}})
        sample.add("resource_warning", "Full!", "WARNING", alert="full", subject="gpu 0")
        summary = summarize(sample.write(log.with_name("gpu.jsonl")))

        print_summary(Screen(), summary, summary.last_run)

        out = capsys.readouterr().out
        for text in ("H100", "memory: mean 97.0 %, peak 97.0 %", "energy: 0.5 kWh", "full (gpu 0)"):
            assert text in out

    def test_says_what_vlog_cost_and_what_it_left_out(self, log, sample_run, capsys):
        sample = sample_run().begin().train()
        for number, extra in enumerate(("micro_batches", "trends")):
            sample.add(
                "overhead_budget", step=number, change="shed", extra=extra, shed=[extra],
                budget_percent=0.5, overhead_percent=2.0,
            )  # fmt: skip
        overhead = {
            "training_thread_seconds": 3.25, "training_thread_percent": 0.347,
            "per_step_seconds": 0.000123, "bytes_per_step": 2560.0, "thread_cpu_seconds": 0.8,
            "monitor_cpu_seconds": 0.5, "budget_percent": 0.5, "shed_steps": 1200,
        }  # fmt: skip
        sample.end(overhead=overhead)
        summary = summarize(sample.write(log.with_name("cost.jsonl")))

        print_summary(Screen(), summary, summary.last_run)

        out = capsys.readouterr().out
        for text in (
            "3.25 s (0.35 %), 0.123 ms and 2.5 KiB a step; 800 ms of processor time beside it",
            "to keep its budget of 0.5 % it left out micro-batches, trends, in 1,200 steps",
        ):
            assert text in out
        assert "nothing left" not in out

    def test_says_that_the_budget_could_not_be_kept(self, log, sample_run, capsys):
        sample = sample_run().begin().train()
        sample.add("overhead_budget", change="exceeded", shed=[], budget_percent=1.0)
        summary = summarize(sample.write(log.with_name("exceeded.jsonl")))

        print_summary(Screen(), summary, summary.last_run)

        out = " ".join(capsys.readouterr().out.split())
        assert "vlog itself what it cost in all stands in an end entry, which is not there" in out
        assert "it was above its budget of 1 % with nothing left to leave out" in out
        assert "a lower verbosity costs less; overhead_budget_percent is the budget" in out
        assert "it left out" not in out

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
    @given(data=st.data())
    def test_prints_fields_of_any_type(self, tmp_path, sample_run, data, capsys):
        sample = sample_run().begin().train()
        cost = {"training_thread_seconds": 1, "training_thread_percent": 1, "bytes_written": 1}
        sample.entries[-1]["overhead"] = cost
        sample.add(
            "overhead_budget", step=1, change="shed", extra="trends", shed=[], budget_percent=1
        )
        sample.save().end()
        odd = st.none() | st.booleans() | st.text() | st.just([]) | st.floats(allow_infinity=False)
        for entry in sample.entries:
            places = list(_places(entry))
            for path in data.draw(st.lists(st.sampled_from(places), max_size=3)):
                _replace(entry, path, data.draw(odd))
        log = tmp_path / "odd.jsonl"
        log.unlink(missing_ok=True)
        summary = summarize(sample.write(log))

        print_summary(Screen(), summary, summary.last_run)

        assert "Files" in capsys.readouterr().out


def _places(value, path=()):
    for key, inner in value.items():
        yield (*path, key)
        if isinstance(inner, dict):
            yield from _places(inner, (*path, key))


def _replace(entry, path, value):
    for key in path[:-1]:
        if not isinstance(entry[key], dict):
            return
        entry = entry[key]
    entry[path[-1]] = value
