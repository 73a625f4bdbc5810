"""Redaction takes any text and any entry: it raises nothing, fails on nothing, and is done in time.

What it hides is the matter of other tests; here is only that whatever comes goes through.
"""

import logging
import time
from functools import partial

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlog.handlers import JsonlFormatter
from vlog.redaction import FAILED, redact, redact_text
from vlog.values import normalize

# What patterns look for, in pieces: put together at random, they nearly fit.
PIECES = [
    "password", "api_key", "token", "hf_", "sk-", "ghp_", "AKIA", "xoxb-", "eyJ", "Bearer ", "://",
    "Authorization", "-----BEGIN RSA PRIVATE KEY-----", "-----END", "=", ":", "@", "'", '"', "\\",
    "--", "-", "<redacted>", "<cut: 5 characters>", "{", "[", "}", "]", "(", ",", ";", " ", "\n",
    "\t", "\r", "%", "/", "?", "&", ".", "_", "a", "Z9" * 20, "é", "\u2028", "\x00", "\ud800",
    "'\\''",
]  # fmt: skip
TEXT = st.text(st.characters(), max_size=60) | st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(), max_size=4), max_size=25
).map("".join)
VALUE = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
few = partial(settings, deadline=None, derandomize=True, database=None)


def shape_of(value):
    """Return a value without its texts."""
    if isinstance(value, dict):
        return [shape_of(item) for item in value.values()]
    if isinstance(value, list):
        return [shape_of(item) for item in value]
    return str if isinstance(value, str) else value


@few(max_examples=1000)
@given(TEXT)
def test_any_text_goes_through(text):
    shown = redact_text(text)

    assert type(shown) is str
    assert FAILED not in shown or FAILED in text


@few(max_examples=500)
@given(TEXT)
def test_a_second_time_changes_nothing(text):
    """A record of another logger is redacted by the formatter and by the run."""
    once = redact_text(text)

    assert once == redact_text(once)


@few(max_examples=500)
@given(TEXT, VALUE)
def test_any_entry_keeps_its_shape_and_its_numbers(key, value):
    plain = normalize(value)[0]
    before = shape_of(plain)
    shown = redact(plain, key)

    assert before == shape_of(shown)
    assert orjson.loads(orjson.dumps(shown)) == shown
    assert FAILED not in str(shown) or FAILED in str(value)


@few(max_examples=300)
@given(TEXT, st.lists(VALUE, max_size=2).map(tuple), st.dictionaries(TEXT, VALUE, max_size=3))
def test_any_record_becomes_a_line(text, args, extra):
    record = logging.LogRecord("app", logging.INFO, "file.py", 1, text, args, None)
    vars(record).update({f"x{name}": value for name, value in extra.items()})
    line = JsonlFormatter().format_line(record)

    assert "log_record" == orjson.loads(line)["type"]
    assert 1 == len(line.decode().splitlines())


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_takes_time_in_proportion_to_the_text(piece):
    """A pattern that goes back over what it has read takes a hundred times as long here."""
    for other in ("", "=", "a", " ", "'", '"', "-", ":", "/", "@", "\\", "_"):
        unit = piece + other
        short, long = (unit * (length // len(unit)) for length in (3_000, 30_000))

        assert seconds(long) < 50 * max(seconds(short), 5e-4), unit


def seconds(text):
    """Return the least time that a text takes, as this process has it."""
    times = []
    for _ in range(2):
        began = time.process_time()
        redact_text(text)
        times.append(time.process_time() - began)
    return min(times)
