"""Which steps of a training stand in what a logger of `peer_loggers.py` left on the disk.

A step counts only with all its numbers. Each function is told the logger's folder, raises what its
format's reader raises, and returns the numbers of the steps, counted from 1.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING

from peer_loggers import METRICS

import vlog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_BLOCK_BYTES, _HEAD_BYTES = 32_768, 7  # a .wandb file is a LevelDB log behind a head of its own
_FULL, _LAST = 1, 4  # kinds of a chunk that end a record; others are its first and middle ones


def in_vlog(folder: Path) -> set[int]:
    """Read with `vlog.read`."""
    return {
        entry["step"]
        for entry in vlog.read(folder / "vlog.jsonl")
        if entry["type"] == "training_step_complete" and _is_whole(entry.get("metrics", {}))
    }


def in_tensorboard(folder: Path) -> set[int]:
    """Read with TensorBoard's `EventAccumulator`."""
    package = import_module("tensorboard.backend.event_processing.event_accumulator")
    read = package.EventAccumulator(str(folder), size_guidance={package.SCALARS: 0})
    read.Reload()
    tags = read.Tags()[package.SCALARS]
    seen = Counter(event.step for tag in tags for event in read.Scalars(tag))
    return {step for step, numbers in seen.items() if numbers == len(METRICS)}


def in_mlflow(folder: Path) -> set[int]:
    """Read the table of metrics."""
    query = "SELECT step, COUNT(DISTINCT key) FROM metrics GROUP BY step"
    rows = _rows(folder / "mlflow.db", query)
    return {step for step, numbers in rows if numbers == len(METRICS)}


def in_trackio(folder: Path) -> set[int]:
    """Read the table of metrics."""
    rows = _rows(folder / "peers.db", "SELECT step, metrics FROM metrics")
    return {step for step, metrics in rows if _is_whole(json.loads(metrics))}


def in_wandb(folder: Path) -> set[int]:
    """Parse the records of the `.wandb` file with wandb's own protocol; wandb counts from 0."""
    messages = import_module("wandb.proto.wandb_internal_pb2")
    found = set()
    for path in folder.glob("wandb/offline-run-*/*.wandb"):
        for body in _wandb_records(path.read_bytes()):
            history = messages.Record.FromString(body).history
            if _is_whole({item.key or "/".join(item.nested_key) for item in history.item}):
                found.add(history.step.num + 1)
    return found


def _is_whole(names: Iterable[str]) -> bool:
    return METRICS.keys() <= set(names)


def _rows(path: Path, query: str) -> list[tuple[int, int | str]]:
    """Return what a database answers that its writer may have left in the midst of a write."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def _wandb_records(content: bytes) -> Iterator[bytes]:
    """Yield each record that is whole; the end of the file may be cut off anywhere.

    A chunk has its checksum, its length and its kind in front, and does not cross a block.
    """
    at, record = _HEAD_BYTES, b""
    while at + _HEAD_BYTES <= len(content):
        left = _BLOCK_BYTES - at % _BLOCK_BYTES
        if left < _HEAD_BYTES:
            at += left
            continue
        begin = at + _HEAD_BYTES
        at = begin + int.from_bytes(content[begin - 3 : begin - 1], "little")
        if at > len(content):
            return
        record += content[begin:at]
        if content[begin - 1] in (_FULL, _LAST):
            yield record
            record = b""
