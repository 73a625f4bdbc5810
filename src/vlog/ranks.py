"""Which process of a distributed training this is, and which file is its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def process_rank() -> int:
    """Return this process's rank, as torchrun, Accelerate or MPI tell it; 0 without them."""
    for name in ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        value = os.environ.get(name, "")
        if value.isdigit():
            return int(value)
    return 0


def rank_path(path: Path, rank: int) -> Path:
    """Return the file of `rank`: the plain name for rank 0, `<name>.rank3.jsonl` for rank 3."""
    return path if rank == 0 else path.with_name(f"{path.stem}.rank{rank}{path.suffix}")
