"""A process that turns lines into facts: `python -m vlog.analysis.block_worker LINES ANSWERS`.

The lines stand in memory that it shares with who asks, behind the descriptor LINES. It is told by
its standard input how long the blocks there are, each of whole lines, and answers on the descriptor
ANSWERS with the facts of each, or null where the lines are to be looked at one by one. A message is
its length and itself. The first answer says what facts are made of. When the input is closed, it
ends.
"""

from __future__ import annotations

import io
import mmap
import os
import signal
import sys
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from vlog import __version__
from vlog.analysis.facts import Facts, facts_of
from vlog.analysis.quick_entries import QuickReader

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENGTH_BYTES = 4
_LONGEST_MESSAGE = 64 * 2**20  # above it, it is none of ours
_FORM = msgspec.json.encode([__version__, *Facts.__struct_fields__])
_encode = msgspec.msgpack.Encoder().encode
_lengths_of = msgspec.msgpack.Decoder(list[int]).decode
_facts_in = msgspec.msgpack.Decoder(list[Facts | None]).decode


def send_lengths(stream: BinaryIO, lengths: Sequence[int]) -> None:
    """Tell a worker how long the blocks are.

    Raises:
        OSError: it is not there.
    """
    _send(stream, _encode(lengths))


def receive_form(stream: BinaryIO) -> None:
    """Receive a worker's first answer.

    Raises:
        EOFError: it is none of this version.
    """
    if _receive(stream) != _FORM:
        raise EOFError("somebody else answers")


def receive_facts(stream: BinaryIO) -> list[Facts | None]:
    """Return a worker's answer.

    Raises:
        EOFError, msgspec.DecodeError: it has ended, or answers nonsense.
    """
    return _facts_in(_receive(stream))


def answer_all(lines: bytes | mmap.mmap, asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there is nobody to ask."""
    reader, view = QuickReader(), memoryview(lines)
    _send(answers, _FORM)
    while True:
        try:
            lengths = _lengths_of(_receive(asked))
        except EOFError:
            return
        found, start = [], 0
        for length in lengths:
            entries = reader.entries_of(io.BytesIO(view[start : start + length]).readlines())
            found.append(facts_of(entries) if entries else None)
            start += length
        _send(answers, _encode(found))


def _send(stream: BinaryIO, message: bytes) -> None:
    stream.write(len(message).to_bytes(_LENGTH_BYTES, "little") + message)
    stream.flush()


def _receive(stream: BinaryIO) -> bytes:
    length = int.from_bytes(_exactly(stream, _LENGTH_BYTES), "little")
    if length > _LONGEST_MESSAGE:
        raise EOFError("somebody else answers")
    return _exactly(stream, length)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise EOFError("the other side has ended")
    return found


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks decides
    with os.fdopen(int(sys.argv[2]), "wb") as answers:
        answer_all(mmap.mmap(int(sys.argv[1]), 0), sys.stdin.buffer, answers)
