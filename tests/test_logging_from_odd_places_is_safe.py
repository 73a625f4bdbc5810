"""A record may be logged from anywhere: each is written once, whole, and nobody waits for ever.

A value's `__repr__` and a handler that log are in `test_an_app_cannot_silence_a_run.py`, a Ctrl-C
while an entry of a run is made in `test_interrupts.py`.
"""

import asyncio
import gc
import json
import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from writers import LOG, PRELUDE, numbers_in, run, start

import vlog
from vlog.handlers import JsonlFormatter, RotatingJsonlHandler


@pytest.fixture
def handler():
    made = RotatingJsonlHandler(LOG)
    yield made
    made.close()


def emit(handler, *numbers):
    for number in numbers:
        handler.handle(logging.LogRecord("app", logging.INFO, "", 0, number, (), None))


@pytest.fixture
def timer():
    """Return a function that has another one called again and again by a signal."""
    before = signal.getsignal(signal.SIGALRM)

    def interrupt_by(act, seconds=0.0005):
        signal.signal(signal.SIGALRM, lambda *_: act())
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)

    yield interrupt_by
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


class TestASignalHandler:
    @pytest.mark.parametrize("max_mb", [0, 0.05], ids=["one file", "rotated"])
    def test_that_logs_in_the_midst_of_a_record_is_written_beside_it(self, timer, max_mb):
        handler = RotatingJsonlHandler(LOG, max_mb=max_mb, compress="none")
        signalled = 0

        def say():
            nonlocal signalled
            signalled += 1
            emit(handler, -signalled)

        timer(say)
        steady = 0
        while steady < 2000 or signalled < 100:
            emit(handler, steady)
            steady += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        handler.close()

        found = numbers_in(*sorted(Path.cwd().glob("run.jsonl.0*")), LOG)
        assert list(range(-signalled, steady)) == sorted(found)
        assert list(range(steady)) == [number for number in found if number >= 0]

    def test_that_raises_cuts_no_line_and_loses_none_that_returned(self):
        """KeyboardInterrupt in the middle of a write, again and again."""
        _, out = run(
            """
            def interrupt(*_):
                global is_armed
                if is_armed:
                    is_armed = False
                    raise KeyboardInterrupt
            returned, interrupted, number, is_armed = [], 0, 0, False
            signal.signal(signal.SIGALRM, interrupt)
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.002)
            while interrupted < 300:
                number += 1
                try:
                    is_armed = True
                    emit(number)
                    is_armed = False
                    returned.append(number)
                except KeyboardInterrupt:
                    interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            handler.close()
            print(*returned)
            """,
            PRELUDE.replace(f"{LOG!r})", f"{LOG!r}, max_mb=0.05, compress='none')"),
        )
        found = numbers_in(*sorted(Path.cwd().glob("run.jsonl.0*")), LOG)

        assert sorted(set(found)) == found
        assert set(map(int, out.split())) <= set(found)


class TestAFinalizer:
    def test_that_logs_while_garbage_is_collected_in_a_record_is_written(self, handler):
        class Loud:
            def __init__(self, number):
                self.number, self.me = number, self

            def __del__(self):
                emit(handler, self.number)

        before = gc.get_threshold()
        gc.set_threshold(3)
        try:
            for number in range(500):
                Loud(-1 - number)
                emit(handler, number)
        finally:
            gc.set_threshold(*before)
        gc.collect()
        handler.close()

        assert list(range(-500, 500)) == sorted(numbers_in(LOG))

    def test_that_logs_when_python_has_taken_modules_apart_harms_nothing(self):
        """Nobody's handler works any more then; Python says so on stderr."""
        run("""
            class Loud:
                def __init__(self):
                    self.handle = handler.handle
                    self.record = logging.LogRecord("app", logging.INFO, "", 0, 2, (), None)
                def __del__(self):
                    self.handle(self.record)
            sys.loud, logging.loud, loud = Loud(), Loud(), Loud()
            emit(1)
        """)
        found = numbers_in(LOG)

        assert [1] == found[:1]
        assert {2} >= set(found[1:])

    def test_that_logs_after_the_handlers_are_shut_down_is_written(self):
        """What is registered first is called last: after `logging.shutdown`."""
        run("emit(1)", f"import atexit\natexit.register(lambda: emit(2))\n{PRELUDE}")

        assert [1, 2] == numbers_in(LOG)


class TestAPartOfALogCall:
    def test_that_logs_is_written_after_the_record_that_it_is_in(self, handler):
        class Loud(JsonlFormatter):
            def format_line(self, record):
                if record.msg < 100:
                    emit(handler, record.msg + 100)
                return super().format_line(record)

        def say(record):
            if record.msg < 100:
                emit(handler, record.msg + 200)
            return True

        handler.setFormatter(Loud())
        handler.addFilter(say)
        emit(handler, 1, 2)

        assert [1, 2, 101, 102, 201, 202] == sorted(numbers_in(LOG))

    def test_that_logs_to_the_run_from_a_processor_is_in_it(self, monkeypatch):
        from vlog import run_log

        clean, is_loud = run_log.clean_values, True

        def loud(logger, method, event_dict):
            nonlocal is_loud
            if is_loud and event_dict["type"] == "training_step_complete":
                is_loud = False  # or what is said would be said again, for ever
                vlog.get_logger().warning("in a processor")
            return clean(logger, method, event_dict)

        monkeypatch.setattr(run_log, "clean_values", loud)
        with vlog.training_run(2, log_file=LOG, console=False, sources=[]) as training:
            for _ in training.steps():
                training.log(loss=1.0)

        kinds = [entry["type"] for entry in vlog.read(LOG)]
        assert "log_record" == kinds[kinds.index("training_step_complete") + 1]
        assert [] == vlog.validate(LOG).problems


class TestAThread:
    def test_that_outlives_the_main_one_is_written_to_its_end(self):
        run("""
            def log_on():
                threading.main_thread().join()
                for number in range(1000):
                    emit(number)
            threading.Thread(target=log_on).start()
        """)

        assert list(range(1000)) == numbers_in(LOG)

    def test_that_is_cut_off_with_the_process_leaves_whole_lines(self):
        process = start("""
            number = 0
            def log_on():
                global number
                while True:
                    emit(number)
                    number += 1
            threading.Thread(target=log_on, daemon=True).start()
            while number < 500: pass
        """)
        _, err = process.communicate(timeout=60)
        found = numbers_in(LOG)

        assert (0, "") == (process.returncode, err)
        assert list(range(len(found))) == found
        assert len(found) >= 500


class TestAHook:
    def test_that_logs_what_nobody_caught_is_written(self):
        process = start("""
            def said(kind, error, stack): emit(int(str(error)))
            sys.excepthook = said
            threading.excepthook = lambda args: emit(int(str(args.exc_value)))
            def fail(): raise ValueError(1)
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
            raise ValueError(2)
        """)
        process.communicate(timeout=60)

        assert [1, 2] == numbers_in(LOG)

    def test_of_an_app_that_logs_what_failed_a_run_stands_beside_its_end(self):
        subprocess.run(
            [sys.executable, "-c", f"""
import sys, vlog
sys.excepthook = lambda kind, error, stack: vlog.get_logger().error("by the app")
training = vlog.training_run(2, log_file={LOG!r}, console=False, sources=[]).start()
sys.excepthook, own = lambda *args: (vlog.get_logger().error("first"), own(*args)), sys.excepthook
raise ValueError("x")
"""],
            timeout=60,
            check=False,
            capture_output=True,
        )  # fmt: skip

        entries = list(vlog.read(LOG))
        assert ["log_record", "training_failed"] == [each["type"] for each in entries[-2:]]
        assert "first" == entries[-2]["message"]


class TestATask:
    def test_that_logs_and_is_cancelled_leaves_whole_lines(self, handler):
        async def say(first):
            for number in range(first, first + 100):
                emit(handler, number)
                await asyncio.sleep(0)

        async def say_all():
            tasks = [asyncio.create_task(say(1000 * each)) for each in range(5)]
            for _ in range(30):
                await asyncio.sleep(0)
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run(say_all())
        found = numbers_in(LOG)

        assert 0 < sum(number < 1000 for number in found) < 100
        assert len(set(found)) == len(found)
        assert set(found) >= {1000 * each + number for each in range(1, 5) for number in range(100)}


class TestAnError:
    def test_of_too_deep_a_recursion_leaves_the_next_line_whole(self, handler):
        depth = 0

        def sink():
            nonlocal depth
            depth += 1
            emit(handler, depth)
            sink()

        with pytest.raises(RecursionError):
            sink()
        emit(handler, 0)
        handler.close()

        messages = [json.loads(line)["message"] for line in Path(LOG).read_text().splitlines()]
        found = [int(each) for each in messages if each.isdigit()]
        assert [*range(1, len(found)), 0] == found
        assert len(found) > depth - 30  # deeper ones had no room, and say that of themselves

    @pytest.mark.parametrize("error", [MemoryError, RecursionError])
    def test_in_the_formatter_costs_its_record_and_is_counted(self, handler, monkeypatch, error):
        def refuse(_record):
            raise error

        emit(handler, 1)
        with monkeypatch.context() as patch:
            patch.setattr(handler.formatter, "format_line", refuse)
            emit(handler, 2)
        emit(handler, 3)
        entries = list(vlog.read(LOG))

        assert ["log_record", "logging_gap", "log_record"] == [each["type"] for each in entries]
        assert (1, error.__name__) == (entries[1]["dropped"], entries[1]["reason"].split(":")[0])

    def test_of_memory_in_the_write_costs_nothing(self, handler, monkeypatch):
        append, failures = handler.append, [MemoryError()]

        def fail_at_first(line):
            if failures:
                raise failures.pop()
            append(line)

        monkeypatch.setattr(handler, "append", fail_at_first)
        emit(handler, 1, 2, 3)
        handler.close()

        assert [1, 2, 3] == numbers_in(LOG)
