"""Times as text are those that datetime writes, however quickly they follow each other."""

import random
from datetime import datetime

import pytest

from vlog.clock import TimestampWriter

NOW = 1_790_000_000
DAY = 86_400


def by_datetime(seconds):
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="microseconds")


class TestTimestampWriter:
    def test_writes_what_datetime_does_at_any_time(self):
        dice, write = random.Random(1), TimestampWriter()
        times = [dice.uniform(-30, 60) * 365 * DAY for _ in range(5000)]

        assert [by_datetime(each) for each in times] == [write(each) for each in times]

    def test_writes_what_datetime_does_within_a_second_and_around_its_turn(self):
        dice, write = random.Random(2), TimestampWriter()
        times = [NOW + dice.uniform(0, 2) for _ in range(5000)]
        times += [NOW + turn + dice.uniform(-2e-6, 2e-6) for turn in (0, 1) for _ in range(5000)]

        assert [by_datetime(each) for each in times] == [write(each) for each in times]

    def test_goes_back_with_the_clock(self):
        write = TimestampWriter()
        times = [NOW + 0.5, NOW - DAY + 0.25, NOW + 0.75]

        assert [by_datetime(each) for each in times] == [write(each) for each in times]

    def test_goes_on_after_a_time_that_there_is_not(self):
        write = TimestampWriter()
        with pytest.raises((ValueError, OverflowError, OSError)):
            write(1e18)

        assert by_datetime(NOW) == write(NOW)
