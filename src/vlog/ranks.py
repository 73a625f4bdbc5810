"""Which process of a distributed training this is, which file is its own, and its run's name."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ANSWER_SECONDS = 5.0  # a store answers within a millisecond, unless its host is gone
_numbers = itertools.count(1)  # of this process's runs; the ranks of a launch begin them together


def process_rank() -> int:
    """Return this process's rank, as torchrun, Accelerate or MPI tell it; 0 without them."""
    return _told_by_launcher("RANK", least=0)


def world_size() -> int:
    """Return the number of ranks, as the launcher tells it; 1 without one."""
    return _told_by_launcher("SIZE", least=1)


def _told_by_launcher(what: str, least: int) -> int:
    """Return a launcher's `RANK` or `SIZE`: the first that is a number, or the least there is."""
    torch = "RANK" if what == "RANK" else "WORLD_SIZE"
    for name in (torch, f"OMPI_COMM_WORLD_{what}", f"PMI_{what}"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) >= least:
            return int(value)
    return least


def rank_path(path: Path, rank: int) -> Path:
    """Return the file of `rank`: the plain name for rank 0, `<name>.rank3.jsonl` for rank 3."""
    return path if rank == 0 else path.with_name(f"{path.stem}.rank{rank}{path.suffix}")


def agree_on_run_id(own: str, report: Callable[[str, BaseException | None], object]) -> str:
    """Return the name of the run that begins: the same one in all ranks of a launch.

    Whichever rank comes first gives its own. No rank waits for another: the one question goes to
    the store of torch.distributed, and is given up after 5 s. Without torch.distributed the name
    is `own`.

    Args:
        own: The name that this rank would give.
        report: Told why the ranks could not agree; the name is `own` then.
    """
    try:
        store = _default_store()
        return own if store is None else _first_given(store, f"vlog/run/{next(_numbers)}", own)
    except Exception as error:  # noqa: BLE001 - a store can fail in any way
        report(f"the other ranks may give run {own} another name", error)
        return own


def _default_store() -> Any:
    """Return the store of torch.distributed; None where that is not in use or has none (MPI)."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed.distributed_c10d._get_default_store()  # noqa: SLF001 - no other way to it


def _first_given(store: Any, key: str, own: str) -> str:
    """Return what the first caller gave for `key`; asked in a thread, since it may hang."""
    answer: list[bytes | Exception] = []

    def ask() -> None:
        try:
            answer.append(store.compare_set(key, "", own))
        except Exception as error:  # noqa: BLE001 - handed on
            answer.append(error)

    thread = threading.Thread(target=ask, name="vlog-run-id", daemon=True)
    thread.start()
    thread.join(_ANSWER_SECONDS)
    if not answer:
        raise TimeoutError(f"torch.distributed's store gave no answer in {_ANSWER_SECONDS:g} s")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0].decode()
