"""Reading in blocks finds what reading line by line finds, whatever became of the log."""

import pickle
import tempfile
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import orjson
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

import vlog
import vlog.analysis.summary
import vlog.analysis.validate
import vlog.file_lines
import vlog.stretches
from vlog.analysis.quick_entries import quick_parts_of
from vlog.analysis.summary import summarize
from vlog.file_lines import FileLines
from vlog.segments import segment_path


@cache
def recorded_lines():
    """Return the lines of two real runs at ultra, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "run.jsonl"
        for run_steps in (12, 5):
            with vlog.training_run(run_steps, "ultra", log_file=log) as run:
                for number in range(run_steps):
                    with run.step(samples=8):
                        run.log(loss=1 / (number + 1), learning_rate=5e-5, grad_norm=number)
                    if number % 4 == 3:
                        with run.evaluation():
                            run.log(eval_loss=0.5)
        return log.read_bytes().splitlines(keepends=True)


@contextmanager
def line_by_line():
    """Take every line by itself, and decode all of it."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(FileLines, "_blocks", FileLines._lines))
        stack.enter_context(
            patch.object(vlog.analysis.summary, "quick_parts_of", lambda block: block.split())
        )
        stack.enter_context(patch.object(vlog.analysis.validate, "valid_entries", lambda block: []))
        yield


@contextmanager
def in_stretches():
    """Take a file a few lines at a time, as other processes do, but in this one."""

    def taken(take, places):
        for place in places:
            yield pickle.loads(pickle.dumps(take(*place)))

    with ExitStack() as stack:
        for name, value in (
            ("_FEW_BYTES", 1),
            ("_STRETCH_BYTES", 2_000),
            ("_processors", lambda: 2),
            ("_is_alone", lambda: True),
        ):
            stack.enter_context(patch.object(vlog.stretches, name, value))
        stack.enter_context(patch.object(vlog.stretches, "taken_by_processes", taken))
        yield


def found_in(log):
    """Return all that is said of a log: entries, problems, validation and summary, as text."""
    problems = []
    entries = list(vlog.read(log, on_problem=lambda *problem: problems.append(problem)))
    return [repr(each) for each in (entries, problems, vlog.validate(log), summarize(log))]


def both_ways(log, block_bytes=2**17):
    """Return what is found in blocks, and line by line."""
    with patch.object(vlog.file_lines, "_BLOCK_BYTES", block_bytes):
        in_blocks = found_in(log)
        with in_stretches():
            assert in_blocks[-1] == repr(summarize(log, may_fork=True))
    with line_by_line():
        return in_blocks, found_in(log)


BYTES = st.sampled_from(
    [b"\n", b"\r\n", b"\0\0\0", b"\xff", b"\xe2", b"{", b"}", b'"', b"\\", b" ", b",", b"[]", b"}{"]
)
VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1,
        2**63,
        2**70,
        0.0,
        -0.5,
        1e300,
        "",
        "text",
        "\x7f",
        [],
        [1],
        {},
        {"a": 1},
    ]
)
KEYS = st.sampled_from(
    [
        "alert", "batch", "epoch", "grad_norm", "level", "loss", "loss_window_steps", "message",
        "metrics", "non_finite", "non_finite_steps", "overhead", "phases", "pid", "progress",
        "progress_percent", "rank", "remaining_steps", "resource_missing", "resource_usage",
        "run_id", "schema_version", "seq", "step", "step_time", "timestamp", "timing",
        "total_steps", "trends", "type", "unknown", "verbosity",
    ]
)  # fmt: skip
INNER_KEYS = st.sampled_from(
    [
        "loss", "learning_rate", "eta_minutes", "step_time_seconds", "optimizer_seconds",
        "samples_per_second", "progress_percent", "total_steps", "remaining_steps", "cpu",
        "training_thread_seconds", "training_thread_percent", "bytes_written", "unknown",
    ]
)  # fmt: skip
PLACE = st.floats(0, 1, exclude_max=True)  # of the log's lines, or of its bytes
CHANGES = st.one_of(
    st.tuples(st.just("field"), PLACE, KEYS, VALUES),
    st.tuples(st.just("inner"), PLACE, KEYS, INNER_KEYS, VALUES),
    st.tuples(st.just("line"), PLACE, st.sampled_from(["drop", "again", "next", "crlf", "twice"])),
    st.tuples(st.just("bytes"), PLACE, st.integers(0, 40), BYTES),
    st.tuples(st.just("cut"), PLACE),
)


def changed(lines, change):
    """Return the lines of a log to which something has happened."""
    kind, place, *what = change
    if not lines:
        return lines
    at = int(place * len(lines))
    if kind == "bytes":
        raw, at = b"".join(lines), int(place * sum(map(len, lines)))
        return (raw[:at] + what[1] + raw[at + what[0] :]).splitlines(keepends=True)
    if kind == "cut":
        raw = b"".join(lines)
        return raw[: int(place * len(raw))].splitlines(keepends=True)
    before, line, after = lines[:at], lines[at], lines[at + 1 :]
    return [*before, *_changed_line(kind, line, what), *after]


def _changed_line(kind, line, what):
    if kind == "line":
        stripped = line.rstrip()
        return {
            "drop": [],
            "again": [line, line],
            "next": [line, b"\n", b"\0\n"],
            "crlf": [stripped + b"\r\n"],
            "twice": [stripped + line],
        }[what[0]]
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return [line]
    if not isinstance(entry, dict):
        return [line]
    *keys, value = what
    target = entry
    if kind == "inner":
        target = entry.setdefault(keys[0], {})
        if not isinstance(target, dict):
            return [line]
    target[keys[-1]] = value if abs(value if type(value) is int else 0) < 2**63 else "BIG"
    raw = orjson.dumps(entry).replace(b'"BIG"', str(value).encode())
    return [raw + b"\n"]


class TestBlocks:
    @settings(max_examples=150, deadline=None)
    @given(changes=st.lists(CHANGES, max_size=6), block_bytes=st.sampled_from([300, 5_000, 2**17]))
    @example(
        changes=[("field", 0.9, "loss", 0.125), ("inner", 0.9, "timing", "loss", 1)],
        block_bytes=300,
    )
    def test_find_the_same_in_a_damaged_log(self, changes, block_bytes):
        lines = recorded_lines()
        for change in changes:
            lines = changed(lines, change)
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "run.jsonl"
            log.write_bytes(b"".join(lines))

            in_blocks, by_line = both_ways(log, block_bytes)

        assert by_line == in_blocks

    def test_find_the_same_of_steps_that_bear_on_each_other(self, tmp_path):
        """A reading comes again after none, a loss follows its step's, totals come and go."""
        log, lines = tmp_path / "run.jsonl", recorded_lines()
        entries = [orjson.loads(line) for line in lines]
        steps = [entry for entry in entries if entry["type"] == "training_step_complete"]
        for entry in steps[0], steps[2]:  # none in between
            entry["resource_usage"] = {"cpu": {"usage_percent": 7}}
        steps[2]["progress"]["total_steps"] = 8
        steps[3]["progress"]["total_steps"] = steps[3]["progress"]["remaining_steps"] = None
        named = steps[5] | {"non_finite_steps": [steps[6]["step"], steps[7]["step"]]}
        steps[7]["loss_window_steps"] = 2
        for entry in steps[6:8]:
            entry["metrics"]["loss"] = -1.0
        entries.insert(entries.index(steps[5]), named)
        log.write_bytes(b"".join(orjson.dumps(entry) + b"\n" for entry in entries))

        in_blocks, by_line = both_ways(log)
        summary = summarize(log)

        assert by_line == in_blocks
        assert summary.runs[0].resources.readings == 2
        assert summary.runs[0].loss.best_step == steps[7]["step"]
        assert summary.runs[0].time.eta_check.step == 4

    @settings(max_examples=30, deadline=None)
    @given(cut=PLACE, damage=st.none() | PLACE, block_bytes=st.sampled_from([300, 2**17]))
    def test_find_the_same_in_compressed_segments(self, cut, damage, block_bytes):
        lines = recorded_lines()
        at = int(cut * len(lines))
        packed = zstandard.compress(b"".join(lines[:at]))
        if damage is not None:
            packed = packed[: int(damage * len(packed))] + b"\0\1\2" + packed[3:]
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "run.jsonl"
            segment = segment_path(log, 1)
            segment.with_name(f"{segment.name}.zst").write_bytes(packed)
            log.write_bytes(b"".join(lines[at:]))

            in_blocks, by_line = both_ways(log, block_bytes)

        assert by_line == in_blocks

    @pytest.mark.parametrize("text", [b"step_time_seconds", b"stable", b"Step", b"medium"])
    def test_find_the_same_in_what_is_no_text(self, tmp_path, text):
        """A wrong byte makes a line unreadable, also where a summary does not look."""
        lines = recorded_lines()
        at = next(at for at in range(len(lines) - 1, 0, -1) if text in lines[at])
        broken = lines[at].replace(text, b"\xff" + text[1:])
        log = tmp_path / "run.jsonl"
        log.write_bytes(b"".join([*lines[:at], broken, *lines[at + 1 :]]))

        in_blocks, by_line = both_ways(log)

        assert by_line == in_blocks
        assert 1 == summarize(log).unreadable_lines

    def test_are_what_a_real_log_is_taken_in(self, tmp_path):
        """The quick way is taken: else it would be compared with itself."""
        log = tmp_path / "run.jsonl"
        log.write_bytes(b"".join(recorded_lines()))
        with log.open("rb") as stream:
            quick = [
                len(part)
                for block in FileLines(log, stream, None, in_blocks=True).complete()
                for part in quick_parts_of(block)
                if isinstance(part, list)
            ]

        assert sum(quick) > len(recorded_lines()) / 2
        assert vlog.validate(log).is_valid

    @pytest.mark.parametrize("block_bytes", [7, 64, 1_000])
    def test_know_the_place_of_each_line(self, tmp_path, block_bytes):
        log = tmp_path / "run.jsonl"
        log.write_bytes(b'{"a":1}\n\n\0\0{"b":2}\r\n{"c":\n3}\n' + b"x" * 200 + b'\n{"d":4}')
        with log.open("rb") as stream, patch.object(vlog.file_lines, "_BLOCK_BYTES", block_bytes):
            file = FileLines(log, stream, None, in_blocks=True)
            found = [line for block in file.complete() for line in block.split()]
        with log.open("rb") as stream:
            by_line = list(FileLines(log, stream, None).complete())

        assert by_line == found
