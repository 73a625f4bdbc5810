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
from pathlib import Path
from typing import IO, cast

import zstandard

# Behind the log's name; a regular expression. Eight digits are somebody's date.
SEGMENT_SUFFIX = r"\.(\d{6,7})(\.zst|\.gz)?"
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
        return is_compressed(self.path)


def is_compressed(path: Path) -> bool:
    """Return whether a file is a compressed segment, by its name."""
    return path.suffix in COMPRESSED_SUFFIX.values()


def real_log(path: str | os.PathLike[str]) -> Path:
    """Return the path of a log; where it is a link, that of the file that the link leads to.

    Its segments and the files of other ranks are beside that one.
    """
    text = os.fsdecode(path)
    is_link = os.path.islink(text)  # noqa: PTH114 - of a text that is no name, pathlib raises
    if is_link and (os.path.isfile(text) or not os.path.exists(text)):  # noqa: PTH110, PTH113
        text = os.path.realpath(text)  # not of a pipe, such as /dev/stdin
    return Path(text)


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
    act) is listed once, as the plain file. One that is still the plain file too (rotation was cut
    short, or is at its last act) is left out. One that is compressed or deleted meanwhile may be
    listed by a name that is gone: whoever cannot open it looks again.
    """
    found = _find(log_file)
    if found and is_same_file(found[max(found)].path, log_file):
        del found[max(found)]
    return sorted(found.values())


def last_number(log_file: Path) -> int:
    """Return the number of the newest segment, one that is still the plain file too included."""
    return max(_find(log_file), default=0)


def is_same_file(path: Path, other: Path) -> bool:
    """Return whether `path` is a second name, not a link by path, of `other`, if both are there."""
    try:
        return os.path.samestat(path.lstat(), other.stat())
    except OSError:
        return False


def _find(log_file: Path) -> dict[int, Segment]:
    found: dict[int, Segment] = {}
    if not log_file.parent.is_dir():
        return found
    for name in names_of_files(log_file.parent, f"{log_file.name}."):
        match = _SUFFIX.fullmatch(name, len(log_file.name))
        if match is None:
            continue
        number = int(match.group(1))
        if number not in found or match.group(2) is None:
            found[number] = Segment(number, log_file.with_name(name))
    return found


def names_of_files(folder: Path, beginning: str) -> set[str]:
    """Return the names of a folder's files that begin so, names that are gone perhaps among them.

    A file that is renamed or compressed meanwhile is there by at least one of its names. One look
    does not do: it is no snapshot. It can pass the place of the new name before that is there,
    and that of the old name when that is gone.
    """
    names: set[str] = set()
    for _ in range(2):
        with os.scandir(folder) as files:
            names.update(
                file.name for file in files if file.name.startswith(beginning) and _is_file(file)
            )
    return names


def _is_file(entry: os.DirEntry[str]) -> bool:
    # As it was when it was listed; only a link is looked at anew, and may lead in a circle.
    return entry.is_file(follow_symlinks=False) or Path(entry.path).is_file()


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
