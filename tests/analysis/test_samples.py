"""Statistics of long streams stay right in bounded memory."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vlog.analysis.samples
from vlog.analysis.samples import Samples


def samples_of(values):
    samples = Samples()
    for value in values:
        samples.add(value)
    return samples


class TestSamples:
    def test_holds_numbers_whose_gap_is_beyond_what_floats_hold(self):
        samples = Samples()
        for value in (-1.7e308, 1.7e308):
            samples.add(value)

        assert 0.0 == samples.quantile(0.5)

    def test_knows_nothing_of_no_numbers(self):
        samples = Samples()

        assert (0, None, None, None, None) == (
            samples.count,
            samples.mean,
            samples.min,
            samples.max,
            samples.quantile(0.5),
        )

    @given(st.lists(st.floats(-1e6, 1e6), min_size=1))
    def test_agrees_with_the_standard_library(self, values):
        samples = samples_of(values)

        assert pytest.approx(statistics.fmean(values), abs=1e-6) == samples.mean
        assert pytest.approx(statistics.median(values)) == samples.quantile(0.5)
        assert (min(values), max(values)) == (samples.min, samples.max)

    @pytest.mark.parametrize("count", [99, 100, 101, 5000])
    def test_keeps_an_even_sample_of_a_long_stream(self, monkeypatch, count):
        monkeypatch.setattr(vlog.analysis.samples, "MAX_SAMPLES", 100)
        samples = samples_of(float(value) for value in range(count))

        assert len(samples._kept) <= 100
        assert {samples._stride} == {
            later - earlier
            for earlier, later in zip(samples._kept, samples._kept[1:], strict=False)
        }
        assert pytest.approx(count / 2, rel=0.05) == samples.quantile(0.5)
        assert (count, 0, count - 1) == (samples.count, samples.min, samples.max)
