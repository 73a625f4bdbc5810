"""Which logs a fine-tuning writes: by argument, environment, or default."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from vlog.environment_settings import from_environment
from vlog.handlers import RotatingJsonlHandler, StandardFormatter
from vlog.handlers.error_log import ERROR_LOG_NAME
from vlog.output import DEFAULT_LOG_FILE, STANDARD_LOG_NAME, is_configured

_OPTIONS = (
    "verbosity_level", "log_file", "standard_log", "console", "overhead_budget_percent"
)  # fmt: skip


def log_options(values: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the callback for this configuration.

    An app that has configured the logger `vlog` has said there what it wants: without a
    `log_file`, its files are written; without verbose logging, its standard log is.
    """
    options = {name: values[name] for name in _OPTIONS if values[name] is not None}
    if not values["use_verbose_logging"]:
        options["log_file"] = None
    if "standard_log" in options or _is_configured(options):
        return options
    standard = from_environment().get("standard_log")
    if not values["use_verbose_logging"] and not standard:
        standard = _configured_standard_log()
    return {**options, "standard_log": True if standard is None else standard}


def log_paths(values: dict[str, Any]) -> list[Path]:
    """Return the files that this configuration writes to, the error log among them."""
    options = log_options(values)
    if _is_configured(options):
        return [handler.path for handler in _configured_files()]
    log_file = options.get("log_file", from_environment().get("log_file", DEFAULT_LOG_FILE))
    paths = [] if log_file is None else [Path(os.path.expanduser(log_file))]  # noqa: PTH111
    standard = options["standard_log"]
    if standard is True:
        standard = (paths[0].parent if paths else Path()) / STANDARD_LOG_NAME
    if standard:
        paths.append(Path(os.path.expanduser(standard)))  # noqa: PTH111
    return [*paths, paths[0].parent / ERROR_LOG_NAME]


def _is_configured(options: dict[str, Any]) -> bool:
    return is_configured(options.get("log_file", DEFAULT_LOG_FILE))


def _configured_files() -> list[RotatingJsonlHandler]:
    handlers = logging.getLogger("vlog").handlers
    return [each for each in handlers if isinstance(each, RotatingJsonlHandler)]


def _configured_standard_log() -> Path | None:
    files = _configured_files()
    return next(
        (each.path for each in files if isinstance(each.formatter, StandardFormatter)), None
    )
