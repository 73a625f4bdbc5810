"""Any value, through any door, becomes a line of valid JSON, and no call raises."""

import argparse
import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import itertools
import json
import logging
import logging.config
import sys
import threading
import types
import uuid
import warnings
import weakref
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydantic
import pytest
import torch
from processes import text_of
from trainers import entries_of, make_trainer, of_type
from transformers import TrainerCallback

import vlog
from vlog.values import MAX_ITEMS, MAX_TEXT, normalize

NAN, INF = float("nan"), float("inf")


class Begins(str):
    """A text that is equal to any that begins so."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other):
        return isinstance(other, str) and other.startswith(self[:])


class NoNameError(Exception):
    def __str__(self):
        raise ValueError


def bad(*methods, base=object, error=NoNameError):
    """Return an object whose `methods` raise."""

    def refuse(*_args, **_options):
        raise error

    return type("Bad", (base,), dict.fromkeys(methods, refuse))()


class SecretClass:
    @property
    def __class__(self):
        raise NoNameError


class Nameless(type):
    """The class of classes that do not tell their name."""

    def __getattribute__(cls, name):
        raise NoNameError


class OfNameless(metaclass=Nameless):
    def __repr__(self):
        raise NoNameError


class OddRepr:
    def __repr__(self):
        return bad("__len__", "__getitem__", "__format__", base=str)


class LongRepr:
    def __repr__(self):
        return "x " * 5_000_000


class Endless(collections.abc.Mapping):
    def __getitem__(self, key):
        return key

    def __iter__(self):
        return itertools.count()

    def __len__(self):
        raise NoNameError


class Breaks(collections.abc.Mapping):
    """A mapping that raises behind its first key."""

    def __getitem__(self, key):
        return 1

    def __iter__(self):
        yield "a"
        raise NoNameError

    def __len__(self):
        return 2


class Clears:
    """A value that empties the dict it stands in when somebody looks at it."""

    def __init__(self):
        self.home = {"first": self, "second": 2}

    def __repr__(self):
        self.home.clear()
        return "cleared"


class Pair(NamedTuple):
    a: int
    b: int


@dataclasses.dataclass
class Options:
    rate: object = 1
    more: object = None


class RaisingOptions(Options):
    @property
    def rate(self):
        raise NoNameError

    @rate.setter
    def rate(self, value):
        pass


@dataclasses.dataclass(slots=True)
class Unset:
    there: int
    missing: int


class Model(pydantic.BaseModel):
    rate: float = 0.5
    name: str = "x"


class Untouchable(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *_args, **_options):
        raise NoNameError


class Distributed(torch.Tensor):
    """A tensor that stands for those of other ranks: reading it would wait for them."""

    @staticmethod
    def __new__(cls):
        return torch.Tensor._make_wrapper_subclass(cls, (2,), dtype=torch.float32)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(f"read by {func}")


class Kind(enum.Enum):
    LIST = [1]  # noqa: RUF012 - an odd enum on purpose
    NAN = NAN


def own_cycle():
    options = Options()
    options.more = options
    return options


def unset():
    value = Unset.__new__(Unset)
    value.there = 1
    return value


def dead_proxy():
    return weakref.proxy(Options())


def released_view():
    view = memoryview(bytearray(3))
    view.release()
    return view


def quietly(make, *args):
    """Return what `make` makes; torch warns of kinds of tensors that are new or old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*args)


FIRST = [*range(MAX_ITEMS - 1)]
TEXT_END = "é " * ((MAX_TEXT - 40) // 4)
CUT_TEXT = f"{TEXT_END}<cut: {10**7 - 2 * len(TEXT_END)} characters>{TEXT_END}"
ONE_ON_META = "<tensor: torch.float32 (1,) on meta>"
KEPT_ALIVE = Options()
NO_TENSOR = "<Bad: raised NoNameError>"
FLOATS = [
    torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip


def values():
    """Return name, value, and what stands in the log."""
    return [
        ("big", 2**70, "<int: 1180591620717411303424>"),
        ("small", -(2**70), "<int: -1180591620717411303424>"),
        ("huge", 10**6000, "<int: 19932 bits>"),
        ("negative_zero", -0.0, -0.0),
        ("decimal", decimal.Decimal("1.5"), "<Decimal: Decimal('1.5')>"),
        ("complex", complex(1, NAN), "<complex: (1+nanj)>"),
        ("surrogate", "a\ud800\udc9b", "a\\ud800\\udc9b"),
        ("bytes", b"\xff\x00", "<bytes: 2 bytes>"),
        ("released", released_view(), "<memoryview: raised ValueError>"),
        ("path", Path("/a\udcff"), "/a\\udcff"),
        ("uuid", uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ("timezone", dt.UTC, "<timezone: datetime.timezone.utc>"),
        ("timedelta", dt.timedelta(hours=1), 3600.0),
        ("enum", Kind.LIST, [1]),
        ("datetime64", np.datetime64("2025-01-02T03:04:05", "us"), "2025-01-02T03:04:05.000000"),
        ("nanoseconds", np.datetime64("2025-01-02", "ns"), "2025-01-02T00:00:00.000000000"),
        ("not_a_time", np.datetime64("NaT"), "NaT"),
        ("times", np.array(["2025-01-02"], "datetime64[D]"), ["2025-01-02"]),
        ("numpy_integer", np.uint64(2**64 - 1), 2**64 - 1),
        ("long_double", np.longdouble(1.5), 1.5),
        ("long_complex", np.clongdouble(1), "<complex: (1+0j)>"),
        ("structured", np.zeros(1, [("a", "i4"), ("b", "f8")]), [[0, 0.0]]),
        ("masked", np.ma.masked_array([1, 2], [0, 1]), [1, None]),
        ("objects", np.array([{"a": 1}, None], dtype=object), [{"a": 1}, None]),
        ("numpy_dtype", np.dtype("float32"), "<Float32DType: dtype('float32')>"),
        *((f"tensor_{kind}"[13:], torch.ones(2, dtype=kind), [1.0, 1.0]) for kind in FLOATS),
        ("complex_tensor", torch.ones(1, dtype=torch.complex64), ["<complex: (1+0j)>"]),
        ("gradient", torch.ones(2, requires_grad=True), [1.0, 1.0]),
        ("meta", torch.ones(2, device="meta"), "<tensor: torch.float32 (2,) on meta>"),
        ("meta_scalar", torch.tensor(1.0, device="meta"), "<tensor: torch.float32 () on meta>"),
        ("distributed", Distributed(), "<tensor: torch.float32 (2,) on cpu>"),
        ("sparse", quietly(torch.eye(2).to_sparse_csr), "<tensor: torch.float32 (2, 2) on cpu>"),
        ("jagged", quietly(torch.nested.nested_tensor, [torch.ones(1), torch.ones(2)]),
         "<tensor: torch.float32 nested on cpu>"),
        ("quantized", quietly(torch.quantize_per_tensor, torch.ones(3), 0.1, 0, torch.qint8),
         "<tensor: torch.qint8 (3,) on cpu>"),
        ("lazy", quietly(torch.nn.LazyLinear, 2).weight, Begins("<UninitializedParameter: ")),
        ("untouchable", torch.ones(2).as_subclass(Untouchable), Begins("<Untouchable: raised")),
        ("torch_dtype", torch.bfloat16, "torch.bfloat16"),
        ("device", torch.device("cuda:1"), "cuda:1"),
        ("size", torch.Size([2, 3]), [2, 3]),
        ("named_tuple", Pair(1, 2), {"a": 1, "b": 2}),
        ("counter", collections.Counter("aab"), {"a": 2, "b": 1}),
        ("default", collections.defaultdict(list, a=[1]), {"a": [1]}),
        ("ordered", collections.OrderedDict(a=1), {"a": 1}),
        ("user_text", collections.UserString("x"), "x"),
        ("array", array.array("d", [1.0]), [1.0]),
        ("dict_values", {"a": torch.ones(1, device="meta")}.values(),
         [ONE_ON_META]),
        ("namespace", types.SimpleNamespace(a=torch.ones(1, device="meta")),
         {"a": ONE_ON_META}),
        ("arguments", argparse.Namespace(rate=1), {"rate": 1}),
        ("model", Model(), {"rate": 0.5, "name": "x"}),
        ("options", Options(Path("/a")), {"rate": "/a", "more": None}),
        ("raising_field", RaisingOptions(), {"rate": "<raised NoNameError>", "more": None}),
        ("unset_field", unset(), {"there": 1, "missing": "<raised AttributeError>"}),
        ("own_cycle", own_cycle(), {"rate": 1, "more": "<Options: refers to itself>"}),
        ("million", range(10**6), [*FIRST, "<cut: 999001 more items>"]),
        ("million_list", [*range(10**6)], [*FIRST, "<cut: 999001 more items>"]),
        ("endless", Endless(), {str(n): n for n in FIRST} | {"<cut>": "more keys"}),
        ("long_text", "é " * 5_000_000, CUT_TEXT),
        ("generator", (n for n in itertools.count()), Begins("<generator: ")),
        ("iterator", itertools.count(), "<count: count(0)>"),
        ("raises_behind", Breaks(), {"a": 1, "<cut>": "raised NoNameError"}),
        ("cleared", Clears().home, {"first": "<Clears: cleared>", "second": 2}),
        ("same_keys", {1: "a", "1": "b", None: "c", "None": "d"},
         {"1": "a", "1 (2)": "b", "None": "c", "None (2)": "d"}),
        ("odd_keys", {"": 1, ".": 2, (1, "a"): 3, bad("__str__", "__repr__"): 4},
         {"": 1, ".": 2, "(1, 'a')": 3, "<Bad: raised NoNameError>": 4}),
        ("tensor_key", {torch.ones(1, device="meta"): 1}, {ONE_ON_META: 1}),
        ("cut_key", dict.fromkeys(["<cut>", *range(MAX_ITEMS)]),
         {"<cut>": None, **{str(n): None for n in FIRST[:-1]}, "<cut> (2)": "2 more keys"}),
        ("weak", weakref.ref(KEPT_ALIVE), Begins("<ReferenceType: ")),
        ("dead", dead_proxy(), "<ProxyType: raised ReferenceError>"),
        ("a_module", sys, "<module: <module 'sys' (built-in)>>"),
        ("function", dead_proxy, Begins("<function: <function dead_proxy ")),
        ("class", Options, f"{__name__}.Options"),
        ("lock", threading.Lock(), Begins("<lock: ")),
        ("exception", ExceptionGroup("two", [ValueError("a"), KeyError("b")]),
         "<ExceptionGroup: two (2 sub-exceptions)>"),
        ("raising_exception", NoNameError(), "<NoNameError: raised ValueError>"),
        ("raising_repr", bad("__repr__"), NO_TENSOR),
        ("raising_class", SecretClass(), "<SecretClass: raised NoNameError>"),
        ("nameless", OfNameless(), "<OfNameless: raised NoNameError>"),
        ("odd_repr", OddRepr(), "<OddRepr: >"),
        ("long_repr", LongRepr(), f"<LongRepr: {'x ' * 40}<cut: 9999840 characters>{'x ' * 40}>"),
        ("recursion", bad("__repr__", error=RecursionError), "<Bad: raised RecursionError>"),
        ("raising_attributes", bad("__getattribute__"), NO_TENSOR),
        ("raising_length", bad("__len__", "__eq__", "__hash__", "__bool__", base=list), []),
        ("raising_iteration", bad("__iter__", base=list), NO_TENSOR),
        ("raising_items", bad("items", base=dict), NO_TENSOR),
        ("raising_text", bad("__str__", "__len__", "__eq__", "__hash__", base=str), ""),
        ("raising_number", bad("__float__", "__eq__", base=float), NO_TENSOR),
    ]  # fmt: skip


NON_FINITE = {
    "plain": NAN,
    "negative": -INF,
    "numpy": np.float32("inf"),
    "half": torch.tensor(INF, dtype=torch.float16),
    "scalar": torch.tensor(NAN),
    "enum": Kind.NAN,
    "nested": {"a": [1.0, np.array([[NAN, 2.0]])]},
    "objects": np.array([NAN], dtype=object),
    "a.b": NAN,
    "a": {"b": INF},
}
NAMES = {
    "plain": "nan", "negative": "-inf", "numpy": "inf", "half": "inf", "scalar": "nan",
    "enum": "nan", "nested.a[1][0][0]": "nan", "objects[0]": "nan", "a.b": "nan", "a.b (2)": "inf",
}  # fmt: skip
NULLED = {
    "plain": None, "negative": None, "numpy": None, "half": None, "scalar": None, "enum": None,
    "nested": {"a": [1.0, [[None, 2.0]]]}, "objects": [None], "a.b": None, "a": {"b": None},
}  # fmt: skip

RESERVED = [
    "name", "module", "process", "args", "message", "levelname", "timestamp", "level", "seq",
    "run_id", "type", "rank", "pid", "verbosity", "step", "fields", "metrics", "non_finite",
    "logger", "event", "msg", "self", "kind", "method_name", "of_step", "exc_text", "_vlog", "",
]  # fmt: skip


def by_normalize(values):
    plain, non_finite = normalize(values, "fields")
    return [{"fields": json.loads(json.dumps(plain, allow_nan=False)), "non_finite": non_finite}]


def by_run_log(values):
    with vlog.training_run(1, "ultra", "log.jsonl") as run, run.step():
        run.log(values)
    return of_type(entries_of(), "training_step_complete")


def by_evaluation(values):
    with vlog.training_run(1, "ultra", "log.jsonl") as run, run.evaluation():
        run.log(**values)
    return of_type(entries_of(), "evaluation_complete")


def by_config(values):
    with vlog.training_run(1, "ultra", "log.jsonl", config=values):
        pass
    return of_type(entries_of(), "training_initialization")


def by_get_logger(values):
    with vlog.training_run(1, "ultra", "log.jsonl"):
        vlog.get_logger("app").info("hi", **values)
    return of_type(entries_of(), "log_record")


def by_bound_logger(values):
    with vlog.training_run(1, "ultra", "log.jsonl"):
        vlog.get_logger("app").bind(**values).warning("hi")
    return of_type(entries_of(), "log_record")


def by_extra(values):
    with vlog.training_run(1, "ultra", "log.jsonl", capture=["app"]):
        logging.getLogger("app").warning("hi", extra=values)
    return of_type(entries_of(), "log_record")


def by_formatter(values):
    handler = {"class": "logging.FileHandler", "filename": "app.jsonl", "formatter": "json"}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": "vlog.handlers.JsonlFormatter"}},
            "handlers": {"file": handler},
            "loggers": {"app": {"handlers": ["file"], "level": "INFO"}},
        }
    )
    logger = logging.getLogger("app")
    logger.info("hi", extra=values)
    for each in logger.handlers[:]:
        each.close()
        logger.removeHandler(each)
    return entries_of("app.jsonl")


class Logs(TrainerCallback):
    """Have the Trainer log `values` once."""

    def __init__(self, values):
        self.values = values

    def on_step_begin(self, args, state, control, **kwargs):
        self.trainer.log(dict(self.values))


def by_trainer(values):
    logs = Logs(values)
    callback = vlog.VerboseLoggingCallback("ultra", "log.jsonl")
    logs.trainer = make_trainer([callback, logs], max_steps=1, logging_strategy="no")
    logs.trainer.train()
    return of_type(entries_of(), "training_metrics_update")[:1]


# The door, and the section of the entry that a user's values are in.
DOORS = [
    (by_normalize, "fields"),
    (by_run_log, "metrics"),
    (by_evaluation, "metrics"),
    (by_config, "arguments"),
    (by_get_logger, "fields"),
    (by_bound_logger, "fields"),
    (by_extra, "fields"),
    (by_formatter, "fields"),
    (by_trainer, "metrics"),
]
# What stdlib and structlog refuse themselves, in the call of the app.
OF_RECORDS = {*vars(logging.makeLogRecord({})), "message", "asctime"}
REFUSED = {by_extra: OF_RECORDS, by_formatter: OF_RECORDS, by_bound_logger: ["self"]}

through_all_doors = pytest.mark.parametrize(
    ("door", "section"), DOORS, ids=[door.__name__ for door, _ in DOORS]
)


def only(entries):
    assert 1 == len(entries)
    return entries[0]


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture(autouse=True)
def all_lines_are_valid():
    """Every line of every log is strict JSON of the schema, and no call of vlog's failed."""
    yield
    assert " failed\n" not in text_of("verbose_logging_errors.log")
    for path in Path().glob("*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            json.loads(line, parse_constant=refuse)
        assert [] == vlog.validate(path).problems


@through_all_doors
class TestAValue:
    def test_is_written_or_described(self, door, section):
        table = values()
        entry = only(door({name: value for name, value, _ in table}))
        found = entry[section]

        for name, _, expected in table:
            assert expected == found[name], name
        assert "non_finite" not in entry or not entry["non_finite"]

    def test_that_is_not_finite_is_null_and_named(self, door, section):
        entry = only(door(dict(NON_FINITE)))

        assert NULLED == {name: entry[section][name] for name in NULLED}
        assert {f"{section}.{name}": kind for name, kind in NAMES.items()} == entry["non_finite"]

    def test_overwrites_nothing_by_its_name(self, door, section):
        names = [name for name in RESERVED if name not in REFUSED.get(door, ())]
        entry = only(door(dict.fromkeys(names, "mine")))

        assert dict.fromkeys(names, "mine") == {name: entry[section].get(name) for name in names}
        assert "mine" not in [value for value in entry.values() if isinstance(value, str)]


class TestANumberOfAnotherPackage:
    @pytest.mark.parametrize(
        ("value", "number", "plain"),
        [
            (fractions.Fraction(1, 4), 0.25, "<Fraction: Fraction(1, 4)>"),
            (np.timedelta64(5, "ns"), 5.0, "5 nanoseconds"),
        ],
    )
    def test_is_a_number_where_numbers_are_logged(self, value, number, plain):
        assert number == only(by_run_log({"a": value}))["metrics"]["a"]
        assert plain == normalize(value)[0]


class TestAsTheLoss:
    """The loss is looked at more than other numbers: by alerts, messages, the live line."""

    def test_any_value_completes_its_step(self):
        table = values()
        with vlog.training_run(len(table), "ultra", "log.jsonl", console=True) as run:
            for _, value, _ in table:
                with run.step():
                    run.log(loss=value, grad_norm=value)
        steps = of_type(entries_of(), "training_step_complete")

        assert len(table) == len(steps)
        for (name, _, expected), step in zip(table, steps, strict=True):
            assert expected == step["metrics"]["loss"], name
        assert "training_complete" == entries_of()[-1]["type"]

    def test_any_value_completes_an_evaluation(self):
        table = values()
        with vlog.training_run(1, "low", "log.jsonl") as run:
            for _, value, _ in table:
                with run.evaluation():
                    run.log(loss=value)

        assert len(table) == len(of_type(entries_of(), "evaluation_complete"))


class TestTheCountsOfAStep:
    def test_may_be_tensors(self):
        counts = {"samples": np.int64(4), "tokens": torch.tensor(7)}
        with vlog.training_run(1, "ultra", "log.jsonl") as run, run.step(**counts):
            pass
        step = only(of_type(entries_of(), "training_step_complete"))

        assert (4, 7) == (step["samples"], step["tokens"])

    def test_that_are_none_cost_no_entry(self):
        with vlog.training_run(3, "ultra", "log.jsonl") as run:
            for count in (torch.tensor(7, device="meta"), "many", 2**70):
                with run.step(samples=count):
                    pass

        assert 3 == len(of_type(entries_of(), "training_step_complete"))
        assert "no count" in text_of("verbose_logging_errors.log")


class TestAnOrderToStop:
    @pytest.mark.parametrize("order", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_passes_whatever_value_it_comes_in(self, order):
        """A signal's handler raises wherever the program is: to catch that would be to refuse."""
        with pytest.raises(order):
            normalize({"a": [bad("__repr__", error=order)]})

    def test_ends_the_run_as_interrupted(self):
        value = bad("__repr__", error=SystemExit)
        with pytest.raises(SystemExit), vlog.training_run(1, "ultra", "log.jsonl") as run:
            run.log(a=value)

        assert "SystemExit" == entries_of()[-1]["reason"]


class TestAValueThatLogs:
    def test_is_written_with_what_it_said(self):
        class Talks:
            def __repr__(self):
                vlog.get_logger("app").info("said", value=1)
                return "talked"

        with vlog.training_run(1, "ultra", "log.jsonl") as run:
            run.log(a=Talks())
        update = only(of_type(entries_of(), "training_metrics_update"))

        assert "<Talks: talked>" == update["metrics"]["a"]
        assert "said" == only(of_type(entries_of(), "log_record"))["message"]
