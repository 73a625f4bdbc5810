"""A signal waits while the main thread is in the section, and is delivered behind it."""

import os
import signal
import threading

import pytest

from vlog.interrupts import deferred_signals


@pytest.fixture
def seen():
    """Count SIGUSR1 as `vlog.endings` would: kept first, else acted on."""
    found = []

    def handle(number, _frame):
        if not deferred_signals.keeps(number):
            found.append(number)

    before = signal.signal(signal.SIGUSR1, handle)
    yield found
    signal.signal(signal.SIGUSR1, before)


def send():
    os.kill(os.getpid(), signal.SIGUSR1)


class TestDeferredSignals:
    def test_deliver_behind_the_outermost_section(self, seen):
        with deferred_signals:
            with deferred_signals:
                send()
            assert seen == []

        assert [signal.SIGUSR1] == seen

    def test_keep_no_more_than_two(self, seen):
        with deferred_signals:
            for _ in range(3):
                send()
            assert [signal.SIGUSR1] == seen

        assert [signal.SIGUSR1] * 3 == seen

    def test_deliver_the_rest_though_a_handler_raises(self, seen):
        def press(number, _frame):
            if not deferred_signals.keeps(number):
                raise KeyboardInterrupt

        signal.signal(signal.SIGINT, press)
        try:
            with pytest.raises(KeyboardInterrupt):
                self.press_and_send()
            with deferred_signals:
                assert seen == []
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

        assert [signal.SIGUSR1] == seen

    def press_and_send(self):
        with deferred_signals:
            os.kill(os.getpid(), signal.SIGINT)
            send()

    def test_are_not_kept_by_another_thread(self, seen):
        entered, done = threading.Event(), threading.Event()

        def work():
            with deferred_signals:
                entered.set()
                done.wait(10)

        thread = threading.Thread(target=work)
        thread.start()
        entered.wait(10)
        send()

        assert [signal.SIGUSR1] == seen
        done.set()
        thread.join()
