"""An alert is raised once per crossing, and resolved once."""

import pytest

from vlog.alerts import AlertBook, Transition


class TestAlertBook:
    def test_tells_of_a_crossing_once_and_of_its_end_once(self):
        book = AlertBook()
        told = [
            book.update(("memory", None), is_on, now)
            for now, is_on in enumerate([False, True, True, True, False, False, True])
        ]

        assert [
            None,
            Transition(is_raised=True, active_seconds=0.0),
            None,
            None,
            Transition(is_raised=False, active_seconds=3),
            None,
            Transition(is_raised=True, active_seconds=0.0),
        ] == told
        assert 2 == book.raised

    def test_keeps_alerts_and_their_subjects_apart(self):
        book = AlertBook()
        book.update(("hot", "gpu 0"), is_on=True, now=0)

        assert book.update(("hot", "gpu 1"), is_on=False, now=1) is None
        assert book.update(("loss", None), is_on=False, now=1) is None
        assert Transition(is_raised=True, active_seconds=0.0) == book.update(
            ("hot", "gpu 1"), is_on=True, now=2
        )
        assert {("hot", "gpu 0"), ("hot", "gpu 1")} == book.active

    @pytest.mark.parametrize(
        ("states", "changes"),
        [
            ("1111", {3: True}),
            ("111", {}),
            ("1101111", {6: True}),
            ("11110000", {3: True, 7: False}),
            ("111100010000", {3: True, 11: False}),
        ],
    )
    def test_waits_until_a_state_has_lasted(self, states, changes):
        book = AlertBook()
        found = {}
        for now, state in enumerate(states):
            change = book.update(("hot", None), state == "1", now, after_seconds=3)
            if change is not None:
                found[now] = change.is_raised

        assert changes == found

    def test_waits_however_seldom_it_is_looked_at(self):
        book = AlertBook()
        book.update(("hot", None), is_on=True, now=0, after_seconds=1)

        assert book.update(("hot", None), is_on=True, now=600, after_seconds=1).is_raised
