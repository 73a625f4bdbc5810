"""What the checks of a configuration share: a mistake, and how values are taken and shown."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

from vlog.errors import ConfigurationError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterable

KeyPath = tuple[str, ...]
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120


class BadKeyError(ConfigurationError):
    """A key of a configuration that cannot be used.

    Args:
        path: The keys that lead to it, such as `("handlers", "verbose", "max_mb")`.
        text: What was got, what is allowed and what to do. `It` at its begin is the key.

    Attributes:
        path: The same.
    """

    def __init__(self, path: KeyPath, text: str) -> None:
        self.path = path
        self._text = text
        super().__init__(self.about(".".join(path)))

    def about(self, name: str) -> str:
        """Return the message with `name` in place of the key."""
        return (
            f"{name}{self._text[2:]}" if self._text.startswith("It ") else f"{name}: {self._text}"
        )


def value_at(part: dict[str, Any], key: str, path: KeyPath) -> Any:
    """Return a value of the mapping at `path`, resolved if it is a `cfg://` or `ext://`.

    Args:
        part: A mapping of a `logging.config.BaseConfigurator`.
        key: The key in it.
        path: Where the mapping stands.

    Returns:
        None where the key is absent.

    Raises:
        BadKeyError: it cannot be resolved.
    """
    try:
        return part.get(key)
    except Exception as error:
        raise BadKeyError(
            (*path, key),
            f"{shown(dict.get(part, key))} leads nowhere: {error}. Expected ext:// and the dotted "
            "path of an object, or cfg:// and the keys that lead to a value.",
        ) from error


def mapping_at(parent: dict[str, Any], key: str, path: KeyPath) -> dict[str, Any]:
    """Return the mapping under `key` of `parent`; an empty one where the key is absent.

    Args:
        parent: A mapping of a `logging.config.BaseConfigurator`.
        key: The key in it.
        path: The keys that lead to it, itself included.

    Raises:
        BadKeyError: it is no mapping.
    """
    if key not in parent:
        return {}
    value = value_at(parent, key, path[:-1])
    if not isinstance(value, dict):
        what = "has nothing in it" if value is None else f"is {shown(value)}"
        raise BadKeyError(
            path, f"It {what}. Expected a mapping: `name: value` lines, indented below."
        )
    return value


def shown(value: object) -> str:
    """Return `value` for a message, shortened, and in the words of YAML where they differ."""
    words = {None: "nothing", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else _SHORT.repr(value)


def refuse_unknown_key(
    path: KeyPath, key: str, allowed: Iterable[str], more: str = "", what: str = "key"
) -> None:
    """Refuse a key of the mapping at `path` that is not among `allowed`.

    Raises:
        BadKeyError: it is not.
    """
    names = list(allowed)
    if key not in names:
        raise BadKeyError((*path, str(key)), f"{unknown_name(what, key, names)} {more}".strip())
