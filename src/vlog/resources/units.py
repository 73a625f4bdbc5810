"""Numbers of the kernel in the units of our keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from vlog.schema import GB, MB

if TYPE_CHECKING:
    from collections.abc import Iterable


def as_gb(size: float) -> float:
    """Return bytes in GB of 2**30, to the MB.

    >>> as_gb(3 * 2**29)
    1.5
    """
    return round(size / GB, 3)


def as_mb(rate: float | None) -> float | None:
    """Return bytes per second in MB of 2**20; None where the rate is not known yet.

    >>> as_mb(2**19)
    0.5
    """
    return None if rate is None else round(rate / MB, 3)


def as_number(rate: float | None) -> float | None:
    """Return anything else per second, to two decimals; None as it is."""
    return None if rate is None else round(rate, 2)


def known(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value: a rate has none at the first reading.

    >>> known({"threads": 0, "cpu_percent": None})
    {'threads': 0}
    """
    return {name: value for name, value in values.items() if value is not None}


@overload
def as_percent(share: float) -> float: ...
@overload
def as_percent(share: None) -> None: ...
def as_percent(share: float | None) -> float | None:
    """Return a share from 0 to 1 in percent, the noise of two clocks cut off; None as it is.

    >>> as_percent(0.25), as_percent(1.01)
    (25.0, 100.0)
    """
    return None if share is None else round(min(max(100 * share, 0.0), 100.0), 2)


def sum_known(rates: Iterable[float | None]) -> float | None:
    """Return the sum of the rates that are known; None where none is.

    >>> sum_known([1.0, None, 2.0]), sum_known([None])
    (3.0, None)
    """
    found = [rate for rate in rates if rate is not None]
    return sum(found) if found else None
