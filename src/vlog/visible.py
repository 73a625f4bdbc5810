"""Text from a log or a program, made safe for a terminal: what would act on it is shown instead.

Everything that the command line, the console handler and the error log print passes through here.
"""

from __future__ import annotations

import json
import re

# C0 and C1 controls, line and paragraph separators, marks that turn the direction of text,
# surrogates that stand alone, and what nobody can see: zero-width characters and tags, but for
# the two joiners that words (U+200C) and emoji (U+200D) are made with.
_ACTING = (
    "\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_CONTROLS = re.compile(f"[\x00-\x1f{_ACTING}]")
_ACTING_IN_JSON = re.compile(f"[{_ACTING}]")
_SPACES_IN_JSON = re.compile("[\t\r\n]")


def visible(text: object) -> str:
    r"""Return `text` with every character that acts on a terminal written as its escape.

    >>> visible("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    """
    return _CONTROLS.sub(_escape, str(text))


def visible_lines(text: str) -> str:
    r"""Return text of several lines, such as a traceback, made visible.

    All but the first line are indented, so that none can pass for one that begins an entry.

    >>> visible_lines("a\rb\nc")
    'a\\rb\n  c'
    """
    return "\n  ".join(map(visible, text.split("\n")))


def visible_json(text: str) -> str:
    r"""Return JSON that means the same and holds no character that acts on a terminal.

    JSON has its C0 controls escaped, but neither C1 nor what turns the direction of text.
    """
    return _ACTING_IN_JSON.sub(lambda match: json.dumps(match.group())[1:-1], text)


def visible_line(raw: bytes) -> str:
    """Return a line that is JSON as `visible_json`, on one line whatever its white space is."""
    return visible_json(_SPACES_IN_JSON.sub(" ", raw.decode().strip()))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if character in "\t\n\r":
        return repr(character)[1:-1]
    if ord(character) < 0x100:
        return f"\\x{ord(character):02x}"
    return json.dumps(character)[1:-1] if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
