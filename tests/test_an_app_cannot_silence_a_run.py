"""An app that does what it likes with its logging loses no entry of a run, and hears it if asked.

What it does: configure logging anew, disable it, clear handlers, shut logging down, queue records,
write its own handlers that log or fail.
"""

from __future__ import annotations

import io
import json
import logging
import logging.config
import logging.handlers
import multiprocessing
import queue
import threading
from pathlib import Path

import pytest

import vlog
from vlog.handlers import RotatingJsonlHandler
from vlog.resources import Reading

FILE_CONFIG = """
[loggers]
keys=root
[handlers]
keys=
[formatters]
keys=
[logger_root]
level=WARNING
handlers=
"""


class Memory:
    """A source whose every reading is the same."""

    name, can_block, interval_seconds = "memory", False, 0.0

    def read(self):
        return {"usage_percent": 5.5}

    def close(self):
        pass


def entries_in(path):
    assert [] == vlog.validate(path).problems
    entries = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
    ours = [each for each in entries if "run_id" in each]
    assert list(range(len(ours))) == [each["seq"] for each in ours]
    return ours


def dict_config(**options):
    logging.config.dictConfig({"version": 1, **options})


def clear():
    logging.getLogger("vlog").handlers.clear()


def file_config():
    logging.config.fileConfig(io.StringIO(FILE_CONFIG))


ACTS = {
    "dictConfig, disabling": dict_config,
    "dictConfig": lambda: dict_config(disable_existing_loggers=False),
    "fileConfig": file_config,
    "disable": lambda: logging.disable(logging.CRITICAL),
    "clear": clear,
    "shutdown": logging.shutdown,
}


@pytest.fixture(autouse=True)
def loggers_are_enabled_again():
    known = logging.root.manager.loggerDict
    before = [each for each in known.values() if not getattr(each, "disabled", True)]
    yield
    logging.disable(logging.NOTSET)
    for each in before:
        each.disabled = False


class TestARun:
    @pytest.mark.parametrize("act", ACTS)
    @pytest.mark.parametrize("is_configured", [False, True], ids=["own file", "configured"])
    def test_goes_on_whatever_the_app_does(self, act, is_configured, capsys):
        log = "run.jsonl"
        if is_configured:
            vlog.configure(log_file=log, standard_log=False)
        handlers = list(logging.getLogger("vlog").handlers)
        options = {} if is_configured else {"log_file": log}
        with vlog.training_run(4, sources=[], **options) as run:
            for step in run.steps():
                run.log(loss=1.0)
                if step in (2, 3):
                    ACTS[act]()
            vlog.get_logger().warning("heard")
        logging.disable(logging.NOTSET)
        for each in handlers:
            each.close()

        entries = entries_in(log)
        assert [1, 2, 3, 4] == [
            each["step"] for each in entries if each["type"] == "training_step_complete"
        ]
        assert ("log_record", "training_complete") == tuple(each["type"] for each in entries[-2:])
        assert 1 == capsys.readouterr().err.count("Training completed at step 4")


class TestAppsHandlers:
    def test_receive_milestones_and_warnings_as_text_once(self):
        lines = self.told(logging.INFO)

        assert [
            "🚀 Training starts: step 0 of 2",
            "🎉 Training completed at step 2 (2 in this run)",
        ] == [line.split(":", 2)[2] for line in lines if "Training " in line]
        assert all(line.startswith(("LOW:vlog:", "WARNING:")) for line in lines)
        assert len(set(lines)) == len(lines)

    def test_receive_no_more_than_their_loggers_let_through(self):
        assert ["WARNING:shop:sold out"] == self.told(logging.WARNING)

    def test_receive_every_step_at_debug(self):
        assert 2 == sum("completed - Loss" in line for line in self.told(logging.DEBUG))

    def test_receive_what_is_captured_once(self):
        lines = self.told(logging.INFO, capture=["shop", "root"])

        assert 1 == sum("sold out" in line for line in lines)
        records = [each for each in entries_in("run.jsonl") if each["type"] == "log_record"]
        assert ["sold out"] == [each["message"] for each in records]

    @pytest.mark.parametrize("asked", ["by the option", "by the configuration", "by both"])
    def test_receive_it_once_from_a_configured_run(self, asked):
        config = {
            "version": 1,
            "handlers": {"log": {"class": "vlog.handlers.RotatingJsonlHandler",
                                 "filename": "run.jsonl"}},
            "loggers": {"vlog": {"level": "HIGH", "handlers": ["log"],
                                 "propagate": asked != "by the option"}},
        }  # fmt: skip
        vlog.configure(config)
        lines = self.told(logging.INFO, log_file=None, propagate=asked != "by the configuration")

        assert 1 == sum("Training completed" in line for line in lines)
        assert 1 == sum("sold out" in line for line in lines)

    def told(self, level, **options):
        """Return the lines that a handler on root receives of a run of two steps."""
        options = {"log_file": "run.jsonl", "propagate": True, "capture": [], **options}
        if options["log_file"] is None:
            del options["log_file"]
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(level)
        with vlog.training_run(2, console=False, sources=[], **options) as run:
            for _ in run.steps():
                run.log(loss=1.0)
            logging.getLogger("shop").warning("sold out")
        return stream.getvalue().splitlines()

    def test_hear_a_run_after_a_dict_config_that_does_not_name_it(self):
        stream = io.StringIO()
        with vlog.training_run(1, log_file="run.jsonl", console=False, sources=[], propagate=True):
            logging.config.dictConfig(
                {
                    "version": 1,
                    "handlers": {"out": {"class": "logging.StreamHandler", "stream": stream}},
                    "root": {"level": "INFO", "handlers": ["out"]},
                }
            )

        assert 1 == stream.getvalue().count("Training completed")

    def test_that_print_all_extras_print_no_whole_entry(self):
        from pythonjsonlogger.json import JsonFormatter

        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(JsonFormatter("%(levelname)s %(message)s"))
        logging.getLogger("vlog").addHandler(handler)
        vlog.get_logger().warning("text", rows=3)

        assert {"levelname": "WARNING", "message": "text rows=3"} == json.loads(stream.getvalue())

    def test_that_fail_or_log_do_no_harm(self):
        class Loud(logging.Handler):
            def emit(self, record):
                logging.getLogger("shop").warning("told of %s", record.levelname)
                raise RuntimeError("no such device")

        logging.getLogger("vlog").addHandler(Loud())
        logging.getLogger("vlog").setLevel("HIGH")
        with vlog.training_run(
            2, log_file="run.jsonl", console=False, sources=[], propagate=True, capture=[]
        ) as run:
            for _ in run.steps():
                run.log(loss=1.0)

        assert "training_complete" == entries_in("run.jsonl")[-1]["type"]
        assert "no such device" in Path("verbose_logging_errors.log").read_text("utf-8")

    def test_that_are_busy_do_not_hold_a_run_up_for_ever(self, monkeypatch):
        """A thread inside a handler says something that is captured, while the run tells it."""
        monkeypatch.setattr("vlog.output._APP_SECONDS", 0.05)
        inside, told = threading.Event(), threading.Event()

        class Slow(logging.Handler):
            def emit(self, record):
                if record.name == "shop":
                    inside.set()
                    told.wait(30)
                    logging.getLogger("http").warning("posted")

        handler = Slow()
        logging.getLogger("vlog").addHandler(handler)
        logging.getLogger("vlog").setLevel("HIGH")
        logging.getLogger("shop").addHandler(handler)
        thread = threading.Thread(target=logging.getLogger("shop").warning, args=("sold out",))
        with vlog.training_run(
            1, log_file="run.jsonl", console=False, sources=[], propagate=True, capture=["http"]
        ) as run:
            thread.start()
            inside.wait(30)
            for _ in run.steps():
                run.log(loss=1.0)
            told.set()
            thread.join(30)
        logging.getLogger("shop").removeHandler(handler)

        entries = entries_in("run.jsonl")
        assert ["posted"] == [each["message"] for each in entries if each["type"] == "log_record"]
        assert "was busy" in Path("verbose_logging_errors.log").read_text("utf-8")

    def test_that_log_what_is_captured_leave_the_numbers_in_order(self):
        class Loud(logging.Handler):
            def emit(self, record):
                logging.getLogger("shop").warning("told of %s", record.levelname)

        class Noisy:
            def __repr__(self):
                logging.getLogger("shop").warning("in repr")
                return "noisy"

        logging.getLogger("vlog").addHandler(Loud())
        logging.getLogger("vlog").setLevel("HIGH")
        with vlog.training_run(
            1,
            log_file="run.jsonl",
            console=False,
            sources=[],
            propagate=True,
            capture=["shop"],
            config={"x": Noisy()},
        ) as run:
            for _ in run.steps():
                run.log(loss=1.0)

        kinds = [each["type"] for each in entries_in("run.jsonl")]
        at = kinds.index("training_initialization")
        assert ["log_record", "log_record"] == kinds[at + 1 : at + 3]


class TestQueues:
    @pytest.mark.parametrize("kind", ["thread", "process"])
    def test_pass_whole_entries_on(self, kind):
        made = queue.Queue() if kind == "thread" else multiprocessing.get_context("spawn").Queue()
        stream = io.StringIO()
        text = logging.StreamHandler(stream)
        text.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        copied = RotatingJsonlHandler("copy.jsonl")
        listener = logging.handlers.QueueListener(made, copied, text)
        handler = logging.handlers.QueueHandler(made)
        logging.getLogger("vlog").addHandler(handler)
        logging.getLogger("vlog").setLevel("ULTRA")
        with vlog.training_run(
            3, "ultra", "run.jsonl", console=False, sources=[Memory()], propagate=True, capture=[]
        ) as run:
            for _ in run.steps():
                run.log(loss=1.0)
                vlog.get_logger("data").info("read %d rows", 3, shard=1)
        listener.start()
        listener.stop()
        copied.close()
        if kind == "process":
            made.close()
            made.join_thread()

        own = entries_in("run.jsonl")
        copies = [json.loads(line) for line in Path("copy.jsonl").read_text("utf-8").splitlines()]
        of_run = [each for each in own if each["type"] != "log_record"]
        said = [each for each in copies if each["type"] == "log_record"]
        assert of_run == [each for each in copies if each["type"] != "log_record"]
        assert {"memory": {"usage_percent": 5.5}} == next(
            each["resource_usage"] for each in copies if "resource_usage" in each
        )
        assert [("read 3 rows", {"shard": 1})] * 3 == [
            (each["message"], each["fields"]) for each in said
        ]
        lines = stream.getvalue().splitlines()
        assert 3 == lines.count("INFO read 3 rows shard=1")
        assert any("MEDIUM ✅ Step 3 completed - Loss: 1.0" in line for line in lines)
        assert Reading.__name__ not in stream.getvalue()
