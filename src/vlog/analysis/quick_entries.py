"""Entries of which only what a summary looks at is decoded, in less than half the time.

Whether an entry can be taken so is told by whether it can be decoded so. Where a key stands in it
that is not named here, or a value of another type, the decoder refuses, and the entry is taken the
long way. One thing it does not see: a number beyond what floats hold (`1e999`), which makes a line
unreadable, where a summary does not look.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import orjson

from vlog.analysis.blocks import REFUSALS
from vlog.analysis.structs import TIERS, Integer
from vlog.schema import EventType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vlog.file_lines import Line

STEP = str(EventType.TRAINING_STEP_COMPLETE)
_TYPES = (
    STEP,
    # Of the others a summary sees that they are there, and how far the run is.
    str(EventType.STEP_BEGIN),
    str(EventType.MICRO_BATCH),
    str(EventType.PREDICTION_STEP),
    str(EventType.EPOCH_BEGIN),
    str(EventType.EPOCH_COMPLETE),
    str(EventType.EVALUATION_START),
)
_HEAD_BYTES = 128  # in which the signs of a message stand; what follows is ASCII, mostly
_Number = Integer | float | None
_Count = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
_NOTHING = msgspec.Raw(b"")


class Timing(msgspec.Struct, gc=False):
    """`timing`; other keys may stand in it."""

    step_time_seconds: _Number = None
    data_wait_seconds: _Number = None
    forward_backward_seconds: _Number = None
    optimizer_seconds: _Number = None
    samples_per_second: _Number = None
    tokens_per_second: _Number = None
    eta_minutes: _Number = None


class Metrics(msgspec.Struct, gc=False):
    """`metrics`; other keys may stand in it."""

    loss: _Number = None
    learning_rate: _Number = None
    grad_norm: _Number = None


class Progress(msgspec.Struct, gc=False):
    """`progress`."""

    total_steps: Integer | None = None
    progress_percent: _Number = None
    remaining_steps: Integer | None = None


class StepOverhead(msgspec.Struct, gc=False):
    """`overhead` of a step."""

    training_thread_seconds: _Number = None
    training_thread_percent: _Number = None
    bytes_written: Integer | None = None


class QuickEntry(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An entry of a run. Keys that have no say in a summary stand here undecoded."""

    timestamp: Annotated[str, msgspec.Meta(min_length=1)]
    type: Literal[_TYPES]  # type: ignore[valid-type]
    level: Literal["INFO"]
    message: msgspec.Raw
    run_id: str
    rank: Integer
    pid: Integer
    seq: int
    verbosity: Literal[TIERS]  # type: ignore[valid-type]
    step: Integer
    epoch: _Number = None
    # In the order in which they are written, which is found at once.
    micro_batch: int = 0
    steps: int = 0
    prediction_step: int = 0
    metrics: Metrics | None = None
    timing: Timing | None = None
    progress: Progress | None = None
    loss_window_steps: _Count = 1
    batch: msgspec.Raw = _NOTHING
    samples: int = 0
    tokens: int = 0
    phases: msgspec.Raw = _NOTHING
    overhead: StepOverhead | None = None
    resource_usage: msgspec.Raw = _NOTHING
    resource_age_seconds: float | None = None
    trends: msgspec.Raw = _NOTHING

    @property
    def all_steps(self) -> int | None:
        """Steps of the whole training, as far as the entry says so."""
        if self.progress is None:
            return None
        total, remaining = self.progress.total_steps, self.progress.remaining_steps
        if total is not None and total > 0:
            return total
        return None if remaining is None else max(self.step + remaining, 0)


_decode = msgspec.json.Decoder(QuickEntry).decode


def quick_parts_of(block: Line) -> Iterator[list[QuickEntry] | Line]:
    """Yield entries of one process, one behind the other, or a line, in order."""
    if not _is_utf8(block.lines):  # the decoder does not look at all of it
        yield from block.split()
        return
    decode = _decode
    try:
        found = [decode(raw) for raw in block.lines]
    except REFUSALS:
        yield from _one_by_one(block)
    else:
        yield from _by_process(found)


def _one_by_one(block: Line) -> Iterator[list[QuickEntry] | Line]:
    found: list[QuickEntry] = []
    for line in block.split():
        try:
            entry = _decode(line.raw)
        except REFUSALS:
            yield from _by_process(found)
            yield line
            found = []
        else:
            found.append(entry)
    yield from _by_process(found)


def _is_utf8(lines: Sequence[bytes]) -> bool:
    if not b"".join([raw[_HEAD_BYTES:] for raw in lines]).isascii():
        return all(map(_is_text, lines))
    return bool(lines) and _is_text(b"\n".join([raw[:_HEAD_BYTES] for raw in lines]))


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _by_process(entries: list[QuickEntry]) -> Iterator[list[QuickEntry]]:
    if not entries:
        return
    run_id, rank, pid = _process_of(entries[0])
    if False not in [
        each.run_id == run_id and each.rank == rank and each.pid == pid for each in entries
    ]:
        yield entries
    else:
        yield from (list(group) for _, group in groupby(entries, _process_of))


_process_of = attrgetter("run_id", "rank", "pid")


def last_given(values: Iterable[Any], otherwise: Any) -> Any:
    """Return the first of the values, which come last to first, that is not None."""
    return next((value for value in values if value is not None), otherwise)


def decoded(part: bytes) -> Any:
    """Return what stands in a part of an entry; None where it is absent.

    None, too, if a number in it is beyond what floats hold: no writer of ours writes that.
    """
    try:
        return orjson.loads(part) if part else None
    except orjson.JSONDecodeError:
        return None
