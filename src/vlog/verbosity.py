"""How much a run writes, as four stdlib logging levels.

Global state: importing this module gives the four numbers their names in `logging`, so that
`level: HIGH` in any dictConfig means what it says. A number that has a name already keeps it.
"""

from __future__ import annotations

import logging
from enum import IntEnum

from vlog.errors import ConfigurationError


class Verbosity(IntEnum):
    """The content of a log, as the level number of its entries.

    A smaller number writes more, as everywhere in `logging`: a run writes every entry whose tier
    is at least its own verbosity. The numbers miss those that other packages use (5, 15, 25).
    """

    LOW = 24
    MEDIUM = 18
    HIGH = 14
    ULTRA = 6

    @property
    def label(self) -> str:
        """The name that users write: `low`, `medium`, `high` or `ultra`."""
        return self.name.lower()

    @classmethod
    def parse(cls, value: str | Verbosity) -> Verbosity:
        """Return the verbosity that `value` names.

        Args:
            value: `"low"`, `"medium"`, `"high"` or `"ultra"` in any case, or a `Verbosity`.

        Raises:
            ConfigurationError: any other value.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and value.strip().upper() in cls.__members__:
            return cls[value.strip().upper()]
        allowed = ", ".join(member.label for member in cls)
        raise ConfigurationError(f"Unknown verbosity {value!r}. Expected one of: {allowed}.")


class CurrentVerbosity:
    """The verbosity of one run, which can be switched while it goes on.

    Attributes:
        value: What it is now; to be asked anew each time.
    """

    __slots__ = ("value",)

    def __init__(self, value: Verbosity) -> None:
        self.value = value


def tier_of(level: int) -> Verbosity:
    """Return the coarsest verbosity that writes records of a stdlib level number.

    >>> tier_of(30), tier_of(20), tier_of(10)
    (<Verbosity.LOW: 24>, <Verbosity.MEDIUM: 18>, <Verbosity.ULTRA: 6>)
    """
    return next((each for each in Verbosity if level >= each), Verbosity.ULTRA)


for _verbosity in Verbosity:
    if logging.getLevelName(int(_verbosity)) == f"Level {int(_verbosity)}":
        logging.addLevelName(int(_verbosity), _verbosity.name)
