"""Secrets out of entries: by the name of their key, and by their own shape.

Only text is looked at: numbers hold no secret, and `num_memory_tokens: 4` must stay. Everything
takes time in proportion to the text. A text that cannot be looked at is not let through.

`names` says which keys are secret, `shapes` what secrets look like, `assignments` finds `key=value`
in a text; `structures` goes through dicts and lists. `rules` has what a user adds.
"""

from __future__ import annotations

from vlog.redaction.names import is_secret_key
from vlog.redaction.rules import REDACTED, Rules, put_in_force, rules_in_force, set_redaction
from vlog.redaction.structures import redact
from vlog.redaction.text import FAILED, redact_text

__all__ = [
    "FAILED",
    "REDACTED",
    "Rules",
    "is_secret_key",
    "put_in_force",
    "redact",
    "redact_text",
    "rules_in_force",
    "set_redaction",
]
