"""What is broken around the log costs at most the entry that it touches, and time of nobody.

An app's handler, its filter and its record factory that raise, next to those of vlog, are in
`test_training_is_left_alone.py` and `test_an_app_cannot_silence_a_run.py`, a formatter in
`handlers/test_rotating.py`.
"""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from writers import DEADLINE, LOG

import vlog
from vlog import run_log
from vlog.handlers import RotatingJsonlHandler
from vlog.handlers.error_log import ERROR_LOG_NAME
from vlog.processors import AddResources, AddTrends

STEPS = 4


def train(**options):
    with vlog.training_run(STEPS, log_file=LOG, console=False, sources=[], **options) as training:
        for _ in training.steps():
            training.log(loss=1.0)


def steps_in(entries):
    return [each["step"] for each in entries if each["type"] == "training_step_complete"]


class Unspeakable:
    def __repr__(self):
        raise LookupError("no words")

    __str__ = __repr__


def break_at(monkeypatch, kind, part=run_log):
    """Have a processor raise for the first entry of a type: a class of them, or `clean_values`."""
    name = "clean_values" if part is run_log else "__call__"
    real, left = getattr(part, name), [1]

    def processor(*args):
        if args[-1]["type"] == kind and left:
            left.pop()
            raise LookupError("no such\npart")
        return real(*args)

    monkeypatch.setattr(part, name, processor)


class TestAProcessor:
    @pytest.mark.parametrize("part", [AddResources, AddTrends, run_log])
    def test_that_raises_leaves_a_gap_in_its_entrys_place(self, monkeypatch, part):
        break_at(monkeypatch, "training_step_complete", part)
        train()

        entries = list(vlog.read(LOG))
        (gap,) = [each for each in entries if each["type"] == "logging_gap"]
        assert list(range(len(entries))) == [each["seq"] for each in entries]
        assert (1, gap["seq"], gap["seq"]) == (gap["dropped"], gap["first_seq"], gap["last_seq"])
        assert "LookupError: no such part" == gap["reason"]
        assert [2, 3, 4] == steps_in(entries)
        assert "training_complete" == entries[-1]["type"]
        assert "no such" in Path(ERROR_LOG_NAME).read_text()
        problems = vlog.validate(LOG).problems
        assert [] == [each for each in problems if "dropped" not in str(each)]

    @pytest.mark.parametrize(
        "kind",
        ["system_initialization", "training_initialization", "training_start", "training_complete"],
    )
    def test_that_raises_at_a_milestone_lets_the_training_and_the_steps_pass(
        self, monkeypatch, kind
    ):
        break_at(monkeypatch, kind)
        train()

        entries = [json.loads(line) for line in Path(LOG).read_text().splitlines()]
        assert list(range(len(entries))) == [each["seq"] for each in entries]
        assert 1 == [each["type"] for each in entries].count("logging_gap")
        assert [1, 2, 3, 4] == steps_in(entries)


class TestAFilter:
    def test_of_our_handler_that_raises_keeps_no_entry_away(self):
        def refuse(_record):
            raise LookupError("no such filter")

        vlog.configure(log_file=LOG, standard_log=False, console=False)
        logging.getLogger("vlog").handlers[0].addFilter(refuse)
        with vlog.training_run(STEPS, sources=[]) as training:
            for _ in training.steps():
                training.log(loss=1.0)

        assert [1, 2, 3, 4] == steps_in(vlog.read(LOG))
        assert "no such filter" in Path(ERROR_LOG_NAME).read_text()


class TestAForeignHandler:
    def test_in_front_of_ours_that_raises_keeps_no_entry_away(self):
        class Raising(logging.Handler):
            def emit(self, record):
                raise LookupError("no such device")

            def flush(self):
                raise LookupError("no such device")

        tree = logging.getLogger("vlog")
        tree.addHandler(Raising())
        tree.addHandler(RotatingJsonlHandler(LOG))
        tree.setLevel("HIGH")
        with vlog.training_run(STEPS, console=False, sources=[]) as training:
            for _ in training.steps():
                training.log(loss=1.0)
            vlog.get_logger().warning("said")

        entries = list(vlog.read(LOG))
        assert [1, 2, 3, 4] == steps_in(entries)
        assert "said" in [each["message"] for each in entries]


class TestARepr:
    def test_that_raises_costs_its_value(self):
        with vlog.training_run(
            1, log_file=LOG, console=False, sources=[], config={"bad": Unspeakable(), "good": 5}
        ) as training:
            for _ in training.steps():
                training.log(loss=1.0, bad=Unspeakable())
                vlog.get_logger().warning("by vlog", bad=Unspeakable(), good=6)
                vlog.get_logger().warning(Unspeakable())

        entries = list(vlog.read(LOG))
        by_type = {each["type"]: each for each in entries}
        said = [each for each in entries if each["type"] == "log_record"]
        assert 5 == by_type["training_initialization"]["arguments"]["good"]
        assert 1.0 == by_type["training_step_complete"]["metrics"]["loss"]
        assert ["by vlog", 6] == [said[0]["message"], said[0]["fields"]["good"]]
        assert 2 == len(said)
        assert all("raised LookupError" in str(each) for each in (entries[1], said[0], said[1]))


RECORD = """
import os, sys, vlog
vlog.get_logger  # loads structlog, which looks at stdout as it is loaded
BREAK
with vlog.training_run(4, log_file="logs/run.jsonl", console=True, sources=[]) as training:
    for step in training.steps():
        training.log(loss=1.0)
        if step == 2:
            os.rename("logs", "away")
            vlog.get_logger().warning("while the folder is away " + "x" * 500)
        if step == 3:
            os.rename("away", "logs")
            for number in range(300):
                vlog.get_logger().warning(f"{number} " + "x" * 500)
"""
# How stderr is, and what the process does itself to have it so.
STREAMS = {
    "closed": "os.close(2)",
    "closed, and written by a library": (
        "os.close(2)\nimport ctypes, threading\n"
        "def shout(number=0):\n"
        "    while number < 20_000:\n"
        "        number += 1\n"
        "        ctypes.CDLL(None).write(2, b'shouted\\n', 8)\n"
        "threading.Thread(target=shout, daemon=True).start()"
    ),
    "closed by Python": "sys.stderr.close()",
    "None": "sys.stderr = None",
    "raising": (
        "class Raising:\n"
        "    def write(self, text): raise LookupError('no such stream')\n"
        "    flush = fileno = isatty = write\n"
        "sys.stderr = Raising()"
    ),
    "full device": "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)",
    "pipe whose reader is gone": "r, w = os.pipe(); os.close(r); os.dup2(w, 2)",
    "pipe that is full": (
        "r, w = os.pipe(); os.set_blocking(w, False)\n"
        "try:\n"
        "    while True: os.write(w, b'x' * 4096)\n"
        "except BlockingIOError: os.set_blocking(w, True)\n"
        "os.dup2(w, 2)"
    ),
}


def record_with(break_it):
    """Record a run in a process whose streams are broken so; return what its stdout got."""
    Path("logs").mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RECORD.replace("BREAK", break_it)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode in (0, 120), done.stderr  # 120: Python could not flush its own streams
    return done.stdout


def whole_run():
    log = Path("logs") / LOG
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert list(range(len(entries))) == [each["seq"] for each in entries]
    return entries


class TestAStandardError:
    @pytest.mark.parametrize("break_it", STREAMS.values(), ids=STREAMS)
    def test_that_is_broken_costs_no_entry_and_nobodys_time(self, break_it):
        out = record_with(break_it)
        entries = whole_run()

        assert "" == out
        assert "training_complete" == entries[-1]["type"]
        assert [1, 2, 3, 4] == steps_in(entries)
        assert 301 == [each["type"] for each in entries].count("log_record")
        assert {"logs"} == {path.name for path in Path.cwd().iterdir()}


class TestAStandardOutput:
    @pytest.mark.parametrize("break_it", ["os.close(1)", "sys.stdout = None", "sys.stdout.close()"])
    def test_that_is_broken_costs_no_entry(self, break_it):
        record_with(break_it)

        assert [1, 2, 3, 4] == steps_in(whole_run())


class TestAllStreams:
    def test_that_are_closed_from_the_beginning_leave_the_log_s_descriptor_alone(self):
        """The next file that such a process opens has the number of a stream."""
        Path("logs").mkdir()
        script = (
            RECORD.replace("BREAK", "")
            + """
        for number in range(3):
            try:
                file = os.readlink(f"/proc/self/fd/{number}")
            except FileNotFoundError:
                continue
            assert "run.jsonl" not in file
"""
        )
        command = f'exec "{sys.executable}" -W ignore -c "$SCRIPT" <&- >&- 2>&-'
        done = subprocess.run(
            ["sh", "-c", command],
            env={**os.environ, "SCRIPT": script},
            timeout=DEADLINE,
            check=False,
        )

        assert 0 == done.returncode
        assert [1, 2, 3, 4] == steps_in(whole_run())
