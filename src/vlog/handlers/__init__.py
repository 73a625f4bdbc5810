"""Where entries go: stdlib logging handlers and formatters, usable from any dictConfig.

`vlog.handlers.RotatingJsonlHandler`, `vlog.handlers.ConsoleHandler`,
`vlog.handlers.CaptureHandler`, `vlog.handlers.ErrorLogHandler`, `vlog.handlers.JsonlFormatter` and
`vlog.handlers.StandardFormatter` are the dotted paths that a `logging.yaml` names.
Importing them registers the level names.
"""

from __future__ import annotations

from vlog.handlers.alert import AlertHandler
from vlog.handlers.capture import CaptureHandler
from vlog.handlers.console import ConsoleHandler
from vlog.handlers.error_log import ErrorLogHandler, ErrorReporter
from vlog.handlers.formatters import JsonlFormatter, StandardFormatter
from vlog.handlers.rotating import RotatingJsonlHandler

__all__ = [
    "AlertHandler",
    "CaptureHandler",
    "ConsoleHandler",
    "ErrorLogHandler",
    "ErrorReporter",
    "JsonlFormatter",
    "RotatingJsonlHandler",
    "StandardFormatter",
]
