"""Threads of vlog: daemons with a name, whose processor time is counted.

Those of the monitor count their own.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from vlog.fork import in_child

if TYPE_CHECKING:
    from collections.abc import Callable


class _Account:
    """The processor time of threads that have ended, and the threads that have not."""

    def __init__(self) -> None:
        self.ended_seconds = 0.0
        self.running: set[threading.Thread] = set()


_account = _Account()
_lock = threading.Lock()


def _forget() -> None:
    global _lock  # noqa: PLW0603 - a thread that the child does not have may hold it
    _lock = threading.Lock()
    _account.__init__()  # type: ignore[misc]  # a child has none of its parent's threads


in_child(_forget)


def counted_thread(target: Callable[[], Any], name: str) -> threading.Thread:
    """Return a daemon thread that will call `target`, to be started by the caller.

    Args:
        target: What it does.
        name: Its name, which begins with `vlog-`.
    """

    def run() -> None:
        me = threading.current_thread()
        with _lock:
            _account.running.add(me)
        try:
            target()
        finally:
            with _lock:
                _account.running.discard(me)
                _account.ended_seconds += time.thread_time()

    return threading.Thread(target=run, name=name, daemon=True)


def cpu_seconds() -> float:
    """Return the processor time of all these threads so far, of those that have ended too."""
    with _lock:
        return _account.ended_seconds + sum(map(_cpu_seconds_of, _account.running))


def _cpu_seconds_of(thread: threading.Thread) -> float:
    if not hasattr(time, "pthread_getcpuclockid"):  # macOS, Windows: counted when it ends
        return 0.0
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))
    except OSError:  # it has just ended
        return 0.0
