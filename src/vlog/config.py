"""The logging configuration of the whole process, from a YAML file or a dict.

Global state: `configure` applies a dictConfig to stdlib logging. Nothing else here touches the
logging tree.
"""

from __future__ import annotations

import logging
import logging.config
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vlog.errors import ConfigurationError

if TYPE_CHECKING:
    import os


def configure(config: str | os.PathLike[str] | dict[str, Any] | None = None) -> None:
    """Apply a logging configuration to the whole process.

    Args:
        config: A YAML file or a dict in the form of `logging.config.dictConfig`. None takes the
            default configuration, the one that `vlog init` writes.

    Raises:
        ConfigurationError: the file cannot be read, is no YAML, or configures nothing.
    """
    if isinstance(config, dict):
        name, content = "The configuration", config
    else:
        name, content = _load_yaml(config)
    before = _tree()
    try:
        logging.config.dictConfig(content)
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        for logger, level, handlers, propagate in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
            logger.propagate = propagate
        cause = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise ConfigurationError(
            f"{name} cannot be applied: {cause.rstrip('.')}. What was configured before stays."
        ) from error


def default_configuration() -> str:
    """Return the text of the default `logging.yaml`."""
    return resources.files("vlog").joinpath("logging.yaml").read_text(encoding="utf-8")


def _load_yaml(path: str | os.PathLike[str] | None) -> tuple[str, dict[str, Any]]:
    name = "The default configuration" if path is None else str(path)
    try:
        text = default_configuration() if path is None else Path(path).read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except OSError as error:
        raise ConfigurationError(
            f"{name} cannot be read: {error.strerror}. Give the path of a YAML file; "
            "`vlog init` writes one."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{name} holds a {type(content).__name__}. Expected a mapping with `version: 1`, "
            "`handlers` and `loggers`; `vlog init` writes one."
        )
    return name, content


def _tree() -> list[tuple[logging.Logger, int, list[logging.Handler], bool]]:
    """Return every logger as it is: dictConfig stops half-way when it refuses something."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    return [
        (logger, logger.level, list(logger.handlers), logger.propagate)
        for logger in loggers
        if isinstance(logger, logging.Logger)
    ]
