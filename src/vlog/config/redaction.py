"""The section `redaction` of a configuration: what else is secret, and what is not."""

from __future__ import annotations

from logging.config import BaseConfigurator
from typing import Any

from vlog.config.values import BadKeyError, mapping_at, refuse_unknown_key, value_at
from vlog.errors import ConfigurationError
from vlog.redaction import Rules

SECTION = "redaction"
_KEYS = ("keys", "patterns", "keep")


def rules_of(config: dict[str, Any]) -> Rules | None:
    """Return the rules of redaction that a configuration gives; None if it says nothing of them.

    Raises:
        BadKeyError: the section, or a list in it, cannot be used.
    """
    tree = BaseConfigurator(config).config
    if SECTION not in tree:
        return None
    section = mapping_at(tree, SECTION, (SECTION,))
    for key in section:
        refuse_unknown_key((SECTION,), key, _KEYS)
    try:
        return Rules(**{key: value_at(section, key, (SECTION,)) for key in section})
    except ConfigurationError as error:
        if isinstance(error, BadKeyError):
            raise
        key, _, text = str(error).partition(" is ")
        raise BadKeyError((SECTION, key), f"It is {text}") from error
