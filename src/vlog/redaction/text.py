"""Secrets out of one text."""

from __future__ import annotations

from vlog.redaction.assignments import may_announce, redact_assignments
from vlog.redaction.rules import rules_in_force
from vlog.redaction.shapes import (
    redact_around_cuts,
    redact_behind_words,
    redact_shapes,
    redact_urls,
)

FAILED = "<redaction failed>"
_SHORTEST = 6  # `pwd=ab`


def redact_text(text: str) -> str:
    """Return `text` with what looks like a secret replaced by `<redacted>`.

    It never raises: a text that it fails on becomes `<redaction failed>`.

    >>> redact_text("https://me:hunter22@host/x")
    'https://me:<redacted>@host/x'
    """
    try:
        return redact_or_raise(text)
    except Exception:  # noqa: BLE001 - what was not looked at may hold a secret
        return FAILED


def redact_or_raise(text: str) -> str:
    """Return `text` without its secrets; it raises where the stack or the memory is at its end."""
    rules = rules_in_force()
    if rules.patterns:
        text = rules.redact(text)
    if len(text) < _SHORTEST:
        return text
    text = redact_shapes(text, rules)
    if "<cut: " in text:
        text = redact_around_cuts(text)
    if "://" in text:
        text = redact_urls(text)
    lower = text.lower()  # in letters of one case, most texts are told several times faster
    if may_announce(lower, rules):
        text = redact_behind_words(redact_assignments(text, lower, rules))
    return text
