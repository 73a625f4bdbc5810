"""Text from a log or a program, made safe for a terminal: what would act on it is shown instead.

Everything that the command line and the console handler print passes through here.
"""

from __future__ import annotations

import re

# C0 and C1 controls, line and paragraph separators, marks that turn the direction of text,
# the byte order mark, surrogates that stand alone.
_ACTING = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_CONTROLS = re.compile(f"[\x00-\x1f{_ACTING}]")
_ACTING_IN_JSON = re.compile(f"[{_ACTING}]")
_SPACES_IN_JSON = re.compile("[\t\r\n]")


def visible(text: object) -> str:
    r"""Return `text` with every character that acts on a terminal written as its escape.

    >>> visible("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    """
    return _CONTROLS.sub(_escape, str(text))


def visible_json(text: str) -> str:
    r"""Return JSON that means the same and holds no character that acts on a terminal.

    JSON has its C0 controls escaped, but neither C1 nor what turns the direction of text.
    """
    return _ACTING_IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def visible_line(raw: bytes) -> str:
    """Return a line that is JSON as `visible_json`, on one line whatever its white space is."""
    return visible_json(_SPACES_IN_JSON.sub(" ", raw.decode().strip()))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if character in "\t\n\r":
        return repr(character)[1:-1]
    return f"\\x{ord(character):02x}" if ord(character) < 0x100 else f"\\u{ord(character):04x}"
