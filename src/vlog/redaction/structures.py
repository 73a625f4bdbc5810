"""Secrets out of dicts and lists, by key and by place."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from vlog.redaction.names import LONGEST_KEY, hides, is_folder, is_secret_key, is_secret_parent
from vlog.redaction.rules import REDACTED, Rules, rules_in_force
from vlog.redaction.text import FAILED, redact_or_raise, redact_text

_OPTION = re.compile(r"--?[A-Za-z][\w\-.]*")
_OPTION_AND_VALUE = re.compile(r"(?P<name>[-+~]{0,2}[A-Za-z][\w\-.]*)=(?P<value>.+)", re.DOTALL)
_SHORTEST_OF_PAIR = 6  # a tokenizer's merges are pairs of short texts
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?!.*-----END)", re.DOTALL)


def redact(value: Any, key: str = "") -> Any:
    """Return a normalized value without its secrets.

    It never raises: what it fails on becomes `<redaction failed>`.

    Args:
        value: JSON-like: dicts, lists, text, numbers. Dicts and lists are changed in place.
        key: The key that `value` stands under.
    """
    try:
        if type(value) is str:
            return REDACTED if hides(key, value) else redact_text(value)
        if type(value) is dict:
            _redact_dict(value, key)
        elif type(value) is list:
            _redact_list(value, key)
    except Exception:  # noqa: BLE001 - what was not looked at may hold a secret
        return FAILED
    return value


def _redact_dict(items: dict[str, Any], key: str) -> None:
    rules = rules_in_force()
    is_secret = is_secret_key(key)
    is_parent = not is_secret and is_secret_parent(key)
    has_secret_name = False
    for name, item in items.items():
        has_secret_name = has_secret_name or _redact_name(rules, name) != name
        if type(item) in (str, dict, list):
            owner = key if is_secret and not rules.keeps_key(name) else name
            if is_parent and name.lower() in ("token", "key"):
                owner = "auth_token"
            items[name] = redact(item, owner)
        elif rules.keys and type(item) in (int, float) and rules.names(name):
            items[name] = REDACTED
    if "value" in items:
        _redact_labelled(items)
    if has_secret_name:
        _rename(rules, items)


def _redact_labelled(items: dict[str, Any]) -> None:
    """Redact the value of `{"name": "HF_TOKEN", "value": ...}`, as containers get variables."""
    label = items.get("name", items.get("key"))
    if type(label) is str and type(items["value"]) is str:
        items["value"] = redact(items["value"], label)


def _rename(rules: Rules, items: dict[str, Any]) -> None:
    """Redact the keys in place; of two that become the same, both are kept."""
    found = list(items.items())
    items.clear()
    for name, item in found:
        shown = unique = _redact_name(rules, name)
        while unique in items:
            unique = f"{shown} {len(items)}"
        items[unique] = item


def _redact_name(rules: Rules, name: str) -> str:
    if len(name) > LONGEST_KEY:
        return redact_text(name)
    try:
        return _redact_short_name(rules, name)
    except Exception:  # noqa: BLE001 - what was not looked at may hold a secret
        return FAILED


@lru_cache(maxsize=4096)  # the same few come in every entry; that one failed is not kept
def _redact_short_name(_rules: Rules, name: str) -> str:
    return redact_or_raise(name)


def _redact_list(items: list[Any], key: str) -> None:
    """Redact in place; what belongs to the item in front of it by that, too.

    That is the value of an option in a command line, and the lines of a private key.
    """
    option, is_in_key = "", False
    for index, item in enumerate(items):
        if type(item) is not str:
            items[index] = _redact_pair(redact(item, key))
            option = ""
            continue
        is_in_key = is_in_key or _KEY_BEGINS.search(item) is not None
        is_secret = is_in_key or (option and _hides_option(option, item))
        items[index] = REDACTED if is_secret else _redact_item(item, key)
        is_in_key = is_in_key and "-----END" not in item
        option = item.lstrip("-") if _OPTION.fullmatch(item) else ""


def _redact_pair(item: Any) -> Any:
    """Redact the second of two texts in a list of lists, as headers are, if the first says so."""
    if type(item) is list and len(item) == 2:
        name, value = item
        is_long = type(value) is str and len(value) >= _SHORTEST_OF_PAIR
        if is_long and type(name) is str and hides(name, value):
            item[1] = REDACTED
    return item


def _redact_item(item: str, key: str) -> Any:
    """Redact a text of a list, which may be `--option=value` of a command line."""
    match = None if is_secret_key(key) else _OPTION_AND_VALUE.fullmatch(item)
    if match is not None:
        name, value = match["name"].lstrip("-+~"), match["value"]
        is_secret = _hides_option if match["name"].startswith("-") else hides
        if is_secret(name, value):
            return f"{match['name']}={REDACTED}"
    return redact(item, key)


def _hides_option(name: str, value: str) -> bool:
    """Return whether an option of a command line hides its value; `token` is one like others."""
    return is_secret_key(name) and not is_folder(name, value)
