"""The errors that vlog raises, all of them at construction or while reading, never in training.

VlogError
|-- ConfigurationError (ValueError)    an option, level or file name that cannot be used
|   `-- LogFileError                   ... because of what is on the disk
|-- LogReadError (OSError)             a log that cannot be opened for reading
`-- MissingExtraError (ImportError)    an optional package is not installed

Every message says what was got, what is allowed and what to do.
"""

from __future__ import annotations


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


def check_flag(name: str, value: object) -> None:
    """Refuse an option that is neither True nor False.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is {value!r}. Expected True or False.")
