"""Whatever bytes stand in a log, reading it raises nothing but what says that it cannot be read."""

import gzip
import json
import time
from functools import partial
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import vlog
from vlog.cli.app import app
from vlog.errors import LogReadError
from vlog.filters import Filter
from vlog.integrations.log_events import EventReader

ENTRY = {
    "timestamp": "2026-01-10T11:30:00.123456+00:00",
    "type": "training_step_complete",
    "level": "INFO",
    "message": "✅ Step 42 completed - Loss: 0.234567",
    "run_id": "20260110-112900-3f2a1b",
    "rank": 0,
    "pid": 4711,
    "seq": 47,
    "verbosity": "medium",
    "step": 42,
    "epoch": 1.05,
    "metrics": {"loss": 0.23, "learning_rate": 0.0001, "grad_norm": 1.2},
    "timing": {"step_time_seconds": 2.3, "eta_minutes": 45.7},
    "progress": {"progress_percent": 42.0, "total_steps": 100, "remaining_steps": 58},
    "resource_usage": {
        "cpu": {"usage_percent": 75.5},
        "memory": {"usage_percent": 68.2},
        "gpu": {"devices": [{"index": 0, "memory_usage_percent": 3.0}]},
    },
    "trends": {"memory_usage_trend": {"current": 68.2}},
}


def entry(**changes):
    return {**ENTRY, **changes}


LOG = [
    entry(
        type="system_initialization",
        seq=0,
        schema_version=1,
        environment={"host": {"hostname": "a"}, "git": {"commit": "b"}, "versions": {}},
        logging={"verbosity_level": "high", "alert_limits": {}},
    ),
    entry(type="training_initialization", seq=1, model={"class": "m", "total_parameters": 5}),
    entry(type="training_start", seq=2, total_steps=100, start_step=0, batch={}),
    *(entry(seq=seq, step=seq) for seq in range(3, 8)),
    entry(type="evaluation_complete", seq=8, metrics={"eval_loss": 0.5}),
    entry(type="model_checkpoint_save", seq=9, checkpoint={"path": "p", "size_mb": 1.0}),
    entry(type="resource_warning", seq=10, alert="high_memory_usage", value=91.0, level="WARNING"),
    entry(type="alert_resolved", seq=11, alert="high_memory_usage", active_seconds=3.0),
    entry(type="log_record", seq=12, logger="app", fields={"a": 1, "exception": "x"}),
    entry(
        type="training_complete",
        seq=13,
        statistics={"steps": 5, "final_loss": 0.2, "phases": {}},
        overhead={"entries": 14},
    ),
]
LINES = [orjson.dumps(each) + b"\n" for each in LOG]
RAW = b"".join(LINES)

SCALAR = (
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(-(2**70), 2**70)
    | st.sampled_from(["", "nan", "2026-13-99T99", "9999-12-31T23:59:59+14:00", 1e308, -1, 2**63])
)  # fmt: skip
VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ENTRY, "devices", "x"]), inner, max_size=3)
    ),
    max_leaves=4,
)


def paths_of(value, path=()):
    """Yield the path of every value in `value`."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in pairs:
        yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from paths_of(item, (*path, key))


@st.composite
def odd_entries(draw):
    """Return a log some of whose values are others than they should be, or not there."""
    log = json.loads(json.dumps(LOG))
    for _ in range(draw(st.integers(1, 4))):
        *parents, last = draw(st.sampled_from([path for path in paths_of(log) if len(path) > 1]))
        home = log
        for each in parents:
            home = home[each] if type(home) in (dict, list) and has(home, each) else {}
        if type(home) in (dict, list) and has(home, last):
            if draw(st.booleans()):
                home[last] = draw(VALUE)
            else:
                del home[last]
    return b"".join(json.dumps(each).encode() + b"\n" for each in log)


def is_entry(line):
    """Return whether a line is JSON: Python writes NaN and numbers of any size, too."""
    try:
        return isinstance(orjson.loads(line), dict)
    except ValueError:
        return False


def has(home, key):
    return key in home if isinstance(home, dict) else isinstance(key, int) and key < len(home)


@st.composite
def damaged(draw, raw=RAW):
    """Return `raw` cut, with bytes overwritten, put in, taken out or doubled."""
    data = bytearray(raw)
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = min(start + draw(st.integers(0, 40)), len(data))
        junk = draw(st.binary(max_size=20) | st.sampled_from([b"\0" * 50, b"\n", b"{", b"\xff"]))
        how = draw(st.sampled_from(["replace", "insert", "remove", "double", "cut"]))
        if how == "cut":
            del data[start:]
        elif how == "double":
            data[end:end] = data[start:end]
        else:
            data[start : start if how == "insert" else end] = b"" if how == "remove" else junk
    return bytes(data)


def compressed(suffix):
    pack = gzip.compress if suffix == ".gz" else zstandard.ZstdCompressor().compress
    return pack(RAW)


def events(path):
    reader = EventReader(path, Filter())
    batch = reader.begin(None, from_end=False)
    while not batch.is_all:
        batch = reader.batch()
    reader.close()


def read_all(path):
    """Read `path` in every way that there is, and return its entries."""
    problems = []
    add = lambda *problem: problems.append(problem)  # noqa: E731 - the short way to say it
    entries = list(vlog.read(path, on_problem=add))
    assert all(type(each) is dict for each in entries)
    assert orjson.dumps(vlog.summarize(path), default=str)
    assert vlog.validate(path).lines >= 0
    if path.suffix == ".jsonl":
        list(vlog.follow(path, stop=lambda: True, on_problem=add))
        list(vlog.follow(path, stop=lambda: True, from_start=False))
        events(path)
    return entries


def command(*arguments):
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code in (0, 1, 2)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception


def write(raw, name="log.jsonl"):
    path = Path(name)
    path.write_bytes(raw)
    return path


few = partial(settings, deadline=None, derandomize=True, database=None)


class TestAPlainFile:
    @few(max_examples=100)
    @given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda raw: raw + b"\n{}\n"))
    def test_of_any_bytes_is_read(self, raw):
        read_all(write(raw))

    @few(max_examples=100)
    @given(damaged())
    def test_that_is_damaged_keeps_its_whole_lines(self, raw):
        entries = read_all(write(raw))
        whole = sum(line + b"\n" in LINES for line in raw.split(b"\n")[:-1])

        assert len(entries) >= whole

    @few(max_examples=150)
    @given(odd_entries())
    def test_of_odd_entries_is_read(self, raw):
        assert sum(map(is_entry, raw.splitlines())) == len(read_all(write(raw)))

    @few(max_examples=25)
    @given(damaged() | odd_entries() | st.binary(max_size=100))
    def test_of_any_kind_can_be_shown(self, raw):
        path = write(raw)
        for arguments in (["tail"], ["tail", "--json"], ["summary"], ["summary", "--json"],
                          ["validate"], ["validate", "--json"]):  # fmt: skip
            command(*arguments, path)

    @pytest.mark.parametrize(
        "line",
        [
            b"\0" * 10**6,
            b"[" * 10**6,
            b'{"a":' * 10**6,
            b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}",
            b'{"message":"' + b"x" * 10**7 + b'"}',
            b'{"seq":' + b"9" * 10**5 + b"}",
            b'{"step":1e999,"seq":-1,"epoch":1e-999}',
            b'{"type":"training_start","total_steps":' + b"9" * 400 + b"}",
            b'{"a":1,"a":2,"":3}',
            b'{"a":NaN,"b":Infinity}',
            b'\xef\xbb\xbf{"a":1}',
            b'{"a":"\xed\xa0\x80"}',
            b'{"a":"\\ud800"}',
            b'{"a":"\xff"}',
            b'null\ntrue\n1\n[]\n"a"',
            b" \t\r\n\r\n\x0b\x0c",
        ],
        ids=lambda line: ascii(line[:12]),
    )
    def test_with_an_odd_line_keeps_the_others(self, line):
        path = write(RAW + line + b"\n" + RAW)
        entries = read_all(path)

        assert 2 * len(LOG) <= len(entries) <= 2 * len(LOG) + 1
        command("validate", path)
        command("tail", path)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
class TestACompressedSegment:
    def read_both(self, raw, suffix):
        """Read a log that has the segment `raw`, and the segment alone."""
        write(RAW)
        segment = write(raw, f"log.jsonl.000001{suffix}")
        entries = read_all(Path("log.jsonl"))
        list(vlog.read(segment))
        command("validate", "log.jsonl")
        return entries

    @few(max_examples=60)
    @given(st.data())
    def test_that_is_damaged_costs_no_other_file(self, suffix, data):
        raw = data.draw(damaged(compressed(suffix)))

        assert len(self.read_both(raw, suffix)) >= len(LOG)

    @few(max_examples=30)
    @given(raw=st.binary(max_size=100))
    def test_of_any_bytes_costs_no_other_file(self, suffix, raw):
        assert len(LOG) == len(self.read_both(raw, suffix))

    def test_that_is_whole_is_read(self, suffix):
        assert 2 * len(LOG) == len(self.read_both(compressed(suffix), suffix))


class TestAFileThatGrows:
    @few(max_examples=50)
    @given(st.lists(damaged() | st.binary(max_size=50) | st.sampled_from(LINES), max_size=6))
    def test_by_any_bytes_is_followed(self, pieces):
        path = write(b"")
        waiting = list(pieces)
        found = 0

        def is_over():
            if waiting:
                with path.open("ab") as stream:
                    stream.write(waiting.pop(0))
            return not waiting

        for each in vlog.follow(path, poll_seconds=0, stop=is_over):
            found += type(each) is dict
        whole = [line for line in b"".join(pieces).split(b"\n")[:-1] if line + b"\n" in LINES]

        assert found >= len(whole)


class TestAnyPath:
    @few(max_examples=100)
    @given(st.text(max_size=20) | st.binary(max_size=20))
    def test_that_is_no_log_is_refused_in_words(self, path):
        for look in (vlog.read, vlog.summarize, vlog.validate):
            with pytest.raises(LogReadError):
                list(look(path))


def test_a_long_line_of_rubbish_is_passed_over_quickly():
    """The time is that of its length, not of its square."""
    path = write(b"{" + b"x" * 30_000_000 + b"\n" + RAW)
    began = time.perf_counter()

    assert len(LOG) == len(list(vlog.read(path)))
    assert time.perf_counter() - began < 30
