"""Blocks of lines decoded by other processes, in the order in which they come."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING, Any

import msgspec

from vlog.analysis.block_worker import receive_facts, send_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vlog.analysis.facts import Facts
    from vlog.file_lines import Line

_FEW_BYTES = 64 * 2**20  # are read sooner than a process has begun
_GROUP_BYTES = 2**20  # that a worker gets at a time
_MOST_WORKERS = 4  # more find nothing to do: who asks them has work of its own
_FAULTS = (OSError, EOFError, ValueError, msgspec.DecodeError)
_COMMAND = ("-P", "-m", "vlog.analysis.block_worker")  # -P: nothing out of the current folder


def with_facts(blocks: Iterable[Line]) -> Iterator[tuple[Line, Facts | None]]:
    """Yield each block with its facts; with None where it is to be looked at here.

    That is all of them where there is little to read, one processor, or no process to be had.
    Memory is bounded: each worker has one group of blocks at a time.
    """
    groups = _grouped(blocks)
    read = 0
    for group in groups:
        yield from ((block, None) for block in group)
        read += sum(len(block.raw) for block in group)
        if read >= _FEW_BYTES:
            break
    else:
        return
    processors = _processors()
    workers = [_Worker() for _ in range(min(processors, _MOST_WORKERS))] if processors > 1 else []
    try:
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
    if not workers:
        yield from ((block, None) for group in groups for block in group)
        return
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
        self._process: Any = None  # its pipes are there
        with suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, *_COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )

    def ask(self, group: list[Line]) -> None:
        """Have it decode the blocks of many lines."""
        if self._process is None:
            return
        try:
            send_blocks(self._process.stdin, [whole_lines(each) for each in group if each.lines])
        except _FAULTS:
            self.end()

    def answer(self) -> list[Facts | None]:
        """Return what it has made of each of them; nothing if it is gone."""
        if self._process is None:
            return []
        try:
            return receive_facts(self._process.stdout)
        except _FAULTS:
            self.end()
            return []

    def end(self) -> None:
        """Have it gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with process, suppress(OSError):
                process.stdin.close()


def whole_lines(block: Line) -> bytes:
    """Return the bytes of a block of many lines."""
    return block.raw[: block.raw.rindex(b"\n") + 1]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
