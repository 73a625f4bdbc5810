"""Which keys hold a secret, and which of the values under them are none."""

from __future__ import annotations

import re
from functools import lru_cache

from vlog.redaction.rules import REDACTED, Rules, rules_in_force, words_of

LONGEST_KEY = 64
# Behind the name: the second of several (HF_TOKEN_2), or what of it is meant.
_ADDITION = re.compile(r"(?:_?[0-9]{1,3}|_(?:value|pem|old|new))$")
# What a setting says where it has no secret.
_NO_SECRETS = frozenset({"none", "null", "true", "false", "default", "auto", "disabled"})
# A key holds a secret if it ends in one of these. `token` alone counts with an owner in front
# (`hub_token`), because models call pieces of their vocabulary `pad_token` or `image_token`.
_SECRET_KEY = re.compile(
    r"""(?:password|passwd|passphrase|pass_phrase|passcode)s?$
    | (?:^|[_.])(?:
        pwd | sshpass | secrets? | credentials? | authorization | connection_?string
      | (?:basic|http|proxy)_?auth | (?:set_)?cookies? | ssh_?keys?
      | (?:admin|db|ftp|mysql|pg|postgres|redis|root|smtp|user)_?pass
      | (?:access|account|anthropic|api|app|auth|aws|azure|cohere|comet|deepseek|encryption|gemini
          |google|groq|hf|hugging_?face|kaggle|license|master|mistral|neptune|openai|openrouter
          |private|replicate|secret|signing|subscription|together|wandb)_?keys?
      | (?:access|private)_?key_?id
      | (?:app|bot|client|csrf|databricks|deploy|discord|gh|github|gitlab|hugging_?face|id|jupyter
          |jwt|login|mlflow|npm|oauth|openai|private|push_to_hub|pypi|registry|sas|security|service
          |session|slack|telegram|tracking|vault|wandb|webhook)[_.]?token
      | (?:access|api|auth|bearer|hf|hub|refresh|secret)[_.]?tokens?
    )$ | ^token$""",
    re.IGNORECASE | re.VERBOSE,
)
# Under these, `token` and `key` are no pieces of a vocabulary.
_SECRET_PARENT = re.compile(
    r"(?:^|[_.])(?:auth|authentication|oauth2?|login|hub|hf|hugging_?face|kaggle|wandb|github"
    r"|openai)$",
    re.IGNORECASE,
)
# What follows these is a secret however short, and with whatever signs in it.
_PASSWORD_LIKE = re.compile(
    r"(?:password|passwd|pass_?phrase|passcode|pwd|pass|secret|credential|authorization)s?$",
    re.IGNORECASE,
)
# Words that people choose have their digits at the end, if any: `reserved_special_token_0`.
RANDOM = re.compile(r"(?=(?:[A-Za-z_\-.~+/]{0,80}[0-9]{1,80}[A-Za-z]){2})[A-Za-z0-9_\-.~+/=]{12,}")
# A piece of a vocabulary, or what stands for a token: `<|bot|>`, `[ID]`, `<HUB_TOKEN>`.
_PLACEHOLDER = re.compile(r"<[^<>\s]*>|\[[A-Z_]+\]")
_PATH = re.compile(r"[/~.]|[A-Za-z]:[\\/]|\\\\")


def is_secret_key(key: str) -> bool:
    """Return whether the value under `key` is a secret by its name.

    >>> is_secret_key("hub_token"), is_secret_key("pad_token"), is_secret_key("max_tokens")
    (True, False, False)
    """
    return _is_secret_key(rules_in_force(), key[-LONGEST_KEY:])


@lru_cache(maxsize=4096)
def _is_secret_key(rules: Rules, key: str) -> bool:
    if rules.keeps_key(key):
        return False
    words = _ADDITION.sub("", words_of(key))
    return rules.names(key) or _SECRET_KEY.search(words) is not None


@lru_cache(maxsize=4096)
def is_secret_parent(key: str) -> bool:
    """Return whether `token` and `key` under `key` are secret."""
    return _SECRET_PARENT.search(key[-LONGEST_KEY:]) is not None


def hides(key: str, value: str) -> bool:
    """Return whether the text `value` is a secret because it stands under `key`."""
    if value == REDACTED or not value or value.lower() in _NO_SECRETS:
        return False
    if is_secret_key(key) and (key.lower() != "token" or rules_in_force().names(key)):
        is_placeholder = is_token(key) and _PLACEHOLDER.fullmatch(value) is not None
        return not (is_placeholder or is_folder(key, value))
    return is_perhaps_secret(key) and RANDOM.fullmatch(value) is not None


def is_perhaps_secret(key: str) -> bool:
    """Return whether a text under `key` is a secret if it looks random: a token of anybody's."""
    return is_token(key) and not rules_in_force().keeps_key(key)


def is_token(key: str) -> bool:
    """Return whether `key` is a token, perhaps one of a vocabulary."""
    return key[-5:].lower() == "token"


def is_password(key: str) -> bool:
    """Return whether the secret under `key` may be of any length and have any signs in it."""
    return _PASSWORD_LIKE.search(key) is not None or rules_in_force().names(key)


def is_folder(key: str, value: str) -> bool:
    """Return whether this is a path: the shell's `PWD`, or that of a file with credentials."""
    is_path = key.lower() == "pwd" or key.lower().endswith("credentials")
    return is_path and _PATH.match(value) is not None
