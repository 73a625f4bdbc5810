"""The end of a run that nobody announces: an uncaught exception, a signal, the interpreter's exit.

Global state: while a run is open, `sys.excepthook`, `threading.excepthook` and Python's own
handlers of SIGTERM and SIGINT are chained, and put back when the last one has ended (unless
somebody else has chained his own behind ours: then ours stays and does nothing). One `atexit`
function is registered for good.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from vlog.fork import in_child
from vlog.interrupts import deferred_signals

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from vlog.recorder import Recorder


_PYTHONS_OWN: dict[signal.Signals, Any] = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}


class _Endings:
    """The open runs of this process, and the hooks that end them."""

    def __init__(self) -> None:
        self._open: dict[Recorder, int] = {}  # with the thread that trains
        self._lock = threading.RLock()
        # What stood there before ours; None while ours is not in the chain.
        self._previous_hook: Callable[..., Any] | None = None
        self._previous_thread_hook: Callable[..., Any] | None = None

    def watch(self, recorder: Recorder) -> None:
        with self._lock:
            self._open[recorder] = threading.get_ident()
            self._hook()
            self._hook_signals()

    def unwatch(self, recorder: Recorder) -> None:
        with self._lock:
            self._open.pop(recorder, None)
            if not self._open:
                self._unhook()

    def forget(self) -> None:
        """Forget, in a forked child, the parent's runs, and who of its threads is in here."""
        self._lock = threading.RLock()
        self._open.clear()

    def _hook(self) -> None:
        """Chain the exception hooks, unless ours are in their chains still."""
        if self._previous_hook is None:
            self._previous_hook, sys.excepthook = sys.excepthook, self._on_uncaught
        if self._previous_thread_hook is None:
            self._previous_thread_hook = threading.excepthook
            threading.excepthook = self._on_uncaught_in_thread

    def _unhook(self) -> None:
        """Put back what is ours to put back; a hook that others call stays."""
        if self._previous_hook is not None and sys.excepthook == self._on_uncaught:
            sys.excepthook, self._previous_hook = self._previous_hook, None
        previous = self._previous_thread_hook
        if previous is not None and threading.excepthook == self._on_uncaught_in_thread:
            threading.excepthook, self._previous_thread_hook = previous, None
        if threading.current_thread() is threading.main_thread():
            for number, own in _PYTHONS_OWN.items():
                if signal.getsignal(number) == self._on_signal:
                    signal.signal(number, own)

    def _hook_signals(self) -> None:
        """Chain SIGTERM, which ends a process past `atexit`, and SIGINT. Only the main thread may.

        A handler that is not Python's own stays as it is: the app's may mean to train on, and it
        ends the run by an exception or an exit, which are seen. So does SIG_IGN.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number, own in _PYTHONS_OWN.items():
            if signal.getsignal(number) is own:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if deferred_signals.keeps(number):
            return
        if number == signal.SIGINT:  # its exception ends the run where it is seen
            signal.default_int_handler(number, frame)
        signal.signal(number, signal.SIG_IGN)  # a second one must not cut the end entry short
        self._end_all(lambda recorder: recorder.interrupt(f"signal {signal.Signals(number).name}"))
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _on_uncaught(
        self, kind: type[BaseException], error: BaseException, stack: TracebackType | None
    ) -> None:
        self._end_all(lambda recorder: end_by(recorder, error), threading.get_ident())
        (self._previous_hook or sys.__excepthook__)(kind, error, stack)

    def _on_uncaught_in_thread(self, args: threading.ExceptHookArgs) -> None:
        error = args.exc_value
        if error is not None and args.thread is not None:
            self._end_all(lambda recorder: end_by(recorder, error), args.thread.ident)
        (self._previous_thread_hook or threading.__excepthook__)(args)

    def at_exit(self) -> None:
        self._end_all(lambda recorder: recorder.interrupt("interpreter exit"))

    def _end_all(self, end: Callable[[Recorder], None], thread: int | None = None) -> None:
        """End every open run, or those that `thread` trains; a forked child has none."""
        with deferred_signals:
            for recorder, trainer in list(self._open.items()):
                if thread is None or trainer == thread:
                    try:
                        end(recorder)
                    except Exception as error:  # noqa: BLE001 - the process must end as it would
                        recorder.report("the end of a run could not be recorded", error)


def end_by(recorder: Recorder, error: BaseException) -> None:
    """End a run by what was raised: interrupted by an order to stop, failed by an error."""
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        recorder.interrupt(type(error).__name__)
    else:
        recorder.fail(error)


_endings = _Endings()
watch = _endings.watch
unwatch = _endings.unwatch
in_child(_endings.forget)
atexit.register(_endings.at_exit)
