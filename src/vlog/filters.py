"""Which entries are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlog.errors import ConfigurationError, unknown_name
from vlog.schema import EVENTS, Severity
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEVERITIES = [str(severity) for severity in Severity]  # mildest first
_TIERS = {verbosity.label: verbosity for verbosity in Verbosity}


@dataclass(frozen=True, slots=True)
class Filter:
    """What an entry must be; an empty part asks for nothing.

    Attributes:
        types: Its `type` is one of these.
        level: Its `level` is this or a worse one.
        tier: Its `verbosity` is this or a coarser one.
    """

    types: frozenset[str] = frozenset()
    level: str | None = None
    tier: Verbosity | None = None

    @classmethod
    def parse(cls, types: Iterable[str], level: str | None, verbosity: str | None) -> Filter:
        """Return the filter that a user names.

        Raises:
            ConfigurationError: a name that does not exist; names the nearest, and all.
        """
        return cls(
            types=frozenset(_choose("type", name.lower(), list(EVENTS)) for name in types),
            level=None if level is None else _choose("level", level.upper(), _SEVERITIES),
            tier=None if verbosity is None else Verbosity.parse(verbosity),
        )

    @property
    def accepts_all(self) -> bool:
        """Whether nothing is asked for."""
        return not self.types and self.level is None and self.tier is None

    def accepts(self, entry: dict[str, Any]) -> bool:
        """Return whether `entry` is asked for.

        A `level` or `verbosity` that is missing or unknown is let pass: better seen than missed.
        """
        if self.types and entry.get("type") not in self.types:
            return False
        return self._is_severe_enough(entry) and self._is_coarse_enough(entry)

    def _is_severe_enough(self, entry: dict[str, Any]) -> bool:
        if self.level is None or entry.get("level") not in _SEVERITIES:
            return True
        return _SEVERITIES.index(entry["level"]) >= _SEVERITIES.index(self.level)

    def _is_coarse_enough(self, entry: dict[str, Any]) -> bool:
        return self.tier is None or _TIERS.get(str(entry.get("verbosity")), self.tier) >= self.tier


def _choose(what: str, name: str, allowed: list[str]) -> str:
    if name in allowed:
        return name
    raise ConfigurationError(unknown_name(what, name, allowed))
