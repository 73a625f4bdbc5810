"""Counters become rates; a counter that fell has none."""

from vlog.resources.rates import Rates


class TestRates:
    def test_are_the_rise_per_second_between_two_readings(self):
        rates = Rates()

        assert [None, 50.0, 0.0] == [
            rates.of("bytes", counter, now) for counter, now in ((100, 1.0), (200, 3.0), (200, 4.0))
        ]

    def test_are_absent_after_a_reset_and_where_no_time_has_passed(self):
        rates = Rates()

        assert [None, None, 10.0, None] == [
            rates.of("bytes", counter, now)
            for counter, now in ((100, 1.0), (5, 2.0), (15, 3.0), (20, 3.0))
        ]

    def test_keep_names_apart(self):
        rates = Rates()
        rates.of("a", 1, 1.0)

        assert rates.of("b", 100, 2.0) is None
