"""What the messages of entries are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class OwnText(str):
    """A text of our own words and numbers alone: it has nothing from outside, and no secret."""

    __slots__ = ()


def number_text(value: object) -> str:
    """Return a loss or another metric with six decimals, or `unknown` if it is no number.

    >>> number_text(0.25), number_text(None)
    ('0.250000', 'unknown')
    """
    if type(value) is float:
        return f"{value:.6f}"
    try:
        return f"{value:.6f}" if _is_number(value) else "unknown"
    except OverflowError:  # an integer of hundreds of digits
        return "unknown"


def result_text(metrics: Mapping[str, Any]) -> str:
    """Return what an evaluation found, in short: its loss, or else its first three numbers.

    >>> result_text({"eval_loss": 0.5, "eval_runtime": 2.0}), result_text({"val": 0.25})
    (' - Loss: 0.500000', ' - val: 0.250000')
    """
    loss = next((value for name, value in metrics.items() if name.endswith("loss")), None)
    if loss is not None:
        return f" - Loss: {number_text(loss)}"
    numbers = [
        f"{name}: {number_text(value)}"
        for name, value in metrics.items()
        if _is_number(value) and name != "epoch"
    ]
    return f" - {', '.join(numbers[:3])}" if numbers else ""


def _is_number(value: object) -> bool:
    return issubclass(type(value), (int, float))  # `isinstance` may raise, and run code


def epochs_text(epoch: float | None) -> str:
    """Return epochs done, without needless decimals.

    >>> epochs_text(2.0), epochs_text(0.4619)
    ('2', '0.46')
    """
    return "an unknown number" if epoch is None else f"{epoch:.2f}".rstrip("0").rstrip(".")


def is_whole(epoch: float | None) -> bool:
    """Return whether an epoch was run to its end, as far as is known."""
    return epoch is None or abs(epoch - round(epoch)) < 1e-6
