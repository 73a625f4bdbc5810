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

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
    @given(data=st.data())
    def test_prints_fields_of_any_type(self, tmp_path, sample_run, data, capsys):
        sample = sample_run().whole()
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
