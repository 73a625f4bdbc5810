"""Nothing from a log acts on a terminal."""

import doctest
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vlog.units
import vlog.visible
from vlog.visible import visible, visible_json, visible_line

ACTING = ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\u061c", "\u2028", "\u202e", "\u2066", "\ud800"]


class TestVisible:
    @pytest.mark.parametrize("character", ACTING, ids=ascii)
    def test_shows_what_would_act(self, character):
        shown = visible(f"a{character}b")

        assert shown == f"a{shown[1:-1]}b"
        assert shown.isascii()
        assert shown.isprintable()

    def test_leaves_every_other_character_alone(self):
        text = "✅ Schritt 42 — Verlust: 0,23 [bold]é漢字🙂"

        assert text == visible(text)

    @given(st.text(st.characters()))
    def test_leaves_no_control_character(self, text):
        assert {"Cc", "Cs", "Zl", "Zp"}.isdisjoint(map(unicodedata.category, visible(text)))

    def test_takes_any_value(self):
        assert "None" == visible(None)


class TestVisibleJson:
    @given(st.recursive(st.none() | st.text() | st.integers(), st.lists))
    def test_means_the_same(self, value):
        raw = json.dumps(value, ensure_ascii=False)

        assert value == json.loads(visible_json(raw))
        assert "\x9b" not in visible_json(raw)

    def test_is_on_one_line(self):
        assert '{ "a": 1}' == visible_line(b'{\r"a":\t1}\n')


def test_examples_in_docstrings_are_true():
    for module in (vlog.visible, vlog.units):
        assert 0 == doctest.testmod(module).failed
