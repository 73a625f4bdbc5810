"""Which run wrote the checkpoint that another run goes on from."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import orjson

from vlog.schema import EventType
from vlog.segments import DECOMPRESSION_ERRORS, list_segments, open_segment

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_LINE = 2**20  # bytes; an entry of a checkpoint has a few hundred
_FIRST_KEYS = 64  # bytes in which an entry has its first key
_MARK = f'"type":"{EventType.MODEL_CHECKPOINT_SAVE}"'.encode()


def find_checkpoint_run(log_file: Path, checkpoint: str) -> str | None:
    """Return the id of the run that wrote `checkpoint`, as `log_file` or its folder tell.

    Args:
        log_file: The log of the run that goes on; its own family is read first.
        checkpoint: The checkpoint's folder.

    Returns:
        The run's id, the latest if several wrote it, or None if no log there names it.
    """
    wanted = os.path.realpath(checkpoint)
    others = sorted(log_file.parent.glob("*.jsonl")) if log_file.parent.is_dir() else []
    for log in (log_file, *(other for other in others if other != log_file)):
        found = None
        for part in (*(segment.path for segment in list_segments(log)), log):
            found = _last_writer(part, wanted, is_ours=log == log_file) or found
        if found is not None:
            return found
    return None


def _last_writer(part: Path, wanted: str, *, is_ours: bool) -> str | None:
    found: str | None = None
    # Foreign or damaged files in the folder name no run: that is an answer, not a fault.
    with suppress(OSError, ValueError, *DECOMPRESSION_ERRORS), open_segment(part) as stream:
        line = stream.readline(_LONGEST_LINE)
        if not is_ours and b'"timestamp"' not in line[:_FIRST_KEYS]:
            return None  # the training data, say: that may be large, and is none of ours
        while line:
            if _MARK in line:
                found = _writer_in(line, wanted) or found
            line = stream.readline(_LONGEST_LINE)
    return found


def _writer_in(line: bytes, wanted: str) -> str | None:
    with suppress(orjson.JSONDecodeError, AttributeError, TypeError):
        entry = orjson.loads(line)
        if os.path.realpath(entry.get("checkpoint", {}).get("path") or "/") == wanted:
            run_id: str | None = entry.get("run_id")
            return run_id
    return None
