"""An alert is raised once per crossing, and resolved once."""

from vlog.alerts import AlertBook, Transition


class TestAlertBook:
    def test_tells_of_a_crossing_once_and_of_its_end_once(self):
        book = AlertBook()
        told = [
            book.update("memory", None, is_on, now)
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
        book.update("hot", "gpu 0", is_on=True, now=0)

        assert book.update("hot", "gpu 1", is_on=False, now=1) is None
        assert book.update("loss", None, is_on=False, now=1) is None
        assert Transition(is_raised=True, active_seconds=0.0) == book.update(
            "hot", "gpu 1", is_on=True, now=2
        )
        assert {("hot", "gpu 0"), ("hot", "gpu 1")} == book.active
