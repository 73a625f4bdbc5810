"""What a secret looks like by itself: tokens by their prefix, private keys, passwords in URLs."""

from __future__ import annotations

import re

from vlog.redaction.names import RANDOM
from vlog.redaction.rules import REDACTED, Rules

# Up to white space, or to a quote that closes something.
WORD = re.compile(r"""(?:[^\s"']|["'](?![\s,;:)\]}]|\Z))+""")


def _token(prefix: str, body: str) -> str:
    r"""Return the pattern of a token that begins a word.

    A word also begins behind what a text has in place of a sign: `\n` of a repr, `%3D` of a URL, a
    colour of a terminal. The test stands behind the prefix: so each pattern begins with a letter,
    by which the search finds the places to look at.
    """
    begins = "|".join(
        f"(?<={before}{prefix})" for before in (r"\\[bfnrtv]", "[0-9;]m", "%[0-9A-F][0-9A-F]")
    )
    return f"{prefix}(?:(?<![A-Za-z0-9]{prefix})|{begins}){body}"


# Words that people choose look like `sk-learn-contrib` and `hf_LlamaForCausalLM`: a digit, a
# capital in the midst, many digits tell the difference. A bare `{0,80}` would look through a long
# text for each `sk-` of it.
_HUGGING_FACE = (  # often without a digit
    r"(?!(?:[A-Z][a-z]+[0-9]?){2,}[A-Z]{0,4}(?![A-Za-z0-9]))"
    r"(?=[A-Za-z0-9]{0,80}[a-z0-9][A-Z]|(?:[A-Za-z]{0,80}[0-9]){3})[A-Za-z0-9]{20,}"
)
_DASHED = (
    r"(?:(?=[A-Za-z_\-]{0,80}[0-9])(?=[A-Za-z0-9_\-]{0,80}[a-z0-9][A-Z])"
    r"|(?=(?:[a-z0-9]{1,8}-){0,3}(?=(?:[a-z]{0,40}[0-9]){3})[a-z0-9]{20}))[A-Za-z0-9_\-]{20,}"
)
_BEGIN, _END = (rf"-----{word} [A-Z ]*PRIVATE KEY(?: BLOCK)?-----" for word in ("BEGIN", "END"))
_SHAPES = re.compile(
    "|".join(
        (
            rf"{_BEGIN}.*?(?:{_END}|\Z)",
            _token("hf_", _HUGGING_FACE),
            _token("api_org_", _HUGGING_FACE),
            _token("sk-", _DASHED),  # OpenAI, Anthropic, DeepSeek, OpenRouter
            _token("pypi-", _DASHED),
            _token("sk_", r"(?:live|test)_[A-Za-z0-9]{16,}"),  # Stripe
            _token("rk_", r"(?:live|test)_[A-Za-z0-9]{16,}"),
            _token("wandb_v", r"[0-9]_[A-Za-z0-9_]{20,}"),
            # AWS, perhaps with the secret access key behind it.
            *(
                _token(prefix, r"[A-Z0-9]{16}\b(?:[:;,\s]{1,3}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+]))?")
                for prefix in ("AKIA", "ASIA", "AGPA", "AIDA", "AROA")
            ),
            _token("AIza", r"[A-Za-z0-9_\-]{35}"),  # Google
            _token("ya29", r"\.[A-Za-z0-9_\-.]{16,}"),
            _token("GOCSPX-", r"[A-Za-z0-9_\-]{20,}"),
            r"gh[pousr]_[A-Za-z0-9]{36,}",  # GitHub
            r"github_pat_[A-Za-z0-9_]{22,}",
            r"glpat-[A-Za-z0-9_\-]{20,}",  # GitLab
            _token("npm_", r"[A-Za-z0-9]{30,}"),
            r"dckr_pat_[A-Za-z0-9_\-]{20,}",  # Docker
            _token("xox[abceprs]", r"[\-.][A-Za-z0-9\-.]{10,}"),  # Slack
            _token("xapp-", r"[A-Za-z0-9\-]{20,}"),
            r"hooks\.slack\.com/[a-z]{1,20}/[A-Za-z0-9/_\-]{8,}",
            r"discord(?:app)?\.com/api/webhooks/[A-Za-z0-9/_\-]{8,}",
            r"bot[0-9]{8,10}:[A-Za-z0-9_\-]{30,}",  # Telegram
            _token("gsk_", r"[A-Za-z0-9]{40,}"),  # Groq
            _token("r8_", r"[A-Za-z0-9]{36,}"),  # Replicate
            _token("nvapi-", r"[A-Za-z0-9_\-]{40,}"),  # NVIDIA
            _token("pplx-", r"[A-Za-z0-9]{30,}"),  # Perplexity
            _token("xai-", r"[A-Za-z0-9]{40,}"),
            _token("lsv2_", r"[a-z]{2}_[0-9a-f]{32}_[0-9a-f]{6,}"),  # LangSmith
            _token("hvs", r"\.[A-Za-z0-9_\-]{24,}"),  # Vault
            _token("eyJ", r"[A-Za-z0-9_\-]{8,2000}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}"),
        )
    ),
    re.DOTALL,
)
# What is a secret by the word in front of it, which stays. `Basic` and `Bearer` are words, too.
_BEHIND = re.compile(
    r"""(
          \bbearer\s+(?=[A-Za-z0-9+/_\-.=~]{0,200}?(?:[0-9]|(?-i:[a-z][A-Z])))
        | \bbasic\s+(?=[A-Za-z]{0,200}(?:[0-9+/=]|(?-i:[a-z][A-Z])))(?=[A-Za-z0-9+/]{12})
        | \blogin(?:[\s("'=]|--relogin|key){1,20}(?=[0-9a-f]{40}\b)      # of wandb
        | [?&](?:sig|(?:x-(?:amz|goog)-)?signature)=
        | [?&]key=(?=[A-Za-z_\-]{0,80}[0-9])
        )[A-Za-z0-9+/_\-.=~%]{16,}""",
    re.IGNORECASE | re.VERBOSE,
)
_URL_USER = re.compile(r"([^/:@\[]*):(?!\d{1,5}(?:[/?#]|\Z))")  # behind a host, it is a port
_LONGEST_PIECE = 256
_SHORTEST_PIECE = 8
_CUT = re.compile(r"(<cut: \d+ characters>)")
_SEPARATOR = re.compile(r"[\s\"'<>]")
_PRIVATE_KEY_ENDS = re.compile(_END)


def redact_shapes(text: str, rules: Rules) -> str:
    """Return `text` without what looks like a secret wherever it stands."""
    return _SHAPES.sub(rules.shown, text)


def redact_behind_words(text: str) -> str:
    """Return `text` without what the word in front of it announces."""
    return _BEHIND.sub(rf"\1{REDACTED}", text)


def redact_urls(text: str) -> str:
    """Return `text` without the passwords of URLs."""
    return WORD.sub(_redact_url_password, text)


def redact_around_cuts(text: str) -> str:
    """Return `text` without what may be a piece of a secret, where its midst was cut out."""
    parts = _CUT.split(text)
    for index in range(0, len(parts) - 2, 2):
        before, after = parts[index], parts[index + 2]
        piece = _SEPARATOR.split(before[-_LONGEST_PIECE:])[-1]
        if len(piece) >= _SHORTEST_PIECE:
            before = before[: -len(piece)] + REDACTED
        parts[index], parts[index + 2] = before, _without_begin(after)
    return "".join(parts)


def _without_begin(text: str) -> str:
    """Return what stands behind a cut without the rest of a word, or of a private key."""
    *_, end = (0, *(each.end() for each in _PRIVATE_KEY_ENDS.finditer(text)))
    if end:
        return REDACTED + text[end:]
    piece = _SEPARATOR.split(text[:_LONGEST_PIECE], maxsplit=1)[0]
    return REDACTED + text[len(piece) :] if len(piece) >= _SHORTEST_PIECE else text


def _redact_url_password(match: re.Match[str]) -> str:
    """Hide the password of a URL, which may hold `/` and `@`: up to the last `@`."""
    word = match[0]
    start, end = word.find("://"), word.rfind("@")
    while 0 <= start < end:
        user = _URL_USER.match(word, start + 3, end)
        if user is not None and user.end() < end:
            return f"{word[: user.end()]}{REDACTED}{word[end:]}"
        token = RANDOM.match(word, start + 3, end)
        if user is None and token is not None and token.end() == end:
            return f"{word[: start + 3]}{REDACTED}{word[end:]}"
        start = word.find("://", start + 3)
    return word
