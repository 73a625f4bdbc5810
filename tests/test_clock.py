"""Times as text are those that datetime writes, however quickly they follow each other."""

import random
import time
from datetime import datetime

import pytest

from vlog.clock import iso_timestamp

NOW = 1_790_000_000
DAY = 86_400


def by_datetime(seconds):
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="microseconds")


@pytest.fixture
def go_to(monkeypatch):
    """Have local time be that of a place."""

    def go(place):
        monkeypatch.setenv("TZ", place)
        time.tzset()

    yield go
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(params=["UTC", "Asia/Kathmandu", "America/St_Johns", "Africa/Monrovia"])
def place(request, go_to):
    """A place: its offset has quarters of an hour, its time changed at 00:01, or had seconds."""
    go_to(request.param)


@pytest.mark.usefixtures("place")
class TestIsoTimestamp:
    def test_writes_what_datetime_does_at_any_time(self):
        dice = random.Random(1)
        times = [dice.uniform(-30, 60) * 365 * DAY for _ in range(5000)]

        assert [by_datetime(each) for each in times] == [iso_timestamp(each) for each in times]

    def test_writes_what_datetime_does_within_a_second_and_around_its_turn(self):
        dice = random.Random(2)
        times = [NOW + dice.uniform(0, 2) for _ in range(5000)]
        times += [NOW + turn + dice.uniform(-2e-6, 2e-6) for turn in (0, 1) for _ in range(5000)]

        assert [by_datetime(each) for each in times] == [iso_timestamp(each) for each in times]

    def test_goes_back_with_the_clock(self):
        times = [NOW + 0.5, NOW - DAY + 0.25, NOW + 0.75]

        assert [by_datetime(each) for each in times] == [iso_timestamp(each) for each in times]

    def test_goes_on_after_a_time_that_there_is_not(self):
        with pytest.raises((ValueError, OverflowError, OSError)):
            iso_timestamp(1e18)

        assert by_datetime(NOW) == iso_timestamp(NOW)


def test_knows_a_place_from_another_whose_zones_have_the_same_names(go_to):
    moment = 1_750_000_000  # in summer: CDT in both, an hour apart
    for place in ("America/Chicago", "America/Havana"):
        go_to(place)
        assert by_datetime(moment) == iso_timestamp(moment)


def test_knows_both_hours_of_the_night_in_which_clocks_are_put_back(go_to):
    go_to("America/St_Johns")
    # In 2009 the clocks of Newfoundland were put back a minute after midnight.
    midnight = 1_257_042_600
    times = [midnight + each for each in range(-4000, 8000, 7)]

    texts = [iso_timestamp(each) for each in times]

    assert texts == [by_datetime(each) for each in times]
    assert {text[-6:] for text in texts} == {"-02:30", "-03:30"}
