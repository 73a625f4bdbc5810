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
