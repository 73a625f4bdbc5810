"""The summary can be printed whatever an entry holds."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlog.analysis.summary import summarize
from vlog.cli.screen import Screen
from vlog.cli.summary_view import print_summary


class TestPrintSummary:
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
