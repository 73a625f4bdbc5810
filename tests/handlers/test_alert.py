"""A function of the user's is told of alerts, and the training waits for nobody."""

import threading

import pytest
from trainers import entries_of, of_type

import vlog
from vlog.errors import ConfigurationError
from vlog.handlers import AlertHandler
from vlog.record import make_record


def record_of(kind="training_anomaly", level="WARNING", **fields):
    return make_record(
        "vlog", {"type": kind, "level": level, "message": "m", "verbosity": "low", **fields}
    )


@pytest.fixture
def problems():
    return []


@pytest.fixture
def report(problems):
    return lambda what, error=None: problems.append((what, error))


class TestAlertHandler:
    def test_tells_entries_in_order_in_a_thread_of_its_own(self, report):
        told = []
        handler = AlertHandler(
            lambda entry: told.append((entry["n"], threading.current_thread().name)), report
        )
        for number in range(20):
            handler.handle(record_of(n=number))
        handler.wait(10)

        assert [(number, "vlog-alerts") for number in range(20)] == told

    def test_passes_over_what_other_loggers_say(self, report):
        told = []
        handler = AlertHandler(told.append, report)
        handler.handle(record_of("log_record"))
        handler.handle(record_of("training_failed", "ERROR"))
        handler.wait(10)

        assert ["training_failed"] == [entry["type"] for entry in told]

    @pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
    def test_reports_what_the_function_raises_and_goes_on(self, error, report, problems):
        told = []

        def fail_once(entry):
            told.append(entry["n"])
            if entry["n"] == 0:
                raise error

        handler = AlertHandler(fail_once, report)
        handler.handle(record_of(n=0))
        handler.handle(record_of(n=1))
        handler.wait(10)

        assert [0, 1] == told
        assert [("on_alert raised", error)] == [(what, type(raised)) for what, raised in problems]

    def test_never_waits_for_a_function_that_hangs(self, report, problems):
        go_on = threading.Event()
        told = []
        handler = AlertHandler(lambda entry: go_on.wait(30) and told.append(entry["n"]), report)
        for number in range(1003):
            handler.handle(record_of(n=number))
        handler.wait(0.01)
        go_on.set()
        handler.wait(30)

        assert 1002 == told[-1]
        assert len(told) in (1000, 1001)  # one of them was out of the queue already
        assert 1003 - len(told) == len(problems)

    def test_refuses_what_cannot_be_called(self):
        with pytest.raises(ConfigurationError, match=r"on_alert is 'print'\. Expected a function"):
            vlog.training_run(on_alert="print")


class TestOnAlert:
    def test_a_run_tells_of_its_alerts_and_of_its_failure(self):
        told = []

        def fail():
            with vlog.training_run(
                verbosity_level="low", log_file="log.jsonl", on_alert=told.append, sources=[]
            ) as run:
                for step in run.steps():
                    run.log(loss=float("nan") if step == 2 else 1.0)
                    if step == 4:
                        raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        written = of_type(entries_of(), "training_anomaly", "training_failed")

        assert ["training_anomaly", "training_failed"] == [entry["type"] for entry in told]
        assert [entry["seq"] for entry in written] == [entry["seq"] for entry in told]
