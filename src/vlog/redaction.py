"""Secrets out of entries: by the name of their key, and by their own shape.

Only text is looked at: numbers hold no secret, and `num_memory_tokens: 4` must stay.
"""

from __future__ import annotations

import re
from typing import Any

REDACTED = "<redacted>"

# A key holds a secret if it ends in one of these. `token` alone counts with an owner in front
# (`hub_token`), because models call pieces of their vocabulary `pad_token` or `image_token`.
_SECRET_KEY = re.compile(
    r"""(^|[_\-.])(
        password | passwd | passphrase | pwd | secret | secrets | credential | credentials
      | authorization | api_?key | access_?key | secret_?key | private_?key
      | access_?key_?id | secret_?access_?key | connection_?string
      | (access|api|auth|bearer|bot|csrf|github|gitlab|hf|hub|hugging_?face|id|oauth
        |private|push_to_hub|refresh|secret|service|session|slack|wandb)_?token
    )$ | ^token$""",
    re.IGNORECASE | re.VERBOSE,
)

_SHAPES = re.compile(
    r"""
      -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    | \b(?:
        hf_[A-Za-z0-9]{20,}                                  # Hugging Face
      | api_org_[A-Za-z0-9]{20,}
      | sk-[A-Za-z0-9_\-]{20,}                               # OpenAI, Anthropic
      | wandb_v\d_[A-Za-z0-9_]{20,}                          # Weights & Biases
      | (?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}\b           # AWS
      | AIza[A-Za-z0-9_\-]{35}                               # Google
      | gh[pousr]_[A-Za-z0-9]{36,}                           # GitHub
      | github_pat_[A-Za-z0-9_]{22,}
      | glpat-[A-Za-z0-9_\-]{20,}                            # GitLab
      | xox[abeprs]-[A-Za-z0-9\-]{10,}                       # Slack
      | eyJ[A-Za-z0-9_\-]{8,2000}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}    # JWT
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/:@]*):([^\s/@]+)@")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/_\-.=]{16,}")
# It begins at the telling word and looks back for the rest of the key: a pattern that begins with
# the key would try every character of a long text as its start, and take minutes.
_ASSIGNMENT = re.compile(
    r"""(?P<word>(?:password|passwd|passphrase|secret|credential|api[_-]?key|token
        |access[_-]?key|private[_-]?key)[A-Za-z0-9_\-]{0,40})
        (?P<mark>["']?\s*[=:]\s*["']?)(?P<value>[^\s"',;&)\]}<>]{6,})""",
    re.IGNORECASE | re.VERBOSE,
)
_KEY_START = re.compile(r"[A-Za-z0-9_.\-]*$")
_LONGEST_KEY_START = 64
_OPTION = re.compile(r"--?[A-Za-z][\w\-.]*")
# A bare `token` key also names pieces of a vocabulary: shorter, or with spaces and brackets.
_BARE_TOKEN = re.compile(r"[A-Za-z0-9_\-.~+/=]{12,}")


def is_secret_key(key: str) -> bool:
    """Return whether the value under `key` is a secret by its name.

    >>> is_secret_key("hub_token"), is_secret_key("pad_token"), is_secret_key("max_tokens")
    (True, False, False)
    """
    return _SECRET_KEY.search(key.replace("-", "_")) is not None


def redact_text(text: str) -> str:
    """Return `text` with what looks like a secret replaced by `<redacted>`.

    >>> redact_text("https://me:hunter22@host/x")
    'https://me:<redacted>@host/x'
    """
    if len(text) < 8:  # no shape is shorter
        return text
    text = _SHAPES.sub(REDACTED, text)
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\1:{REDACTED}@", text)
    if "=" in text or ":" in text:
        text = _ASSIGNMENT.sub(_redact_assignment, text)
    if "B" in text:
        text = _BEARER.sub(rf"\1 {REDACTED}", text)
    return text


def redact(value: Any, key: str = "") -> Any:
    """Return a normalized value without its secrets.

    Args:
        value: JSON-like: dicts, lists, text, numbers. Dicts and lists are changed in place.
        key: The key that `value` stands under.
    """
    if type(value) is str:
        return REDACTED if value and _hides(key, value) else redact_text(value)
    if type(value) is dict:
        for name, item in value.items():
            if type(item) in (str, dict, list):
                value[name] = redact(item, key if is_secret_key(key) else name)
    elif type(value) is list:
        _redact_list(value, key)
    return value


def _hides(key: str, value: str) -> bool:
    if not is_secret_key(key) or value == REDACTED:
        return False
    return key.lower() != "token" or _BARE_TOKEN.fullmatch(value) is not None


def _redact_list(items: list[Any], key: str) -> None:
    """Redact in place; in a command line, what follows an option with a secret's name too."""
    follows_secret = False
    for index, item in enumerate(items):
        items[index] = REDACTED if follows_secret and type(item) is str else redact(item, key)
        follows_secret = (
            type(item) is str
            and _OPTION.fullmatch(item) is not None
            and is_secret_key(item.lstrip("-"))
        )


def _redact_assignment(match: re.Match[str]) -> str:
    before = _KEY_START.search(
        match.string, max(match.start() - _LONGEST_KEY_START, 0), match.start()
    )
    key = f"{before[0] if before else ''}{match['word']}".strip("_.-")
    # The value of what is no secret may itself name one: `tokenizer: hf_token=...`.
    hides = _hides(key, match["value"])
    value = REDACTED if hides else _ASSIGNMENT.sub(_redact_assignment, match["value"])
    return f"{match['word']}{match['mark']}{value}"
