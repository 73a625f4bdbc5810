"""An alert is raised once per crossing, and resolved once."""

import math

import pytest

from vlog.alerts import AlertBook, Limit, Transition, is_non_finite


class TestLimit:
    def test_is_crossed_above_the_threshold(self):
        limit = Limit("memory", 90.0)

        assert [False, False, True] == [
            limit.is_crossed(value, was_active=False) for value in (89.9, 90.0, 90.1)
        ]

    def test_stays_crossed_until_the_value_is_below_by_the_margin(self):
        limit = Limit("memory", 90.0, margin=2.0)

        assert [True, True, False] == [
            limit.is_crossed(value, was_active=True) for value in (90.1, 88.1, 88.0)
        ]

    def test_is_not_crossed_by_nan(self):
        assert not Limit("memory", 90.0).is_crossed(math.nan, was_active=False)


class TestIsNonFinite:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [(math.nan, True), (math.inf, True), (-math.inf, True), (1.0, False), (1, False),
         (2**2000, False), ("nan", False), (None, False)],
    )  # fmt: skip
    def test_of_anything(self, value, expected):
        assert expected is is_non_finite(value)


class TestAlertBook:
    def test_tells_of_a_crossing_once_and_of_its_end_once(self):
        book = AlertBook()
        told = [
            book.update("memory", is_on, now)
            for now, is_on in enumerate([False, True, True, True, False, False, True])
        ]

        assert [
            None,
            Transition("memory", is_raised=True, active_seconds=0.0),
            None,
            None,
            Transition("memory", is_raised=False, active_seconds=3),
            None,
            Transition("memory", is_raised=True, active_seconds=0.0),
        ] == told
        assert 2 == book.raised
        assert book.is_active("memory")

    def test_raises_one_alert_for_a_value_that_hovers_at_the_limit(self):
        book, limit = AlertBook(), Limit("memory", 90.0)
        for now, value in enumerate([89.9, 90.1, 89.9, 90.1, 89.5, 90.2]):
            book.update(limit.name, limit.is_crossed(value, book.is_active(limit.name)), now)

        assert 1 == book.raised

    def test_keeps_alerts_apart(self):
        book = AlertBook()
        book.update("memory", is_on=True, now=0)

        assert not book.is_active("loss")
        assert book.update("loss", is_on=False, now=1) is None
        assert book.is_active("memory")
