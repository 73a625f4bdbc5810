"""The files of one log: the plain file that grows, and the segments that rotation set aside.

`run.jsonl` is being written; `run.jsonl.000001` is older than `run.jsonl.000002`, and both are
older than `run.jsonl`. A segment keeps its number for ever, so a reader never sees one move. A
compressed one has `.zst` or `.gz` behind its number. The handlers write these names, the reader
finds them.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

import zstandard

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT_SUFFIX = r"\.(\d{6,})(\.zst|\.gz)?"  # behind the log's name; a regular expression
_SUFFIX = re.compile(f"{SEGMENT_SUFFIX}$")
PART_SUFFIX = ".part"  # behind the name of a segment that is being compressed
COMPRESSIONS = ("zstd", "gzip", "none")
COMPRESSED_SUFFIX = {"zstd": ".zst", "gzip": ".gz"}
# What reading a damaged compressed segment raises. (A zstd frame that is cut raises nothing.)
DECOMPRESSION_ERRORS = (zstandard.ZstdError, zlib.error, gzip.BadGzipFile, EOFError)
_BLOCK_BYTES = 2**14  # decompressed at a time: what is lost in front of damaged bytes


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A rotated part of a log.

    Attributes:
        number: Its place, from 1, oldest first.
        path: Its file.
    """

    number: int
    path: Path

    @property
    def is_compressed(self) -> bool:
        """Whether its file is compressed."""
        return self.path.suffix in COMPRESSED_SUFFIX.values()


def segment_path(log_file: Path, number: int) -> Path:
    """Return the path of the uncompressed segment `number` of `log_file`."""
    return log_file.with_name(f"{log_file.name}.{number:06d}")


def log_of(path: Path) -> Path:
    """Return the plain file of the log that `path`, that file or a segment, is part of."""
    match = _SUFFIX.search(path.name)
    return path if match is None else path.with_name(path.name[: match.start()])


def list_segments(log_file: Path) -> list[Segment]:
    """Return the segments of `log_file`, oldest first.

    A number that is there plain and compressed (compression was cut short, or is at its last
    act) is listed once, as the plain file.
    """
    found: dict[int, Segment] = {}
    if not log_file.parent.is_dir():
        return []
    beginning = f"{log_file.name}."
    for name in os.listdir(log_file.parent):  # noqa: PTH208 - five times as fast
        if not name.startswith(beginning):
            continue
        match = _SUFFIX.fullmatch(name, len(log_file.name))
        path = log_file.with_name(name)
        if match is None or not path.is_file():
            continue
        number = int(match.group(1))
        if number not in found or match.group(2) is None:
            found[number] = Segment(number, path)
    return sorted(found.values())


def open_segment(path: Path) -> IO[bytes]:
    """Open a log file or segment for reading, decompressed by its ending.

    Raises:
        OSError: it cannot be opened.
    """
    if path.suffix == ".zst":
        raw = zstandard.ZstdDecompressor().stream_reader(
            path.open("rb"), read_across_frames=True, closefd=True
        )
        return io.BufferedReader(cast("io.RawIOBase", raw), _BLOCK_BYTES)
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")
