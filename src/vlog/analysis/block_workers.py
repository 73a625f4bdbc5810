"""Blocks of lines decoded by other processes, in the order in which they come."""

from __future__ import annotations

import mmap
import os
import select
import subprocess
import sys
from collections import deque
from contextlib import ExitStack, suppress
from itertools import cycle
from typing import TYPE_CHECKING, Any

import msgspec

from vlog.analysis.block_worker import receive_facts, receive_form, send_lengths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vlog.analysis.facts import Facts
    from vlog.file_lines import Line

_FEW_BYTES = 64 * 2**20  # are read sooner than a process has begun
_GROUP_BYTES, _MOST_BYTES = 2**20, 2**21  # that a worker gets at a time, about and at most
_MOST_WORKERS = 4  # more find nothing to do: who asks them has work of its own
_PATIENCE_SECONDS = 10.0  # a worker takes milliseconds, unless somebody stops it
_FAULTS = (OSError, EOFError, ValueError, RecursionError, MemoryError, msgspec.DecodeError)
_COMMAND = ("-P", "-m", "vlog.analysis.block_worker")  # -P: nothing out of the current folder


def with_facts(blocks: Iterable[Line]) -> Iterator[tuple[Line, Facts | None]]:
    """Yield each block with its facts; with None where it is to be looked at here.

    That is all of them where there is little to read, one processor, or no process to be had.
    Memory is bounded: each worker has one group of blocks at a time.
    """
    groups = _grouped(blocks)
    workers: list[_Worker] = []
    read = 0
    try:
        for group in groups:
            yield from _answered(group, [])
            read += sum(len(block.raw) for block in group)
            if read >= _FEW_BYTES and not workers:
                count = min(_processors(), _MOST_WORKERS)
                workers.extend(_Worker() for _ in range(count if count > 1 else 0))
            if workers and all(worker.is_ready() for worker in workers):
                yield from _in_turn(groups, workers)
    finally:
        for worker in workers:
            worker.end()


def _grouped(blocks: Iterable[Line]) -> Iterator[list[Line]]:
    group: list[Line] = []
    size = 0
    for block in blocks:
        group.append(block)
        size += len(block.raw)
        if size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _in_turn(
    groups: Iterable[list[Line]], workers: list[_Worker]
) -> Iterator[tuple[Line, Facts | None]]:
    given: deque[tuple[_Worker, list[Line]]] = deque()
    for worker, group in zip(cycle(workers), groups, strict=False):
        done = given.popleft()[1] if len(given) == len(workers) else []
        facts = worker.answer() if done else []
        worker.ask(group)  # before anything is made of what it has answered
        given.append((worker, group))
        yield from _answered(done, facts)
    for worker, group in given:
        yield from _answered(group, worker.answer())


def _answered(group: list[Line], answer: list[Facts | None]) -> Iterator[tuple[Line, Facts | None]]:
    facts = iter(answer)
    for block in group:
        yield block, next(facts, None) if block.lines else None


class _Worker:
    """A process that decodes; one that is gone, or never was, has no answers."""

    def __init__(self) -> None:
        self._process: Any = None  # its pipe is there
        self._is_ready = False
        self._open = ExitStack()
        with suppress(Exception):  # whatever keeps it from being had: the lines are read here then
            self._start()

    def _start(self) -> None:
        # Where there is no memfd, memory is shared by a file, which a full disk makes a trap.
        shared = os.memfd_create("vlog")
        with ExitStack() as given:
            given.callback(os.close, shared)
            os.ftruncate(shared, _MOST_BYTES)
            self._lines = self._open.enter_context(mmap.mmap(shared, 0))
            answers, told = os.pipe()
            given.callback(os.close, told)
            self._answers = self._open.enter_context(os.fdopen(answers, "rb"))
            self._arrival = select.poll()
            self._arrival.register(answers, select.POLLIN)
            self._process = subprocess.Popen(
                [*_python(), *_COMMAND, str(shared), str(told)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[shared, told],
            )

    def is_ready(self) -> bool:
        """Return whether it has begun, or never will; until then who asks would wait."""
        if self._process is not None and not self._is_ready and self._arrival.poll(0):
            self._is_ready = True
            try:
                receive_form(self._answers)
            except _FAULTS:
                self.end()
        return self._is_ready or self._process is None

    def ask(self, group: list[Line]) -> None:
        """Have it decode the blocks of many lines."""
        if self._process is None:
            return
        self._lines.seek(0)
        lengths = []
        for block in group:
            if block.lines:
                length = block.raw.rindex(b"\n") + 1
                is_room = self._lines.tell() + length <= _MOST_BYTES
                lengths.append(self._lines.write(memoryview(block.raw)[:length]) if is_room else 0)
        try:
            send_lengths(self._process.stdin, lengths)
        except _FAULTS:
            self.end()

    def answer(self) -> list[Facts | None]:
        """Return what it has made of each of them; nothing if it is gone."""
        if self._process is None:
            return []
        try:
            if self._arrival.poll(1000 * _PATIENCE_SECONDS):
                return receive_facts(self._answers)
        except _FAULTS:
            pass
        self.end()
        return []

    def end(self) -> None:
        """Have it gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with process, suppress(OSError):
                process.stdin.close()
        self._open.close()


def _python() -> list[str]:
    """Return the command of this Python, as isolated as it is.

    Raises:
        OSError: it is inside of another program.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        raise OSError("no Python to be started")
    flags = sys.flags
    isolation = {"-I": flags.isolated, "-E": flags.ignore_environment, "-s": flags.no_user_site}
    return [sys.executable, *(option for option, is_on in isolation.items() if is_on)]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
