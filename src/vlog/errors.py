"""The errors that vlog raises, all of them at construction or while reading, never in training.

VlogError
|-- ConfigurationError (ValueError)    an option, level or file name that cannot be used
|   `-- LogFileError                   ... because of what is on the disk
|-- LogReadError (OSError)             a log that cannot be opened for reading
`-- MissingExtraError (ImportError)    an optional package is not installed

Every message says what was got, what is allowed and what to do.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class VlogError(Exception):
    """Base of all errors of vlog."""


class ConfigurationError(VlogError, ValueError):
    """An option has a value that it cannot take."""


class LogFileError(ConfigurationError):
    """A log file cannot be written where it was asked for."""


class LogReadError(VlogError, OSError):
    """A log cannot be read."""


class MissingExtraError(VlogError, ImportError):
    """An optional package is missing or too old; the message names the install command."""


def check_number(name: str, value: object, maximum: float, unit: str, above: float = 0) -> None:
    """Refuse an option that is not a number above `above` and up to `maximum`, in `unit`.

    Raises:
        ConfigurationError: it is something else; `name` and `unit` are in the message.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not above < value <= maximum:  # type: ignore[operator]  # it is a number
        raise ConfigurationError(
            f"{name} is {value!r}. Expected {unit}, above {above:,g} and up to {maximum:,g}."
        )


def check_count(name: str, value: object, least: int = 1) -> None:
    """Refuse an option that is not a whole number of `least` or more.

    Raises:
        ConfigurationError: it is something else; `name` is in the message.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} is {value!r}. Expected a whole number, {least} or more.")


def check_flag(name: str, value: object) -> None:
    """Refuse an option that is neither True nor False.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is {value!r}. Expected True or False.")


def unknown_name(what: str, name: object, allowed: Iterable[str]) -> str:
    """Return the message about a name that does not exist: the nearest that does, and all.

    >>> unknown_name("option", "log_fiel", ["log_file", "console"])
    "Unknown option 'log_fiel'. Did you mean 'log_file'? Expected one of: log_file, console."
    """
    names = [str(each) for each in allowed]
    near = get_close_matches(str(name), names, 1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"Unknown {what} {name!r}.{hint} Expected one of: {', '.join(names)}."


def refuse_unknown(unknown: Iterable[str], allowed: Iterable[str], what: str = "option") -> None:
    """Refuse names that are not among `allowed`.

    Raises:
        ConfigurationError: there is one; see `unknown_name`.
    """
    names = list(allowed)
    for name in unknown:
        if name not in names:
            raise ConfigurationError(unknown_name(what, name, names))
