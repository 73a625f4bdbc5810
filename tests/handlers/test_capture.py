"""Records of other loggers reach the runs that are open, once."""

from __future__ import annotations

import gc
import logging
import threading
import weakref

import pytest

from vlog import open_runs
from vlog.handlers import CaptureHandler
from vlog.record import make_record


class Run:
    """Takes records, and does something with each."""

    def __init__(self, act=lambda record: None):
        self.taken, self.reports, self.handlers = [], [], []
        self._act = act

    def take_record(self, record):
        self.taken.append(record.getMessage())
        self._act(record)

    def report(self, what, error=None):
        self.reports.append((what, str(error)))


@pytest.fixture
def opened():
    """Return a function that opens a run in this thread."""
    runs = []

    def open_run(*args):
        runs.append(Run(*args))
        open_runs.add(runs[-1])
        return runs[-1]

    yield open_run
    for run in runs:
        open_runs.remove(run)


def warn(text, name="app", **attributes):
    return logging.makeLogRecord({"name": name, "msg": text, "levelno": 30, **attributes})


class TestCaptureHandler:
    def test_passes_a_record_over_while_no_run_is_open(self):
        assert CaptureHandler().handle(warn("nobody listens"))

    def test_hands_each_record_on_once_through_however_many_handlers(self, opened):
        run, first, second = opened(), CaptureHandler(), CaptureHandler()
        one, two = warn("one"), warn("two")
        for record in (one, two, one):
            for handler in (first, second, first):
                handler.handle(record)

        assert ["one", "two"] == run.taken

    def test_hands_it_to_the_innermost_run_of_its_thread(self, opened):
        outer, inner = opened(), opened()
        CaptureHandler().handle(warn("inner"))
        open_runs.remove(inner)
        CaptureHandler().handle(warn("outer"))

        assert (["outer"], ["inner"]) == (outer.taken, inner.taken)

    def test_hands_what_a_thread_without_a_run_says_to_all(self, opened):
        runs = opened(), opened()
        thread = threading.Thread(target=CaptureHandler().handle, args=(warn("said"),))
        thread.start()
        thread.join()

        assert [["said"], ["said"]] == [run.taken for run in runs]

    def test_obeys_its_filters(self, opened):
        run, handler = opened(), CaptureHandler()
        handler.addFilter(lambda record: "keep" in record.msg)

        assert (False, True) == (handler.handle(warn("drop")), handler.handle(warn("keep")))
        assert ["keep"] == run.taken

    def test_passes_over_what_is_said_while_a_record_is_written(self, opened):
        handler = CaptureHandler()
        run = opened(lambda record: handler.handle(warn("of a formatter")))
        handler.handle(warn("said"))

        assert ["said"] == run.taken

    def test_passes_over_entries_and_what_vlog_says_of_itself(self, opened):
        run = opened()
        entry = {"type": "x", "level": "INFO", "message": "m", "verbosity": "low"}
        for record in (make_record("vlog", entry), warn("broken", "vlog.errors")):
            CaptureHandler().handle(record)

        assert [] == run.taken

    def test_reports_what_a_run_cannot_write_and_goes_on(self, opened):
        def fail(record):
            raise OSError("full")

        run = opened(fail)
        CaptureHandler().handle(warn("one"))
        CaptureHandler().handle(warn("two"))

        assert ["one", "two"] == run.taken
        assert [("a record could not be written", "full")] * 2 == run.reports

    def test_keeps_nothing_of_a_record_alive(self, opened):
        opened()
        record = warn("with an exception that holds a model")
        gone = weakref.ref(record)
        CaptureHandler().handle(record)
        del record
        gc.collect()

        assert gone() is None
