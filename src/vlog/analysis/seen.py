"""Which entries a file has, by their `seq`: what is missing, and what comes again."""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from typing import TYPE_CHECKING

from vlog.analysis.dropped import place_of
from vlog.analysis.numbers import Numbers
from vlog.analysis.salvage import pieces_of
from vlog.reader import read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vlog.analysis.dropped import Place

_MAX_REPEATED = 1_000_000  # entries that come again and are compared: about 200 MB
_DIGEST_BYTES = 16


class Seen:
    """The numbers of a file's entries, learnt from a first look at all of them."""

    def __init__(self) -> None:
        self._numbers: defaultdict[tuple[str, int], Numbers] = defaultdict(Numbers)
        self._repeated: defaultdict[tuple[str, int], Numbers] = defaultdict(Numbers)
        self._digests: set[bytes] = set()

    def add(self, place: Place) -> None:
        """Learn that an entry is there."""
        key = (place.run_id, place.rank)
        if self._numbers[key].add(place.first, place.last):
            self._repeated[key].add(place.first, place.last)

    def missing(self, place: Place, expected: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges from `expected` up to an entry that are nowhere in the file."""
        return self._numbers[place.run_id, place.rank].missing(expected, place.first - 1)

    def is_again(self, place: Place, raw: bytes) -> bool:
        """Return whether the same entry, byte for byte, has been asked for before."""
        if not self._repeated[place.run_id, place.rank].has_any(place.first, place.last):
            return False
        digest = blake2b(raw, digest_size=_DIGEST_BYTES).digest()
        is_known = digest in self._digests
        if len(self._digests) < _MAX_REPEATED:
            self._digests.add(digest)
        return is_known


def seen_in(source: Path) -> Seen:
    """Return what is seen in a file and its segments."""
    seen = Seen()
    for line in read_lines(source, family=False):
        for piece in pieces_of(line):
            place = None if piece.entry is None else place_of(piece.entry)
            if place is not None:
                seen.add(place)
    return seen
