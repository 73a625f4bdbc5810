"""Secrets out of entries: by the name of their key, and by their own shape.

Only text is looked at: numbers hold no secret, and `num_memory_tokens: 4` must stay. Every pattern
takes time in proportion to the text. A text that cannot be looked at is not let through.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

REDACTED = "<redacted>"
FAILED = "<redaction failed>"

# A key holds a secret if it ends in one of these. `token` alone counts with an owner in front
# (`hub_token`), because models call pieces of their vocabulary `pad_token` or `image_token`.
_SECRET_KEY = re.compile(
    r"""(?:password|passwd|passphrase|passcode)s?$
    | (?:^|[_.])(?:
        pwd | sshpass | secrets? | credentials? | authorization | connection_?string
      | (?:admin|db|ftp|mysql|pg|postgres|redis|root|smtp|user)_?pass
      | (?:access|account|anthropic|api|app|auth|aws|azure|cohere|comet|deepseek|encryption|gemini
          |google|groq|hf|hugging_?face|license|master|mistral|neptune|openai|openrouter|private
          |replicate|secret|signing|subscription|together|wandb)_?keys?
      | access_?key_?id
      | (?:app|bot|client|csrf|deploy|gh|github|gitlab|hugging_?face|id|jwt|login|npm|oauth|openai
          |private|push_to_hub|pypi|registry|sas|service|session|slack|wandb)[_.]?token
      | (?:access|api|auth|bearer|hf|hub|refresh|secret)[_.]?tokens?
    )$ | ^token$""",
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_KEY = 64
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Under these, `token` and `key` are no pieces of a vocabulary.
_SECRET_PARENT = re.compile(
    r"(?:^|[_.])(?:auth|authentication|oauth2?|login|hub|hf|hugging_?face|wandb|github|openai)$",
    re.IGNORECASE,
)

# Words that people choose look like `sk-learn-contrib` and `hf_internaltesting`: a digit, a capital
# in the midst, many digits tell the difference. A bare `{0,80}` would look through a long text for
# each `sk-` of it.
_SHAPES = re.compile(
    r"""
      -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    | (?<![A-Za-z0-9])(?:
        (?:hf_|api_org_)                                     # Hugging Face: often without a digit
          (?=[A-Za-z0-9]{0,80}[a-z0-9][A-Z]|(?:[A-Za-z]{0,80}[0-9]){3})[A-Za-z0-9]{20,}
      | (?:sk|pypi)-(?:                                      # OpenAI, Anthropic, DeepSeek; PyPI
            (?=[A-Za-z_\-]{0,80}[0-9])(?=[A-Za-z0-9_\-]{0,80}[a-z0-9][A-Z])
          | (?=(?:[a-z0-9]{1,8}-){0,3}(?=(?:[a-z]{0,40}[0-9]){3})[a-z0-9]{20})
        )[A-Za-z0-9_\-]{20,}
      | [rs]k_(?:live|test)_[A-Za-z0-9]{16,}                 # Stripe
      | wandb_v\d_[A-Za-z0-9_]{20,}                          # Weights & Biases
      | (?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}\b           # AWS
      | AIza[A-Za-z0-9_\-]{35}                               # Google
      | ya29\.[A-Za-z0-9_\-.]{16,}
      | gh[pousr]_[A-Za-z0-9]{36,}                           # GitHub
      | github_pat_[A-Za-z0-9_]{22,}
      | glpat-[A-Za-z0-9_\-]{20,}                            # GitLab
      | npm_[A-Za-z0-9]{30,}
      | dckr_pat_[A-Za-z0-9_\-]{20,}                         # Docker
      | xox[abeprs]-[A-Za-z0-9\-]{10,}                       # Slack
      | eyJ[A-Za-z0-9_\-]{8,2000}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}    # JWT
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/_\-.=]{16,}")

# Up to white space, or to a quote that closes something.
_WORD = re.compile(r"""(?:[^\s"']|["'](?![\s,;:)\]}]|\Z))+""")
_URL_USER = re.compile(r"([^/:@\[]*):(?!\d{1,5}(?:[/?#]|\Z))")  # behind a host, it is a port

# It begins at the telling word and looks back for the rest of the key: a pattern that begins with
# the key would try every character of a long text as its start, and take minutes.
_ASSIGNMENT = re.compile(
    r"""(?P<word>passwords?|passwds?|passphrases?|passcodes?|pwd|pass|secrets?|credentials?
        |authorization|connection[_-]?string|tokens?|keys?(?:[_-]?id)?)
        (?:(?P<mark>\\?["']?[^\S\n]*[=:]{1,2}>?)[^\S\n]*|[^\S\n]+)
        (?P<quote>\\?["'])?""",
    re.IGNORECASE | re.VERBOSE,
)
# Most texts have none of them; with letters of one case, this is found out several times faster.
_TELLING = re.compile("pass|pwd|secret|credential|authorization|connection|token|key")
_KEY_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_QUOTED = {
    '"': re.compile(r'(?:[^"\\\n]|\\.)*'),
    "'": re.compile(r"(?:[^'\\\n]|\\.)*"),
    '\\"': re.compile(r'(?:[^"\\\n]|\\(?!"))*'),
    "\\'": re.compile(r"(?:[^'\\\n]|\\(?!'))*"),
}
_BEHIND_QUOTE = frozenset([*" \t\r\n,;:.)]}<>", ""])
_AUTHORIZATION = "authorization"
_CLOSING = ",;)]}\"'\\"
_CONTAINER = re.compile(r"""[({\[]+(?=["'\s]|\Z)""")
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|Key|Api-?Key|Digest|Negotiate)[^\S\n]+", re.IGNORECASE)
# What follows these is a secret however short, and with whatever signs in it.
_PASSWORD_LIKE = re.compile(
    r"(?:password|passwd|passphrase|passcode|pwd|pass|secret|credential|authorization)s?$",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"""[^\s"',;&)\]}<>]{6,}""")
_SHORTEST_QUOTED = 6
# A bare `token` key also names pieces of a vocabulary: shorter, or with spaces and brackets.
_BARE_TOKEN = re.compile(r"[A-Za-z0-9_\-.~+/=]{12,}")
_PATH = re.compile(r"[/~.]|[A-Za-z]:[\\/]|\\\\")

_OPTION = re.compile(r"--?[A-Za-z][\w\-.]*")
_OPTION_AND_VALUE = re.compile(r"(?P<name>[-+~]{0,2}[A-Za-z][\w\-.]*)=(?P<value>.+)", re.DOTALL)


def is_secret_key(key: str) -> bool:
    """Return whether the value under `key` is a secret by its name.

    >>> is_secret_key("hub_token"), is_secret_key("pad_token"), is_secret_key("max_tokens")
    (True, False, False)
    """
    return _is_secret_key(key[-_LONGEST_KEY:])


def redact_text(text: str) -> str:
    """Return `text` with what looks like a secret replaced by `<redacted>`.

    It never raises: a text that it fails on becomes `<redaction failed>`.

    >>> redact_text("https://me:hunter22@host/x")
    'https://me:<redacted>@host/x'
    """
    try:
        return _redact_text(text)
    except Exception:  # noqa: BLE001 - what was not looked at may hold a secret
        return FAILED


def redact(value: Any, key: str = "") -> Any:
    """Return a normalized value without its secrets.

    It never raises: what it fails on becomes `<redaction failed>`.

    Args:
        value: JSON-like: dicts, lists, text, numbers. Dicts and lists are changed in place.
        key: The key that `value` stands under.
    """
    try:
        if type(value) is str:
            return REDACTED if value and _hides(key, value) else redact_text(value)
        if type(value) is dict:
            _redact_dict(value, key)
        elif type(value) is list:
            _redact_list(value, key)
    except Exception:  # noqa: BLE001 - what was not looked at may hold a secret
        return FAILED
    return value


@lru_cache(maxsize=4096)
def _is_secret_key(key: str) -> bool:
    words = _WORD_START.sub("_", key.replace("-", "_"))
    return _SECRET_KEY.search(words) is not None


def _redact_text(text: str) -> str:
    if len(text) < 6:  # `pwd=ab` is the shortest
        return text
    text = _SHAPES.sub(REDACTED, text)
    if "://" in text:
        text = _WORD.sub(_redact_url_password, text)
    if _TELLING.search(text.lower()):
        text = _redact_assignments(text)
    if "B" in text:
        text = _BEARER.sub(rf"\1 {REDACTED}", text)
    return text


def _redact_url_password(match: re.Match[str]) -> str:
    """Hide the password of a URL, which may hold `/` and `@`: up to the last `@`."""
    word = match[0]
    start, end = word.find("://"), word.rfind("@")
    while 0 <= start < end:
        user = _URL_USER.match(word, start + 3, end)
        if user is not None and user.end() < end:
            return f"{word[: user.end()]}{REDACTED}{word[end:]}"
        start = word.find("://", start + 3)
    return word


def _hides(key: str, value: str) -> bool:
    if not is_secret_key(key) or value == REDACTED or _is_folder(key, value):
        return False
    return key.lower() != "token" or _BARE_TOKEN.fullmatch(value) is not None


def _hides_option(name: str, value: str) -> bool:
    """Return whether an option of a command line hides its value; `token` is one like others."""
    return is_secret_key(name) and not _is_folder(name, value)


def _is_folder(key: str, value: str) -> bool:
    """Return whether this is the working directory: the shell calls it `PWD`."""
    return key.lower() == "pwd" and _PATH.match(value) is not None


def _redact_dict(items: dict[str, Any], key: str) -> None:
    is_secret = is_secret_key(key)
    is_parent = not is_secret and _SECRET_PARENT.search(key[-_LONGEST_KEY:]) is not None
    has_secret_name = False
    for name, item in items.items():
        has_secret_name = has_secret_name or _redact_name(name) != name
        if type(item) in (str, dict, list):
            owned = "auth_token" if is_parent and name.lower() in ("token", "key") else name
            items[name] = redact(item, key if is_secret else owned)
    if has_secret_name:
        _rename(items)


def _rename(items: dict[str, Any]) -> None:
    """Redact the keys in place; of two that become the same, both are kept."""
    found = list(items.items())
    items.clear()
    for name, item in found:
        shown = unique = _redact_name(name)
        while unique in items:
            unique = f"{shown} {len(items)}"
        items[unique] = item


def _redact_name(name: str) -> str:
    return _redact_short_name(name) if len(name) <= _LONGEST_KEY else redact_text(name)


_redact_short_name = lru_cache(maxsize=4096)(redact_text)  # the same few come in every entry


def _redact_list(items: list[Any], key: str) -> None:
    """Redact in place; in a command line, what follows an option with a secret's name too."""
    option = ""
    for index, item in enumerate(items):
        is_text = type(item) is str
        if option and is_text and _hides_option(option, item):
            items[index] = REDACTED
        else:
            items[index] = _redact_item(item, key) if is_text else redact(item, key)
        option = item.lstrip("-") if is_text and _OPTION.fullmatch(item) else ""


def _redact_item(item: str, key: str) -> Any:
    """Redact a text of a list, which may be `--option=value` of a command line."""
    match = None if is_secret_key(key) else _OPTION_AND_VALUE.fullmatch(item)
    if match is not None:
        name, value = match["name"].lstrip("-+~"), match["value"]
        hides = _hides_option if match["name"].startswith("-") else _hides
        if hides(name, value):
            return f"{match['name']}={REDACTED}"
    return redact(item, key)


def _redact_assignments(text: str) -> str:
    """Hide the values behind keys; from left to right, since a value may itself be `key=value`."""
    parts, done, place = [], 0, 0
    while (match := _ASSIGNMENT.search(text, place)) is not None:
        start, end = _find_value(text, match)
        place = max(end, match.end("word"))
        if start < end and text[start:end] != REDACTED:
            parts += [text[done:start], REDACTED]
            done = end
    return "".join([*parts, text[done:]]) if parts else text


def _find_value(text: str, match: re.Match[str]) -> tuple[int, int]:
    """Return from where to where the text is a secret: nowhere if its key is none."""
    word, start = match.start("word"), match.end()
    before = text[max(word - _LONGEST_KEY, 0) : word]
    whole = before[len(before.rstrip(_KEY_CHARACTERS)) :] + match["word"]
    key, is_option = whole.strip("_.-"), whole.startswith("-")
    if not is_secret_key(key) or _is_folder(key, text[start : start + 3]):
        return start, start
    if match["mark"] is None and (not is_option or text.startswith("-", start)):
        return start, start  # no key and value; or an option behind an option
    if key.lower() == "token":
        return start, _end_of(_BARE_TOKEN, text, start)
    if is_option or _PASSWORD_LIKE.search(key):
        return _find_any(text, start, match["quote"], has_scheme=_AUTHORIZATION in key.lower())
    if match["quote"]:
        end = _end_of(_QUOTED[match["quote"]], text, start)
        return start, end if end - start >= _SHORTEST_QUOTED else start
    return start, _end_of(_PLAIN, text, start)


def _find_any(text: str, start: int, quote: str | None, *, has_scheme: bool) -> tuple[int, int]:
    """Return where a value of any length stands: up to its closing quote, or to white space."""
    opening = start - len(quote or "")
    start = _end_of(_SCHEME, text, start) if has_scheme else start
    if quote is None:
        if _CONTAINER.match(text, start):
            return start, start
        word = text[start : _end_of(_WORD, text, start)]
        return start, start + len(word.rstrip(_CLOSING))
    end = _end_of(_QUOTED[quote], text, start)
    behind = end + len(quote)
    if text.startswith(quote, end) and text[behind : behind + 1] not in _BEHIND_QUOTE:
        joined = _end_of(_WORD, text, behind)
        if joined > behind:  # a shell joins what stands side by side: 'it'\''s'
            return opening, joined
    return start, end


def _end_of(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return start if match is None else match.end()
