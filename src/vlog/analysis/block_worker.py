"""A process that turns lines into facts: `python -m vlog.analysis.block_worker`.

It is told by its standard input and answers on its standard output, until the one is closed. A
message is the length of a head, the head, and for the lines what the head says:

    -> lengths of blocks, and the blocks, each of whole lines
    <- for each block its facts, or null where the lines are to be looked at one by one
"""

from __future__ import annotations

import io
import signal
import sys
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from vlog.analysis.facts import Facts, facts_of
from vlog.analysis.quick_entries import QuickReader

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENGTH_BYTES = 4
_encode = msgspec.msgpack.Encoder().encode
_lengths_of = msgspec.msgpack.Decoder(list[int]).decode
_facts_in = msgspec.msgpack.Decoder(list[Facts | None]).decode


def send_blocks(stream: BinaryIO, blocks: Sequence[bytes]) -> None:
    """Send blocks to a worker.

    Raises:
        OSError: it is not there.
    """
    _send(stream, _encode([len(block) for block in blocks]))
    stream.writelines(blocks)
    stream.flush()


def receive_facts(stream: BinaryIO) -> list[Facts | None]:
    """Return a worker's answer.

    Raises:
        EOFError, msgspec.DecodeError: it has ended, or answers nonsense.
    """
    return _facts_in(_receive(stream))


def _send(stream: BinaryIO, head: bytes) -> None:
    stream.write(len(head).to_bytes(_LENGTH_BYTES, "little"))
    stream.write(head)


def _receive(stream: BinaryIO) -> bytes:
    return _exactly(stream, int.from_bytes(_exactly(stream, _LENGTH_BYTES), "little"))


def _exactly(stream: BinaryIO, count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise EOFError("the other side has ended")
    return found


def answer_all(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there is nobody to ask."""
    reader = QuickReader()
    while True:
        try:
            lengths = _lengths_of(_receive(asked))
        except EOFError:
            return
        found = []
        for length in lengths:
            entries = reader.entries_of(io.BytesIO(_exactly(asked, length)).readlines())
            found.append(facts_of(entries) if entries else None)
        _send(answers, _encode(found))
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks decides
    answer_all(sys.stdin.buffer, sys.stdout.buffer)
