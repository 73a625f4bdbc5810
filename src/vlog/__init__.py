"""The black-box recorder for model training.

Importing it registers the four level names of `vlog.verbosity` and does nothing else: the rest is
imported when it is first used, and no logging is configured.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from vlog.analysis.summary import summarize
    from vlog.analysis.validate import validate
    from vlog.config import configure
    from vlog.integrations.transformers import VerboseLoggingCallback
    from vlog.reader import follow, read

__version__ = "0.1.0"

__all__ = [
    "VerboseLoggingCallback",
    "Verbosity",
    "__version__",
    "configure",
    "follow",
    "read",
    "summarize",
    "validate",
]

_HOMES = {
    "VerboseLoggingCallback": "vlog.integrations.transformers",
    "configure": "vlog.config",
    "follow": "vlog.reader",
    "read": "vlog.reader",
    "summarize": "vlog.analysis.summary",
    "validate": "vlog.analysis.validate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vlog' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
