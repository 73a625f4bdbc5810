"""A large file taken by several processes, a stretch of whole lines at a time, in its order.

The processes are forks, which cost milliseconds and find the file open. That is for a program of
our own, as a command of the shell, or one whose author says that it may be forked.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
from itertools import cycle, pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    Stretch = tuple[int, int]

_Found = TypeVar("_Found")
_FEW_BYTES = 2**26  # are read nearly as soon by one process
_STRETCH_BYTES = 2**22  # that a process takes at a time, about
_MOST_SEARCHED = 2**18  # for the end of a line; where they are longer, one process is to read
_MOST_PROCESSES = 4  # more find nothing to do: who asks them has work of its own
_TASKS = Path("/proc/self/task")


def stretches_of(file: int, begin: int) -> list[Stretch]:
    """Return where to take a file from the byte `begin` on apart: at ends of lines.

    Returns:
        First byte, and the byte behind the last, of each stretch, as far as they are to be taken
        apart; nothing where the file is small, or where a process cannot be forked to any use.
    """
    size = os.fstat(file).st_size
    if size - begin < _FEW_BYTES or _processors() == 1 or not _is_alone():
        return []
    places = [begin]
    for nominal in range(begin + _STRETCH_BYTES, size, _STRETCH_BYTES):
        newline = os.pread(file, _MOST_SEARCHED, nominal).find(b"\n")
        if newline < 0:
            break
        places.append(nominal + newline + 1)
    return list(pairwise(places))


def taken_by_processes(
    take: Callable[[int, int], _Found], stretches: Sequence[Stretch]
) -> Generator[_Found, None, None]:
    """Yield what `take` makes of each stretch, in order, done by as many processes as pay.

    It ends early where one of them is gone, or never was: who asks goes on by itself.

    Args:
        take: Given the first byte, and the byte behind the last. What it returns is pickled.
        stretches: They.
    """
    count = min(_processors(), _MOST_PROCESSES, len(stretches))
    with contextlib.ExitStack() as opened:
        answers: list[IO[bytes]] = []
        try:
            for place in range(count):
                process = _process(take, stretches[place::count], answers)
                answers.append(opened.enter_context(process))
        except (OSError, RuntimeError):
            return  # no process, or no pipe, to be had; or not while Python ends
        for answer, _ in zip(cycle(answers), stretches, strict=False):
            try:
                found = pickle.load(answer)  # noqa: S301 - it comes from this very program
            except (EOFError, pickle.UnpicklingError):
                return
            yield found


@contextlib.contextmanager
def _process(
    take: Callable[[int, int], Any], stretches: Sequence[Stretch], others: list[IO[bytes]]
) -> Iterator[IO[bytes]]:
    """Have a process take stretches; give what it answers."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as answer:
        child = 0
        try:
            with os.fdopen(writing, "wb") as stream, _without_interrupts():
                child = os.fork()
                if not child:
                    _answer(take, stretches, stream, [*others, answer])
            yield answer
        finally:
            answer.close()  # which ends it, if it has not ended
            if child:
                with contextlib.suppress(ChildProcessError):  # somebody waits for all children
                    os.waitpid(child, 0)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let what a signal raises come behind a block: neither parent nor child leaves its midst."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _answer(
    take: Callable[[int, int], Any],
    stretches: Sequence[Stretch],
    stream: IO[bytes],
    others: list[IO[bytes]],
) -> None:
    """Be the process: do its work, and end without what an interpreter does at its end."""
    try:
        gc.freeze()  # what was the parent's garbage is not this one's
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):  # the parent decides what to do
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for each in others:
            each.close()  # the parent's alone, so that each writer sees that nobody reads
        for begin, end in stretches:
            pickle.dump(take(begin, end), stream, pickle.HIGHEST_PROTOCOL)
            stream.flush()
    finally:
        os._exit(0)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _is_alone() -> bool:
    """Return whether this thread is the only one, those of libraries included."""
    try:
        return len(list(_TASKS.iterdir())) == 1
    except OSError:
        return False  # a system that does not tell
