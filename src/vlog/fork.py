"""What a forked child must do first: forget what is its parent's.

Locks of the parent may be held by a thread that the child does not have, and runs are recorded by
the parent alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_child(forget: Callable[[], None]) -> None:
    """Have `forget` called in every child that `os.fork` makes, before anything else in it.

    Args:
        forget: Takes no lock, and raises nothing: stderr alone would hear of it.
    """
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(after_in_child=forget)
