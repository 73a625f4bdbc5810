"""What other loggers and `warnings` say while a run goes on, taken into its log."""

from __future__ import annotations

import functools
import io
import json
import logging
import logging.config
import threading
import warnings
from pathlib import Path

import pytest

import vlog
from vlog.capture import LIBRARIES, Capture, check_names
from vlog.errors import ConfigurationError

LOG = "run.jsonl"


def recorded(*names, **options):
    options = {"console": False, "sources": [], "capture": names, **options}
    return vlog.training_run(3, "high", LOG, **options)


def texts(path=LOG):
    assert [] == vlog.validate(path).problems
    entries = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
    return [(e["logger"], e["message"]) for e in entries if e["type"] == "log_record"]


@pytest.fixture
def app():
    """Loggers `shop`, and `shop.orders` below it, with nothing set."""
    loggers = [logging.getLogger(name) for name in ("shop", "shop.orders")]
    yield loggers
    for each in loggers:
        each.handlers, each.propagate, each.disabled = [], True, False
        each.setLevel(logging.NOTSET)


class TestLoggers:
    def test_are_taken_with_those_below_and_no_others(self, app):
        shop, orders = app
        with recorded("shop"):
            shop.warning("one")
            orders.error("two")
            logging.getLogger("shopping").warning("another")
            logging.getLogger().warning("root")
        shop.warning("too late")

        assert [("shop", "one"), ("shop.orders", "two")] == texts()

    def test_are_taken_once_though_all_above_are_named_too(self, app):
        with recorded("shop.orders", "shop", "root"):
            app[1].warning("one")

        assert [("shop.orders", "one")] == texts()

    def test_are_taken_at_the_levels_that_they_have(self, app):
        app[1].setLevel(logging.INFO)
        with recorded("shop"):
            app[1].info("one")
            app[1].debug("not said")
            app[0].info("not said: root is at WARNING")

        assert [("shop.orders", "one")] == texts()

    def test_are_taken_if_they_do_not_propagate(self, app):
        app[0].propagate = False
        with recorded("shop"):
            app[1].warning("one")

        assert [("shop.orders", "one")] == texts()

    def test_look_as_if_nobody_listened(self, app):
        shop, _ = app
        other = logging.NullHandler()
        with recorded("shop", "root"):
            assert ([], False) == (shop.handlers, bool(shop.handlers))
            shop.addHandler(other)
            assert [other] == shop.handlers
            assert other in shop.handlers
            shop.removeHandler(other)
            shop.warning("one")

        assert list is type(shop.handlers)
        assert list is type(logging.getLogger().handlers)
        assert [("shop", "one")] == texts()

    def test_are_left_alone_though_somebody_has_copied_their_handlers(self, app):
        with recorded("shop"):
            app[0].handlers = list(app[0].handlers)

        assert [] == app[0].handlers

    def test_are_not_made(self):
        name = "nobody.uses.this"
        with recorded(name):
            assert name not in logging.root.manager.loggerDict

    def test_that_come_later_are_taken_at_once_and_from_the_next_tick_if_they_keep_to_themselves(
        self,
    ):
        class Run:
            handlers, took = (), []

            def take_record(self, record):
                self.took.append(record.getMessage())

        name = "made.later.by.the.app"
        run = Run()
        vlog.open_runs.add(run)
        capture = Capture([name], run)
        try:
            capture.start()
            late = logging.getLogger(name)
            late.warning("one")
            late.propagate = False
            late.warning("nobody hears")
            capture.refresh()
            late.warning("two")
        finally:
            vlog.open_runs.remove(run)
            capture.stop()
            del logging.root.manager.loggerDict[name]

        assert ["one", "two"] == run.took

    @pytest.mark.parametrize("disable", [True, False])
    def test_go_on_after_a_dict_config(self, app, disable):
        with recorded("shop"):
            logging.config.dictConfig(
                {
                    "version": 1,
                    "disable_existing_loggers": disable,
                    "loggers": {"shop": {"level": "INFO", "handlers": []}},
                }
            )
            app[0].info("one")

        assert [("shop", "one")] == texts()

    def test_are_the_libraries_by_default(self):
        assert LIBRARIES == check_names(None)
        with vlog.training_run(3, log_file=LOG, console=False, sources=[]):
            logging.getLogger("transformers.trainer").warning("one")

        assert [("transformers.trainer", "one")] == texts()

    @pytest.mark.parametrize("value", ["root", [""], [3], 5])
    def test_are_refused_if_they_are_no_names(self, value):
        with pytest.raises(ConfigurationError, match="Expected a list of logger names"):
            recorded(capture=value)

    def test_of_two_runs_in_two_threads_go_to_the_runs_of_their_threads(self, app):
        both_open = threading.Barrier(2)

        def train(name):
            options = {"console": False, "sources": [], "capture": ["shop"]}
            with vlog.training_run(1, log_file=f"{name}.jsonl", **options):
                both_open.wait()
                app[0].warning(name)
                both_open.wait()

        threads = [threading.Thread(target=train, args=(name,)) for name in "ab"]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

        assert [[("shop", "a")], [("shop", "b")]] == [texts("a.jsonl"), texts("b.jsonl")]


class TestLastResort:
    def test_prints_what_nobody_handles_once(self, app, capsys, monkeypatch):
        monkeypatch.setattr(logging.root, "handlers", [])
        with recorded("shop", "shop.orders", "root"):
            app[1].warning("for stderr")
            app[1].propagate = False
            app[1].warning("this too")
            app[1].info("not this")

        assert "for stderr\nthis too\n" == capsys.readouterr().err

    def test_is_silent_where_a_handler_listens(self, app, capsys, monkeypatch):
        monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])
        with recorded("shop"):
            app[1].warning("nothing")

        assert "" == capsys.readouterr().err


class TestWarnings:
    def test_are_shown_as_before_and_taken_once(self):
        shown = []
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda *args: shown.append(str(args[0]))
            before = warnings.showwarning
            with recorded("py.warnings"):
                warnings.warn("careful", UserWarning, stacklevel=1)
            assert before is warnings.showwarning

        assert ["careful"] == shown
        assert [("py.warnings", "UserWarning: careful")] == texts()

    @pytest.mark.parametrize("is_before", [True, False])
    def test_are_taken_once_if_logging_captures_them(self, is_before):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            if is_before:
                logging.captureWarnings(True)
            with recorded("py.warnings", "root"):
                logging.captureWarnings(True)
                warnings.warn("careful", UserWarning, stacklevel=1)
            logging.captureWarnings(False)

        [(name, text)] = texts()
        assert "py.warnings" == name
        assert "UserWarning: careful" in text

    def test_that_a_block_records_are_left_to_it(self):
        with recorded("py.warnings"), warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            warnings.warn("caught", UserWarning, stacklevel=1)

        assert ["caught"] == [str(each.message) for each in seen]
        assert [] == texts()

    def test_that_are_errors_are_raised(self):
        with recorded("py.warnings"), warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserWarning, match="raised"):
                warnings.warn("raised", UserWarning, stacklevel=1)

        assert [] == texts()

    def test_that_are_written_to_a_file_are_not_taken(self):
        file = io.StringIO()
        with warnings.catch_warnings():
            warnings.showwarning = lambda *args: args[4].write(str(args[0]))
            with recorded("py.warnings"):
                warnings.showwarning(UserWarning("x"), UserWarning, "a.py", 3, file)

        assert "x" == file.getvalue()
        assert [] == texts()

    def test_are_shown_after_a_run_that_ended_while_another_chain_was_built_on_it(self):
        shown = []
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda *args: shown.append(str(args[0]))
            with recorded("py.warnings"):
                inner = warnings.showwarning
                warnings.showwarning = functools.partial(inner)
            warnings.warn("late", UserWarning, stacklevel=1)

        assert ["late"] == shown
        assert [] == texts()
