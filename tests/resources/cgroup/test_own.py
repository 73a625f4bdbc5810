"""What the files of control groups say is read by the whole name."""

import pytest

from vlog.resources.cgroup.own import value_of
from vlog.resources.files import KeptFile

FILE = KeptFile("memory.stat")


class TestValueOf:
    @pytest.mark.parametrize(
        ("name", "value"), [(b"file", 2), (b"inactive_file", 1), (b"last", 3), (b"fil", None)]
    )
    def test_is_the_number_behind_the_whole_name(self, name, value):
        assert value == value_of(name, b"inactive_file 1\nfile 2\nlast 3", FILE)
