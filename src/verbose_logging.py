"""vlog under the name that its user guide imports; each name is imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import vlog
from vlog import __all__ as __all__  # noqa: PLC0414 - re-exported

if TYPE_CHECKING:
    from vlog import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'verbose_logging' has no attribute {name!r}")
    return getattr(vlog, name)


def __dir__() -> list[str]:
    return sorted(__all__)
