"""The settings that environment variables give: one table, read and checked here.

They stand between an explicit argument, which overrides them, and a default or the configuration
file, which they override.
"""

from __future__ import annotations

import math
import os
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from vlog.errors import ConfigurationError
from vlog.segments import COMPRESSIONS
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FLAGS = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False, "no": False, "off": False, "0": False
}  # fmt: skip


def from_environment(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the settings that environment variables give, by the name of their option.

    | variable | option | value |
    |---|---|---|
    | `VLOG_VERBOSITY` | `verbosity_level` | low, medium, high or ultra, as a `Verbosity` |
    | `VLOG_LOG_FILE` | `log_file` | the path of a file |
    | `VLOG_STANDARD_LOG` | `standard_log` | the path of a file, or true or false |
    | `VLOG_CONSOLE` | `console` | true or false |
    | `VLOG_MAX_MB`, `VLOG_TOTAL_MB` | `max_mb`, `total_mb` | a number of MiB, 0 or more |
    | `VLOG_COMPRESS` | `compress` | zstd, gzip or none |

    A variable that is empty counts as not set. True is also yes, on and 1; false is no, off and 0.

    Args:
        environ: The variables.

    Returns:
        Only the options whose variables are set.

    Raises:
        ConfigurationError: a value cannot be used, or a name that begins with `VLOG_` is nearly,
            but not quite, one of these.

    >>> from_environment({"VLOG_MAX_MB": "64", "VLOG_CONSOLE": "off", "VLOG_COMPRESS": ""})
    {'console': False, 'max_mb': 64.0}
    """
    _refuse_misspelled(environ)
    found = {}
    for option, (name, read, expected) in _READERS.items():
        text = environ.get(name, "").strip()
        if text:
            try:
                found[option] = read(text)
            except (ValueError, KeyError) as error:
                raise ConfigurationError(
                    f"The environment variable {name} is {text!r}. Expected {expected}."
                ) from error
    return found


def _flag(text: str) -> bool:
    return _FLAGS[text.lower()]


def _path_or_flag(text: str) -> str | bool:
    return _FLAGS.get(text.lower(), text)


def _megabytes(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def _compression(text: str) -> str:
    return COMPRESSIONS[COMPRESSIONS.index(text.lower())]


# By option: the variable, how its text becomes a value, and what that may be.
_READERS: dict[str, tuple[str, Callable[[str], Any], str]] = {
    "verbosity_level": ("VLOG_VERBOSITY", Verbosity.parse, "low, medium, high or ultra"),
    "log_file": ("VLOG_LOG_FILE", str, "the path of a file"),
    "standard_log": ("VLOG_STANDARD_LOG", _path_or_flag, "the path of a file, true or false"),
    "console": ("VLOG_CONSOLE", _flag, "true or false"),
    "max_mb": ("VLOG_MAX_MB", _megabytes, "a number of MiB, 0 or more"),
    "total_mb": ("VLOG_TOTAL_MB", _megabytes, "a number of MiB, 0 or more"),
    "compress": ("VLOG_COMPRESS", _compression, "zstd, gzip or none"),
}

VARIABLES = {option: name for option, (name, _, _) in _READERS.items()}
"""The environment variable of each option that has one."""


def _refuse_misspelled(environ: Mapping[str, str]) -> None:
    """Refuse what is meant for vlog and would be passed over; other programs use `VLOG_` too."""
    names = list(VARIABLES.values())
    for name in environ:
        if name.upper().startswith("VLOG_") and name not in names and environ[name]:
            near = get_close_matches(name.upper(), names, 1, cutoff=0.8)
            if near:
                raise ConfigurationError(
                    f"Unknown environment variable {name!r}. Did you mean {near[0]!r}? "
                    "Rename it or unset it."
                )
