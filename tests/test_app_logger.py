"""`vlog.get_logger`: lines of any script, in the run's log and on the app's own handlers."""

from __future__ import annotations

import asyncio
import copy
import io
import json
import logging
import multiprocessing
import os
import pickle
import threading
from pathlib import Path

import pytest
import structlog

import vlog
from vlog.handlers import JsonlFormatter

LOG = "run.jsonl"
SECRET = "hf_" + "aB3dE6" * 6


class Hostile:
    """Raises whatever is asked of it."""

    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __repr__


def fail(text):
    raise ValueError(text)


def recorded(verbosity="high", **options):
    options = {"console": False, "sources": [], "capture": [], **options}
    return vlog.training_run(3, verbosity, LOG, **options)


def records(path=LOG):
    """Return the records among the entries, which are all valid."""
    assert [] == vlog.validate(path).problems
    entries = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
    return [each for each in entries if each["type"] == "log_record"]


@pytest.fixture
def app():
    """A text handler of the app's, on root."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return stream


class TestEntry:
    def test_carries_the_run_and_the_callers_keys_as_fields(self):
        with recorded() as run:
            log = vlog.get_logger("data").bind(shard=3)
            for step in run.steps():
                with structlog.contextvars.bound_contextvars(request="r1"):
                    log.info("read %d of %s rows", 10, "all", seconds=0.5)
                if step == 2:
                    log.error("bad row")

        first, *_, bad, last = records()
        assert ("vlog.data", "INFO", "medium", "read 10 of all rows", 0, run.run_id) == tuple(
            first[key] for key in ("logger", "level", "verbosity", "message", "step", "run_id")
        )
        assert {"shard": 3, "request": "r1", "seconds": 0.5} == first["fields"]
        assert ("ERROR", {"shard": 3}) == (bad["level"], bad["fields"])
        assert 2 == last["step"]

    @pytest.mark.parametrize(
        "key",
        ["level", "message", "name", "event", "type", "timestamp", "run_id", "seq",
         "args", "exception", "pathname", "lineno", "func_name", "positional_args", "msg",
         "method_name", "_record", "logger", "fields", "verbosity"],
    )  # fmt: skip
    def test_keeps_every_key_of_a_caller_away_from_ours(self, app, key):
        with recorded() as run:
            vlog.get_logger().info("text", **{key: "mine"})
            vlog.get_logger().bind(**{key: "bound"}).warning("more")

        said, more = records()
        assert ({key: "mine"}, "text", "INFO", run.run_id) == (
            said["fields"], said["message"], said["level"], said["run_id"],
        )  # fmt: skip
        assert ({key: "bound"}, "more") == (more["fields"], more["message"])
        shown = app.getvalue()
        assert (1, 1) == (shown.count("INFO:vlog:text"), shown.count("WARNING:vlog:more"))

    def test_has_the_exception_and_the_stack(self):
        log = vlog.get_logger()
        with recorded():
            try:
                fail("bad")
            except ValueError as error:
                log.exception("one")
                caught = error
            log.error("two", exc_info=caught)
            log.info("three", stack_info=True)
            log.info("four", exc_info=True)  # noqa: LOG014 - there is none

        one, two, three, four = records()
        for each in (one, two):
            assert each["fields"]["exception"].endswith("ValueError: bad")
        assert "test_has_the_exception_and_the_stack" in three["fields"]["stack"]
        assert "four" == four["message"]

    def test_holds_any_value(self):
        with recorded():
            vlog.get_logger().info(
                "x", a=Hostile(), b=float("nan"), c={1: {2, 3}}, d=2**70, e="\ud800", f=b"x"
            )
            vlog.get_logger().info(Hostile())
            vlog.get_logger().info("%d rows", "many")
            vlog.get_logger().info("100 %", 5)
            vlog.get_logger().info(None)
            vlog.get_logger().log(23, "between")

        first, second, third, _, fifth, sixth = records()
        assert {"fields.b": "nan"} == first["non_finite"]
        assert "<Hostile: raised RuntimeError>" == first["fields"]["a"]
        assert "raised RuntimeError" in second["message"]
        assert "%d rows <arguments ['many']: raised TypeError>" == third["message"]
        assert "" == fifth["message"]
        assert ("INFO", "medium") == (sixth["level"], sixth["verbosity"])

    def test_has_its_severity_where_the_app_gives_the_levels_other_names(self, monkeypatch):
        monkeypatch.setitem(vars(logging)["_levelToName"], logging.INFO, "\033[32mInfo\033[0m")
        with recorded():
            vlog.get_logger().info("green")
            vlog.get_logger().critical("red")

        assert ["INFO", "ERROR"] == [each["level"] for each in records()]

    def test_is_written_if_the_runs_verbosity_is_fine_enough(self):
        log = vlog.get_logger()
        for verbosity, expected in (
            ("low", ["WARNING", "ERROR"]),
            ("medium", ["INFO", "WARNING", "ERROR"]),
            ("ultra", ["DEBUG", "INFO", "WARNING", "ERROR"]),
        ):
            with recorded(verbosity):
                for say in (log.debug, log.info, log.warning, log.error):
                    say("x")
            assert expected == [each["level"] for each in records()]
            Path(LOG).unlink()

    def test_hides_secrets_everywhere(self, app):
        log = vlog.get_logger().bind(api_key="abc123")
        with recorded():
            log.info("token %s", SECRET, password="hunter2", note=f"use {SECRET}")
            try:
                fail(SECRET)
            except ValueError:
                log.exception("failed")

        for text in (Path(LOG).read_text("utf-8"), app.getvalue()):
            for secret in (SECRET, "hunter2", "abc123"):
                assert secret not in text
        assert "ValueError: <redacted>" in app.getvalue()


class TestAppsHandlers:
    def test_receive_a_text_once_from_the_level_on_that_they_have(self, app):
        log = vlog.get_logger("data")
        with recorded("low", propagate=True):
            log.debug("not at INFO")
            log.info("for the app alone", rows=3, loss=float("nan"))
            log.warning("for both")

        lines = [line for line in app.getvalue().splitlines() if "vlog.data" in line]
        assert [
            "INFO:vlog.data:for the app alone rows=3 loss=nan",
            "WARNING:vlog.data:for both",
        ] == lines
        assert ["for both"] == [each["message"] for each in records()]

    def test_receive_it_without_a_run_too(self, app):
        vlog.get_logger().info("hello", key="value")

        assert "INFO:vlog:hello key='value'\n" == app.getvalue()

    def test_see_where_it_was_said(self):
        seen = []
        handler = logging.Handler()
        handler.emit = seen.append
        logging.getLogger("vlog").addHandler(handler)
        vlog.get_logger().warning("here")

        assert (Path(__file__).name, "test_see_where_it_was_said") == (
            seen[0].filename, seen[0].funcName,
        )  # fmt: skip

    def test_that_raise_do_no_harm(self, app):
        class Broken(logging.Handler):
            def emit(self, record):
                raise RuntimeError("no such device")

        logging.getLogger("vlog").addHandler(Broken())
        with recorded(propagate=True):
            vlog.get_logger().warning("kept")

        assert ["kept"] == [each["message"] for each in records()]
        assert "no such device" in Path("verbose_logging_errors.log").read_text("utf-8")
        assert 1 == app.getvalue().count("kept")

    def test_get_a_record_though_the_apps_factory_fails(self, app):
        def factory(*args, **kwargs):
            raise RuntimeError("no request")

        before = logging.getLogRecordFactory()
        with recorded():
            logging.setLogRecordFactory(factory)
            try:
                vlog.get_logger().warning("kept")
            finally:
                logging.setLogRecordFactory(before)

        assert "WARNING:vlog:kept\n" == app.getvalue()
        assert ["kept"] == [each["message"] for each in records()]

    def test_that_write_jsonl_have_the_same_entry_without_a_run(self):
        seen = []
        handler = logging.Handler()
        handler.emit = seen.append
        logging.getLogger("vlog").addHandler(handler)
        vlog.get_logger("data").warning("here", rows=3)
        entry = json.loads(JsonlFormatter().format(pickle.loads(pickle.dumps(seen[0]))))

        assert ("log_record", "vlog.data", {"rows": 3}) == (
            entry["type"], entry["logger"], entry["fields"],
        )  # fmt: skip


class TestConsole:
    def test_shows_a_line_once_where_the_app_has_no_handlers(self, capsys, monkeypatch):
        monkeypatch.setattr(logging.root, "handlers", [])  # pytest's
        with (
            vlog.training_run(1, log_file="a.jsonl", sources=[]),
            vlog.training_run(1, log_file="b.jsonl", sources=[]),
        ):
            vlog.get_logger().info("hello", rows=3)
            thread = threading.Thread(target=vlog.get_logger().warning, args=("from a thread",))
            thread.start()
            thread.join()

        shown = capsys.readouterr().err
        assert 1 == shown.count("hello rows=3")
        assert 1 == shown.count("from a thread")

    def test_shows_a_line_once_with_the_default_configuration(self, capsys):
        vlog.configure(standard_log=False)
        with vlog.training_run(1, sources=[]):
            vlog.get_logger().warning("hello")

        assert 1 == capsys.readouterr().err.count("hello")
        entries = records("verbose_training_logs.jsonl")
        assert ["hello"] == [each["message"] for each in entries]

    def test_is_stdlibs_last_resort_without_a_run(self, capsys, monkeypatch):
        monkeypatch.setattr(logging.root, "handlers", [])
        vlog.get_logger().info("not shown")
        vlog.get_logger().warning("shown", rows=3)

        assert "shown rows=3\n" == capsys.readouterr().err


class TestRuns:
    def test_take_what_their_own_thread_says(self):
        both_open = threading.Barrier(2)

        def train(name):
            options = {"console": False, "sources": [], "capture": []}
            with vlog.training_run(1, log_file=f"{name}.jsonl", **options):
                both_open.wait()
                vlog.get_logger().info(name)
                both_open.wait()

        threads = [threading.Thread(target=train, args=(name,)) for name in "ab"]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        for name in "ab":
            assert [name] == [each["message"] for each in records(f"{name}.jsonl")]

    def test_do_not_write_in_a_forked_child(self, app):
        with recorded():
            vlog.get_logger().info("parent")
            child = multiprocessing.get_context("fork").Process(target=_say_in_child, args=(app,))
            child.start()
            child.join(10)

        assert 0 == child.exitcode
        assert ["parent"] == [each["message"] for each in records()]


def _say_in_child(stream):
    vlog.get_logger().info("child")
    os._exit(0 if "INFO:vlog:child\n" in stream.getvalue() else 1)


class TestLogger:
    def test_is_structlogs_and_goes_with_what_holds_it(self):
        log = vlog.get_logger("data").bind(shard=3)
        assert isinstance(log, structlog.stdlib.BoundLogger)
        for again in (pickle.loads(pickle.dumps(log)), copy.deepcopy(log), copy.copy(log)):
            assert "vlog.data" == again.name
            assert {"shard": 3} == structlog.get_context(again)
        unbound = pickle.loads(pickle.dumps(vlog.get_logger("data")))
        with recorded():
            unbound.info("still works")

        assert ["still works"] == [each["message"] for each in records()]

    def test_can_be_awaited(self):
        with recorded():
            asyncio.run(vlog.get_logger().ainfo("later", rows=3))

        assert [{"rows": 3}] == [each["fields"] for each in records()]

    def test_is_not_changed_by_what_the_app_has_structlog_do(self):
        structlog.configure(processors=[structlog.processors.JSONRenderer()], context_class=list)
        try:
            with recorded():
                vlog.get_logger().info("same", rows=3)
        finally:
            structlog.reset_defaults()

        assert [("same", {"rows": 3})] == [(e["message"], e["fields"]) for e in records()]
