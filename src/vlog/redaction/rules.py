"""What a user adds to the redaction, and takes from it.

Global state: the rules in force, which `set_redaction` and `vlog.configure` replace as a whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vlog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

REDACTED = "<redacted>"
_MOST_PLAIN_NAMES = 4096
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAME = re.compile(r"[_.\-]*[^\W_][\w.\-]*")
# What matches nothing of a text, as `\b` does, would do so in one of these or in its own text.
_ORDINARY = ("", "a b", "Step 1: loss=0.5")


class Rules:
    """Rules beside those that are always in force.

    Args:
        keys: Names of secrets: a key that ends in one holds a secret, in whatever case, and with
            `-`, `_` or capitals between its words.
        patterns: Regular expressions: what they match in any text is a secret. One that is slow
            slows down every entry.
        keep: What is no secret: names of keys, whose values stay unless they look like a secret
            themselves, and texts that look like one.

    Raises:
        ConfigurationError: one of them is no list of texts, a pattern does not compile or matches
            nothing at all, a name is no name of a key, or it is in both `keys` and `keep`.

    Attributes:
        keys: The names, as regular expressions of their words, without regard to case.
        patterns: The patterns.
        plain_names: Names of numbers that were looked at, and hide nothing.
    """

    def __init__(
        self,
        keys: Iterable[str] = (),
        patterns: Iterable[str] = (),
        keep: Iterable[str] = (),
    ) -> None:
        names, kept = _texts("keys", keys), _texts("keep", keep)
        self.keys = tuple(_name_pattern(name) for name in names)
        self.patterns = [_pattern(each) for each in _texts("patterns", patterns)]
        self._is_named = re.compile(rf"(?:^|[_.])(?:{'|'.join(self.keys)})$", re.IGNORECASE)
        self.plain_names: set[str] = set()
        self._kept_texts = frozenset(kept)
        self._kept_keys = frozenset(words_of(name).lower() for name in kept)
        for name in kept:
            if self.names(name):
                raise ConfigurationError(
                    f"keep is a list with {name!r}, which keys makes a secret. Take it out of one."
                )

    def note_plain_names(self, before: dict[Any, Any], after: dict[str, Any]) -> None:
        """Remember the names of the numbers that came through the redaction as they were."""
        if len(before) != len(after) or len(self.plain_names) > _MOST_PLAIN_NAMES:
            return
        for name, value in before.items():
            if type(name) is str and type(value) in (int, float) and after.get(name) == value:
                self.plain_names.add(name)

    def names(self, key: str) -> bool:
        """Return whether `key` is one of those that the user named as secret."""
        return bool(self.keys) and self._is_named.search(words_of(key)) is not None

    def keeps_key(self, key: str) -> bool:
        """Return whether the user says that `key`, or what is behind its last dot, is no secret."""
        words = words_of(key).lower()
        return words in self._kept_keys or words.rpartition(".")[2] in self._kept_keys

    def shown(self, match: re.Match[str]) -> str:
        """Return what is written in place of a text that looks like a secret."""
        return match[0] if match[0] in self._kept_texts else REDACTED

    def redact(self, text: str) -> str:
        """Return `text` without what the user's patterns match; what is redacted stays so."""
        for pattern in self.patterns:
            parts = text.split(REDACTED)
            text = REDACTED.join(pattern.sub(self._replacement, part) for part in parts)
        return text

    def _replacement(self, match: re.Match[str]) -> str:
        return self.shown(match) if match[0] else ""


def words_of(key: str) -> str:
    """Return `key` with an underscore between its words.

    >>> words_of("apiKey"), words_of("X-Api-Key")
    ('api_Key', 'X_Api_Key')
    """
    return _WORD_START.sub("_", key.replace("-", "_"))


def _texts(name: str, given: object) -> list[str]:
    if not isinstance(given, (list, tuple, set, frozenset)):
        raise ConfigurationError(
            f"{name} is {given!r}. Expected a list of texts, such as [{_EXAMPLES[name]}]."
        )
    for each in given:
        if not isinstance(each, str) or not each:
            raise ConfigurationError(
                f"{name} is a list with {each!r}. Expected texts that are not empty, such as "
                f"{_EXAMPLES[name]}; put a number in quotes."
            )
    return list(given)


_EXAMPLES = {"keys": "badge_number", "patterns": "'ACME-[0-9]{6}'", "keep": "session_token"}


def _name_pattern(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"keys is a list with {name!r}. Expected names of keys: letters, digits, `_`, `-` and "
            "dots. What a secret looks like stands under patterns."
        )
    return "[_.]?".join(re.escape(word) for word in re.split(r"[_.]+", words_of(name)) if word)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigurationError(
            f"patterns is a list with {text!r}, which is no regular expression: {error}. Correct "
            "it; in YAML, put it in single quotes."
        ) from error
    if any(not match[0] for sample in (*_ORDINARY, text) for match in pattern.finditer(sample)):
        raise ConfigurationError(
            f"patterns is a list with {text!r}, which matches where there is no character. Make "
            "it match at least one: `+` in place of `*`."
        )
    return pattern


class _InForce:
    rules = Rules()


def rules_in_force() -> Rules:
    """Return the rules that a text is to be looked at with."""
    return _InForce.rules


def put_in_force(rules: Rules) -> None:
    """Replace the rules, for the whole process, at once."""
    _InForce.rules = rules


def set_redaction(
    keys: Iterable[str] = (), patterns: Iterable[str] = (), keep: Iterable[str] = ()
) -> None:
    """Say which other texts are secret in this process, and which are none.

    It replaces what was said before, here or under `redaction` of `vlog.configure`; without
    arguments, what vlog knows itself is left. It is what to call beside a plain
    `logging.config.dictConfig`, which passes a key `redaction` over.

    Args:
        keys: Names of keys with a secret; see `Rules`.
        patterns: Regular expressions of secrets.
        keep: Names of keys, and texts, that are none.

    Raises:
        ConfigurationError: something in them cannot be used; what was said before stays.

    >>> set_redaction(keys=["badge_number"], patterns=[r"ACME-[0-9]{6}"], keep=["session_token"])
    >>> set_redaction()
    """
    put_in_force(Rules(keys, patterns, keep))
