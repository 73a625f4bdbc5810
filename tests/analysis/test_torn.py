"""A line that a kill cut off is told apart from one that was damaged in another way."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlog.analysis.torn import torn_reason
from vlog.file_lines import Line

ENTRY = orjson.dumps(
    {
        "message": '✅ "é" \n \\',
        "a": [1, -2.5e-30, True, False, None, {"x": {}}],
        "b": {"c": 1e300, "d": "\ufeff"},
    }
)


def reason_of(raw, nuls=0):
    return torn_reason(Line(Path("run.jsonl"), 1, raw, nuls=nuls))


class TestTornReason:
    @pytest.mark.parametrize("ending", [b"", b"\n", b"\0" * 10, b"\0\0\n"])
    def test_knows_a_line_that_was_cut_at_any_byte(self, ending):
        for size in range(1, len(ENTRY)):
            assert reason_of(ENTRY[:size] + ending).startswith("cut off after "), ENTRY[:size]

    def test_knows_nul_bytes(self):
        assert "3 NUL bytes" == reason_of(b"\n", nuls=3)
        assert "a NUL byte" == reason_of(b"", nuls=1)

    @pytest.mark.parametrize(
        "raw",
        [
            b"\n",
            b"rubbish\n",
            b'"text\n',
            b"[1,\n",
            ENTRY + b"}\n",
            ENTRY + ENTRY,
            ENTRY[:40] + ENTRY,
            ENTRY[:20] + b"\xff" + ENTRY[21:],
            ENTRY.replace(b",", b"", 1),
            b'{"a":' * 10_000,
        ],
    )
    def test_leaves_other_damage_alone(self, raw):
        assert reason_of(raw) is None

    @given(st.binary() | st.binary().map(lambda raw: ENTRY[:30] + raw + ENTRY[30:]))
    def test_raises_nothing_whatever_the_bytes_are(self, raw):
        assert reason_of(raw) is None or isinstance(reason_of(raw), str)
