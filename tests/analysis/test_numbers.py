"""The set of numbers against Python's own."""

from hypothesis import given
from hypothesis import strategies as st

from vlog.analysis.numbers import Numbers

RANGES = st.tuples(st.integers(0, 30), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair)))


class TestNumbers:
    @given(st.lists(RANGES), RANGES)
    def test_is_a_set(self, added, asked):
        numbers, expected = Numbers(), set()
        for first, last in added:
            each = set(range(first, last + 1))
            assert bool(expected & each) is numbers.add(first, last)
            expected |= each
        wanted = set(range(asked[0], asked[1] + 1))

        assert bool(wanted & expected) is numbers.has_any(*asked)
        missing = [n for first, last in numbers.missing(*asked) for n in range(first, last + 1)]
        assert sorted(wanted - expected) == missing

    def test_is_small_where_nothing_is_missing(self):
        numbers = Numbers()
        for number in range(1000):
            numbers.add(number, number)

        assert 1 == len(numbers._firsts)
        assert [(1000, 1001)] == list(numbers.missing(0, 1001))
