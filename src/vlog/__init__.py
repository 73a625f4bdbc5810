"""The black-box recorder for model training.

Importing it registers the four level names of `vlog.verbosity` and does nothing else: the rest is
imported when it is first used, and no logging is configured.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from vlog.analysis.repair import repair
    from vlog.analysis.summary import summarize
    from vlog.analysis.validate import validate
    from vlog.app_logger import get_logger
    from vlog.config import configure
    from vlog.finetune.training import train_with_config
    from vlog.integrations.asgi import LogApp
    from vlog.integrations.loop import TrainingRun, training_run
    from vlog.integrations.transformers import VerboseLoggingCallback
    from vlog.reader import follow, read
    from vlog.redaction import set_redaction

__version__ = "0.1.0"

__all__ = [
    "LogApp",
    "TrainingRun",
    "VerboseLoggingCallback",
    "Verbosity",
    "__version__",
    "configure",
    "follow",
    "get_logger",
    "read",
    "repair",
    "set_redaction",
    "summarize",
    "train_with_config",
    "training_run",
    "validate",
]

_HOMES = {
    "LogApp": "vlog.integrations.asgi",
    "VerboseLoggingCallback": "vlog.integrations.transformers",
    "configure": "vlog.config",
    "follow": "vlog.reader",
    "get_logger": "vlog.app_logger",
    "read": "vlog.reader",
    "repair": "vlog.analysis.repair",
    "set_redaction": "vlog.redaction",
    "summarize": "vlog.analysis.summary",
    "train_with_config": "vlog.finetune.training",
    "TrainingRun": "vlog.integrations.loop",
    "training_run": "vlog.integrations.loop",
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
