"""Numbers as the messages of entries say them."""

from __future__ import annotations


def number_text(value: object) -> str:
    """Return a loss or another metric with six decimals, or `unknown` if it is no number.

    >>> number_text(0.25), number_text(None)
    ('0.250000', 'unknown')
    """
    return f"{value:.6f}" if isinstance(value, (int, float)) else "unknown"


def epochs_text(epoch: float | None) -> str:
    """Return epochs done, without needless decimals.

    >>> epochs_text(2.0), epochs_text(0.4619)
    ('2', '0.46')
    """
    return "an unknown number" if epoch is None else f"{epoch:.2f}".rstrip("0").rstrip(".")


def is_whole(epoch: float | None) -> bool:
    """Return whether an epoch was run to its end, as far as is known."""
    return epoch is None or abs(epoch - round(epoch)) < 1e-6
