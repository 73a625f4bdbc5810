"""Nothing passes the guard into the training, and whatever happens in it, it is left again."""

import signal

import pytest

from vlog.clock import SystemClock
from vlog.integrations.guard import guarded
from vlog.interrupts import deferred_signals
from vlog.timing import PhaseLedger


class TimedOutError(Exception):
    """What an app raises in a signal handler of its own."""


class Hooks:
    """An integration with one hook."""

    def __init__(self, ledger=None):
        self.ledger = ledger
        self.faults = []

    def report_fault(self, what, error):
        self.faults.append((what, str(error)))

    @guarded
    def hook(self, act):
        act()


@pytest.fixture
def alarm():
    """A handler of the app's, which raises."""

    def raise_it(_number, _frame):
        raise TimedOutError

    before = signal.signal(signal.SIGALRM, raise_it)
    yield lambda: signal.raise_signal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, before)


class LeftByAlarm(PhaseLedger):
    """A ledger in whose last line a signal comes."""

    def __init__(self, alarm):
        super().__init__(SystemClock())
        self._alarm = alarm

    def leave(self):
        super().leave()
        self._alarm()


class TestGuarded:
    def test_reports_what_is_raised_and_lets_nothing_out(self):
        hooks = Hooks()
        hooks.hook(lambda: 1 / 0)

        assert [("hook failed", "division by zero")] == hooks.faults
        assert 0 == deferred_signals.depth

    def test_lets_orders_to_stop_pass_and_leaves(self):
        def press():
            raise KeyboardInterrupt

        ledger = PhaseLedger(SystemClock())
        with pytest.raises(KeyboardInterrupt):
            Hooks(ledger).hook(press)

        assert 0 == deferred_signals.depth
        assert ledger.enter()  # it had been left

    def test_is_left_though_an_apps_signal_handler_raises_while_it_leaves(self, alarm):
        with pytest.raises(TimedOutError):
            Hooks(LeftByAlarm(alarm)).hook(lambda: None)

        assert 0 == deferred_signals.depth

    def test_delivers_a_signal_that_came_in_it(self):
        seen = []

        def handle(number, _frame):
            if not deferred_signals.keeps(number):
                seen.append(number)

        def come():
            signal.raise_signal(signal.SIGUSR1)
            assert not seen

        before = signal.signal(signal.SIGUSR1, handle)
        try:
            hooks = Hooks()
            hooks.hook(come)
        finally:
            signal.signal(signal.SIGUSR1, before)

        assert ([], [signal.SIGUSR1]) == (hooks.faults, seen)
