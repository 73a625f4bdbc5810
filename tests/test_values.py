"""Any value becomes JSON, and no value raises."""

import dataclasses
import math
import time
import uuid
from collections import deque
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlog.values import MAX_DEPTH, MAX_ITEMS, MAX_TEXT, MAX_VALUES, clean_text, normalize


class Color(Enum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


class TextKey(str, Enum):  # noqa: UP042 - `str` of it is not its value, unlike StrEnum's
    NAME = "name"


@dataclasses.dataclass
class Options:
    rate: float
    folder: Path


class RaisingRepr:
    def __repr__(self):
        raise ZeroDivisionError


class UnboundProxy:
    """What werkzeug's proxies are outside of a request."""

    @property
    def __class__(self):
        raise RuntimeError("unbound")


class OwnText(str):
    __slots__ = ()

    def __str__(self):
        return self


def value_of(value):
    """Return `value`, normalized; it must be encodable and have only finite numbers."""
    result, non_finite = normalize(value)
    assert {} == non_finite
    assert result == orjson.loads(orjson.dumps(result))
    return result


class TestPlainValues:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (None, None),
            (True, True),
            (-(2**63), -(2**63)),
            (2**64 - 1, 2**64 - 1),
            (2**70, "<int: 1180591620717411303424>"),
            (Path("/a/b"), "/a/b"),
            (Color.RED, "red"),
            (Size.BIG, 3),
            (date(2025, 1, 2), "2025-01-02"),
            (datetime(2025, 1, 2, 3, tzinfo=UTC), "2025-01-02T03:00:00+00:00"),
            (timedelta(minutes=1), 60.0),
            (b"abc", "<bytes: 3 bytes>"),
            (Decimal("1.5"), "<Decimal: Decimal('1.5')>"),
            (1 + 2j, "<complex: (1+2j)>"),
            (ValueError("no"), "<ValueError: no>"),
            (dict, "builtins.dict"),
            (Options(0.5, Path("/x")), {"rate": 0.5, "folder": "/x"}),
            ((1, [2], deque([3])), [1, [2], [3]]),
            (frozenset({1}), [1]),
            ({1: "a", None: "b", (2, 3): "c"}, {"1": "a", "None": "b", "(2, 3)": "c"}),
            ({TextKey.NAME: 1}, {"name": 1}),
            (OwnText("abc"), "abc"),
            ({OwnText("abc"): 1}, {"abc": 1}),
        ],
    )
    def test_become_json(self, value, expected):
        assert expected == value_of(value)

    def test_too_long_for_python_to_print_become_their_size(self):
        assert "<int: 16610 bits>" == value_of(10**5000)

    def test_of_kept_types_are_passed_on(self):
        kept = uuid.uuid4()

        assert kept is normalize({"a": kept}, keep=(uuid.UUID,))[0]["a"]


class TestText:
    def test_with_lone_surrogates_is_escaped(self):
        assert "a\\ud800b é" == value_of("a\ud800b é")
        assert {"\\udcff": 1} == value_of({"\udcff": 1})

    def test_that_is_too_long_keeps_both_ends_and_says_what_is_cut(self):
        text = "first line " + "x" * MAX_TEXT + " last line"
        cut = clean_text(text)

        assert cut.startswith("first line ")
        assert cut.endswith(" last line")
        left_out = len(text) - len(cut) + len("<cut: 61 characters>")
        assert f"<cut: {left_out} characters>" in cut
        assert cut == clean_text(cut)

    def test_at_the_limit_is_whole(self):
        assert "y" * MAX_TEXT == clean_text("y" * MAX_TEXT)


class TestNonFiniteNumbers:
    def test_are_null_and_named_with_their_dotted_path(self):
        entry = {"loss": math.nan, "list": [1.0, {"a": math.inf}], "b": -math.inf, "ok": 1.0}

        assert (
            {"loss": None, "list": [1.0, {"a": None}], "b": None, "ok": 1.0},
            {"metrics.loss": "nan", "metrics.list[1].a": "inf", "metrics.b": "-inf"},
        ) == normalize(entry, "metrics")

    @pytest.mark.parametrize(
        "value",
        [np.float32("nan"), np.float64("nan"), np.array(np.nan), torch.tensor(math.nan)],
    )
    def test_are_found_in_arrays_and_scalars(self, value):
        assert ({"loss": None}, {"loss": "nan"}) == normalize({"loss": value})


class TestArrays:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (np.float32(0.5), 0.5),
            (np.int64(7), 7),
            (np.bool_(True), True),
            (np.str_("a"), "a"),
            (np.longdouble(1.5), 1.5),
            (np.array([[1, 2]]), [[1, 2]]),
            (np.zeros((100, 2)), "<ndarray: float64 (100, 2)>"),
            (torch.tensor(0.5, dtype=torch.bfloat16, requires_grad=True), 0.5),
            (torch.tensor([1, 2]), [1, 2]),
            (torch.zeros(100), "<tensor: torch.float32 (100,) on cpu>"),
            (torch.eye(2).to_sparse(), "<tensor: torch.float32 (2, 2) on cpu>"),
        ],
    )
    def test_are_numbers_where_small_and_described_where_not(self, value, expected):
        assert expected == value_of(value)

    def test_on_a_device_are_never_read(self):
        """A meta tensor raises on `.item()`, `float` and `.tolist()`."""
        loss = torch.tensor(1.0, device="meta")

        assert {"loss": "<tensor: torch.float32 () on meta>"} == value_of({"loss": loss})

    def test_that_hold_themselves_end(self):
        array = np.empty(1, dtype=object)
        array[0] = array

        assert f"nested deeper than {MAX_DEPTH}>" in str(value_of(array))


class TestBadObjects:
    def test_with_a_raising_repr_say_so(self):
        assert ["<RaisingRepr: raised ZeroDivisionError>"] == value_of([RaisingRepr()])

    def test_with_a_raising_class_say_so(self):
        result, _ = normalize(UnboundProxy(), keep=(uuid.UUID,))

        assert "<UnboundProxy: raised RuntimeError>" == result

    def test_as_keys_say_so(self):
        assert {"<RaisingRepr: raised ZeroDivisionError>": 1} == value_of({RaisingRepr(): 1})

    def test_in_an_exception_say_so(self):
        assert "<ValueError: raised ZeroDivisionError>" == value_of(ValueError(RaisingRepr()))


class TestContainers:
    def test_that_hold_themselves_say_so(self):
        cycle = {"name": "a"}
        cycle["self"] = [cycle]

        assert {"name": "a", "self": ["<dict: refers to itself>"]} == value_of(cycle)

    def test_that_stand_twice_are_written_twice(self):
        """Only a container inside itself is a cycle."""
        shared = [1]

        assert {"a": [1], "b": [1]} == value_of({"a": shared, "b": shared})

    def test_that_are_deep_end(self):
        deep = []
        for _ in range(5000):
            deep = [deep]

        assert str(value_of(deep)).count("[") == MAX_DEPTH
        assert f"<list: nested deeper than {MAX_DEPTH}>" in str(value_of(deep))

    def test_that_are_long_are_cut_and_say_so(self):
        assert "<cut: 6 more items>" == value_of(list(range(MAX_ITEMS + 5)))[-1]
        assert "6 more keys" == value_of(dict.fromkeys(range(MAX_ITEMS + 5)))["<cut>"]
        assert MAX_ITEMS == len(value_of(range(10**12)))
        assert [*range(MAX_ITEMS)] == value_of(range(MAX_ITEMS))

    def test_that_are_wide_at_every_level_end_soon(self):
        wide = 1
        for _ in range(10):
            wide = [wide] * MAX_ITEMS
        started = time.perf_counter()
        encoded = orjson.dumps(normalize(wide)[0])

        assert encoded.count(b",") < 2 * MAX_VALUES
        assert time.perf_counter() - started < 10


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers()
    | st.text(st.characters()) | st.binary() | st.datetimes() | st.decimals() | st.uuids()
    | st.builds(object) | st.builds(RaisingRepr) | st.builds(UnboundProxy)
    | st.floats(width=32).map(np.float32) | st.floats().map(torch.tensor),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.lists(inner).map(deque)
    | st.dictionaries(st.text(st.characters()) | st.integers() | st.none(), inner)
    | st.builds(Options, rate=inner, folder=inner) | st.builds(ValueError, inner),
)  # fmt: skip


@given(ANYTHING)
def test_any_value_can_be_encoded(value):
    result, non_finite = normalize(value, "metrics")

    assert orjson.loads(orjson.dumps(result)) == result
    assert (result, {}) == normalize(result), "a second time changes it"
    assert set(non_finite.values()) <= {"nan", "inf", "-inf"}
    assert orjson.dumps(non_finite)
