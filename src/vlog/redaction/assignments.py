"""The values behind the names of secrets in a text: of code, commands, JSON, headers, reprs."""

from __future__ import annotations

import re
from functools import lru_cache

from vlog.redaction.names import (
    LONGEST_KEY,
    RANDOM,
    hides,
    is_folder,
    is_password,
    is_perhaps_secret,
    is_secret_key,
)
from vlog.redaction.rules import REDACTED, Rules
from vlog.redaction.shapes import WORD

# The last word of a key.
_WORDS = (
    "passwords?", "passwds?", "pass_?phrases?", "passcodes?", "pwd", "pass", "secrets?",
    "credentials?", "authorization", "(?:basic|http|proxy)[_-]?auth", "connection[_-]?string",
    "tokens?", "keys?(?:[_-]?id)?",
)  # fmt: skip
# Most texts have none of them; the last ones are of `redact_behind_words`.
_TELLING = (
    "pass", "pwd", "secret", "credential", "auth", "connection", "token", "key",
    "bearer", "basic", "login", "sig=", "signature=",
)  # fmt: skip
# What stands between a key and its value: `=`, `:`, `=>`, `->`, a quote in front; in code perhaps
# a type. Or a comma, where a list or a pair is printed, or `{'name': ..., 'value': ...}`.
_MARK = r"""(?P<mark>
      \\{0,7}["']?[^\S\n]*
      (?::[ ]?(?:str|bytes|optional\[str\]|str[ ]\|[ ]none)[ ]?=|[=:]{1,2}>?|->)
    | (?P<comma>\\{0,7}["'],(?P<label>[^\S\n]*\\{0,7}["']value\\{0,7}["']:)?))"""
# And in front of the value: a quote, of bytes or of what is made of the text.
_OPENING = r"""(?:(?:[a-z_]{1,20}\((?:[a-z_]{1,20}=)?)?[bfru]{0,2}(?P<quote>\\{0,7}["']))?"""
_KEY_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_QUOTED = {"'": re.compile(r"(?:[^'\\\n]|\\.)*"), '"': re.compile(r'(?:[^"\\\n]|\\.)*')}
_QUOTE_OR_LINE = {sign: re.compile(f"[{sign}\n]") for sign in _QUOTED}
_BEHIND_QUOTE = frozenset([*" \t\r\n,;:.)]}<>", ""])
_CLOSING = ",;)]}\"'\\"
_CONTAINER = re.compile(r"""[({\[]+(?=["'\s)\]}]|\Z)""")
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|Key|Api-?Key|Digest|Negotiate)[^\S\n]+", re.IGNORECASE)
_PLAIN = re.compile(r"""[^\s"',;&)\]}<>]{6,}""")
_SHORTEST_QUOTED = 6
_NO_VALUES = frozenset(
    {"none", "null", "true", "false", "yes", "no", "str", "bytes", "string", "optional[str"}
)
_PAIR_OPENS = re.compile(r"""(?:\(|(?:\[|\],)\s*\[)b?\\{0,7}["']\Z""")
_BRACKETS = re.compile(r"[(\[{]|[)\]}]")
_LONGEST_CONTAINER = 1000
_NETRC = re.compile(r"\blogin\s+\S+\s+\Z", re.IGNORECASE)
_WORD_BEFORE = re.compile(r"([A-Za-z]+) \Z")


@lru_cache(maxsize=8)
def _pattern(keys: tuple[str, ...]) -> re.Pattern[str]:
    """Return what finds an assignment, in small letters.

    It begins at the telling word and looks back for the rest of the key: a pattern that begins
    with the key would try every character of a long text as its start, and take minutes.

    Args:
        keys: The user's names of secrets.
    """
    words = "|".join([*(key.lower().replace("[_.]?", "[_.-]?") for key in keys), *_WORDS])
    return re.compile(rf"(?P<word>{words})(?:{_MARK}[^\S\n]*|[^\S\n]+){_OPENING}", re.VERBOSE)


_pattern(())  # here, not in the first entry: it takes milliseconds


def may_announce(lower: str, rules: Rules) -> bool:
    """Return whether there may be the name of a secret in a text, given in small letters."""
    return bool(rules.keys) or any(map(lower.__contains__, _TELLING))


def redact_assignments(text: str, lower: str, rules: Rules) -> str:
    """Return `text` without the values of secret keys.

    From left to right, since a value may itself be `key=value`.

    Args:
        text: A text.
        lower: The same in small letters.
        rules: What is redacted beside.
    """
    assignment = _pattern(rules.keys)
    if len(lower) != len(text):  # a few letters become two
        lower = "".join(each if len(each.lower()) > 1 else each.lower() for each in text)
    parts, done, place = [], 0, 0
    while (match := assignment.search(lower, place)) is not None:
        start, end = _find_value(text, match)
        place = max(end, match.end("word"))
        if start < end and text[start:end] != REDACTED:
            parts += [text[done:start], REDACTED]
            done = end
    return "".join([*parts, text[done:]]) if parts else text


def _find_value(text: str, match: re.Match[str]) -> tuple[int, int]:
    """Return from where to where the text is a secret: nowhere if its key is none."""
    word, start = match.start("word"), match.end()
    before = text[max(word - LONGEST_KEY, 0) : word]
    front = before.rstrip(_KEY_CHARACTERS)
    whole = before[len(front) :] + text[word : match.end("word")]
    key, is_option = whole.strip("_.-"), whole.startswith("-")
    if is_folder(key, text[start : start + 3]):
        return start, start
    if is_secret_key(key) and _has_value(text, match, front, is_option=is_option):
        if is_option or is_password(key):
            has_scheme = "authorization" in key.lower()
            return _find_any(text, start, match["quote"], has_scheme=has_scheme)
        if key.lower() != "token":
            return start, _end_of_plain(text, start, match["quote"], key)
    elif not (is_perhaps_secret(key) or _is_secret_phrase(front, key)):
        return start, start
    return start, _end_of(RANDOM, text, start)


def _has_value(text: str, match: re.Match[str], front: str, *, is_option: bool) -> bool:
    """Return whether a value stands behind the key, which is secret."""
    if match["comma"]:
        if match["quote"] is None:
            return False
        return is_option or match["label"] is not None or _is_pair(text, match, front)
    if match["mark"]:
        return True
    if is_option:
        return not text.startswith("-", match.end())  # an option behind an option
    return _NETRC.search(front) is not None


def _is_pair(text: str, match: re.Match[str], front: str) -> bool:
    """Return whether key and value are alone in their brackets, and not of a list of names."""
    if _PAIR_OPENS.search(front) is None:
        return False
    end = _end_of_quoted(text, match.end(), match["quote"]) + len(match["quote"])
    return text[end : end + 1] in (")", "]")


def _is_secret_phrase(front: str, key: str) -> bool:
    """Return whether the word in front makes it the name of a secret: `API key`, `auth token`."""
    before = _WORD_BEFORE.search(front)
    return before is not None and is_secret_key(f"{before[1]}_{key}")


def _find_any(text: str, start: int, quote: str | None, *, has_scheme: bool) -> tuple[int, int]:
    """Return where a value of any length stands: up to its closing quote, or to white space."""
    opening = start - len(quote or "")
    start = _end_of(_SCHEME, text, start) if has_scheme else start
    if quote is None:
        if text.startswith(REDACTED, start):
            return start, start
        if _CONTAINER.match(text, start):
            return start, _end_of_container(text, start)
        word = text[start : _end_of(WORD, text, start)].rstrip(_CLOSING)
        return start, start if word.lower() in _NO_VALUES else start + len(word)
    end = _end_of_quoted(text, start, quote)
    behind = end + len(quote)
    if text.startswith(quote, end) and text[behind : behind + 1] not in _BEHIND_QUOTE:
        joined = _end_of(WORD, text, behind)
        if joined > behind:  # a shell joins what stands side by side: 'it'\''s'
            return opening, joined
    return start, end


def _end_of_plain(text: str, start: int, quote: str | None, key: str) -> int:
    """Return where a value ends that is long enough for a secret."""
    if quote:
        end = _end_of_quoted(text, start, quote)
        return end if end - start >= _SHORTEST_QUOTED and hides(key, text[start:end]) else start
    if _CONTAINER.match(text, start):
        return _end_of_container(text, start)
    return _end_of(_PLAIN, text, start)


def _end_of_quoted(text: str, start: int, quote: str) -> int:
    """Return the end of what stands in quotes, with their backslashes: of JSON inside of JSON."""
    backslashes, sign = quote[:-1], quote[-1]
    if not backslashes:
        return _end_of(_QUOTED[sign], text, start)
    for found in _QUOTE_OR_LINE[sign].finditer(text, start):
        end = found.start() - len(backslashes)
        if found[0] == "\n":
            return found.start()
        if start <= end and text[end : found.start()] == backslashes and text[end - 1] != "\\":
            return end
    return len(text)


def _end_of_container(text: str, start: int) -> int:
    """Return the end of a dict or list: where it closes, or else that of its line.

    It is `start` if nothing stands in it.
    """
    limit, depth = start + _LONGEST_CONTAINER, 0
    for bracket in _BRACKETS.finditer(text, start, limit):
        depth += 1 if bracket[0] in "([{" else -1
        if depth == 0:
            end = bracket.end()
            break
    else:
        line = text.find("\n", start, limit)
        end = min(limit, len(text)) if line < 0 else line
    return end if text[start:end].strip("()[]{} \n") else start


def _end_of(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return start if match is None else match.end()
