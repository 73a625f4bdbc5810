"""What is saved of a line is an entry that stood there, never a part of one."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlog.analysis.salvage import pieces_of
from vlog.file_lines import Line
from vlog.reader import parse

A = (
    b'{"timestamp":"2025-01-10T11:30:00+01:00","type":"a","level":"INFO","message":"x",'
    b'"n":{"loss":0.5},"list":[1,{"x":1}]}'
)
B = (
    b'{"timestamp":"2025-01-10T11:31:00+01:00","type":"b","level":"INFO",'
    b'"message":"{\\"timestamp\\":1} } {"}'
)


def pieces(raw, **options):
    return list(pieces_of(Line(Path("run.jsonl"), 1, raw, **options)))


def kept(raw, **options):
    return [piece.raw for piece in pieces(raw, **options) if piece.entry is not None]


def left(raw):
    return [(piece.start, piece.raw) for piece in pieces(raw) if piece.entry is None]


class TestPiecesOf:
    @pytest.mark.parametrize("raw", [A + b"\n", A, A + b"\r\n", b" " + A + b"\t\n", b"{}\n"])
    def test_takes_a_whole_line_as_it_is(self, raw):
        (piece,) = pieces(raw, start=100)

        assert (raw.removesuffix(b"\n"), "", 100) == (piece.raw, piece.note, piece.start)

    def test_has_none_of_a_blank_line(self):
        assert [] == pieces(b" \r\n")

    @pytest.mark.parametrize("between", [b"", b"\0\0\0", b" ", b"\xef\xbb\xbf"])
    def test_parts_entries_that_are_glued(self, between):
        assert [A, B, A] == kept(A + between + B + between + A + b"\n")
        assert [] == left(A + between + B + b"\n")

    def test_takes_off_what_stands_around(self):
        assert [A] == kept(b"\xef\xbb\xbf" + A + b"\n")
        assert [A] == kept(A + b"\0\0\n")
        assert ["2 NUL bytes stood in front of it"] == [each.note for each in pieces(A, nuls=2)]

    def test_finds_an_entry_behind_a_torn_one(self):
        for size in range(1, len(A)):
            raw = A[:size] + B + b"\n"
            assert [B] == kept(raw), raw
            assert [(0, A[:size])] == left(raw)

    def test_finds_an_entry_in_front_of_a_torn_one(self):
        for size in range(1, len(B)):
            assert [A] == kept(A + B[:size] + b"\n")
            assert [(len(A), B[:size].rstrip())] == left(A + B[:size] + b"\n")

    def test_says_of_the_torn_part_that_it_is_torn(self):
        first, second = pieces(A + B[:30], start=10)

        assert (10, False) == (first.start, first.is_torn)
        assert (10 + len(A), "cut off after 30 bytes", True) == (
            second.start, second.note, second.is_torn
        )  # fmt: skip

    @pytest.mark.parametrize("value", [b"}", b"{", b'"', b",", b":", b"]", b"\\", b"\n", b"\0"])
    def test_takes_no_part_of_a_damaged_entry(self, value):
        """Wherever a byte is another one, what is kept is a whole line, or nothing."""
        for place in range(len(A)):
            raw = A[:place] + value + A[place + 1 :]
            try:
                parse(raw)
            except ValueError:
                assert [] == kept(raw), raw

    def test_takes_no_object_in_a_torn_entry_for_one(self):
        """An app's record may hold anything, also something with a time."""
        raw = b'{"timestamp":"2025","type":"log_record","fields":{"x":{"timestamp":1,"type":"a"}'

        assert [] == kept(raw)
        assert [(0, raw)] == left(raw)

    def test_replaces_what_is_no_utf_8(self):
        raw = A.replace(b'"a"', b'"\xff\xfe"')
        (piece,) = pieces(raw + b"\n")

        assert {"type": "��"} == {"type": piece.entry["type"]}
        assert (parse(piece.raw), "bytes that are no UTF-8 became U+FFFD") == (
            piece.entry,
            piece.note,
        )

    @pytest.mark.parametrize(
        "raw", [b"rubbish", b"[1]", b"7", b'{"x":NaN}', b"{" * 5000, b'{"x":"\\ud800"}']
    )
    def test_keeps_nothing_of_what_is_no_entry(self, raw):
        assert [(0, raw)] == left(raw + b"\n")
        assert [] == kept(raw + b"\n")

    def test_gives_up_on_rubbish_in_time(self):
        raw = b'{"timestamp":' * 100_000

        assert [(0, raw)] == left(raw)

    @given(st.lists(st.sampled_from([A, B, A[:30], b"\0", b"\xff", b"}", b"{"]) | st.binary()))
    def test_raises_nothing_and_invents_nothing(self, parts):
        raw = b"".join(parts)
        for piece in pieces(raw):
            if piece.entry is None:
                assert raw[piece.start :].startswith(piece.raw)
            else:
                assert piece.entry == orjson.loads(piece.raw)
