"""Numbers and times as people read them; a dash where there is none.

They take any number, of whatever sign and size, and what is no finite number: a log may come from
elsewhere.
"""

from __future__ import annotations

import math

NONE = "-"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_HUGE = 1e15  # from here on, digits say less than the power of ten
_HUGE_PERCENT = 1e6
_HUGE_DAYS = 100_000


def number(value: float | None) -> str:
    """Return `value` with up to five significant digits, or as a whole number if it is large.

    >>> number(0.23456789), number(3.0), number(11408.2), number(None), number(1e300)
    ('0.23457', '3', '11,408', '-', '1e+300')
    """
    if value is not None and 1000 <= abs(value) < _HUGE:
        return whole(value)
    return NONE if value is None else f"{_float(value):.5g}"


def whole(value: float | None) -> str:
    """Return a count with a comma behind each thousand.

    >>> whole(1234567), whole(1e300)
    ('1,234,567', '1e+300')
    """
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) < _HUGE else f"{_float(value):.5g}"


def percent(value: float | None) -> str:
    """Return a percentage, 0 to 100, with one decimal.

    >>> percent(99.96), percent(1e300)
    ('100.0 %', '1e+300 %')
    """
    if value is None:
        return NONE
    return f"{value:.1f} %" if abs(value) < _HUGE_PERCENT else f"{_float(value):.3g} %"


def duration(seconds: float | None) -> str:
    """Return a duration in the units that fit.

    >>> duration(0.0123), duration(9.87), duration(75), duration(7384), duration(200_000)
    ('12.3 ms', '9.87 s', '1 min 15 s', '2 h 03 min', '2 d 08 h')
    """
    if seconds is None:
        return NONE
    seconds = _float(seconds)
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if not math.isfinite(seconds):
        return f"{seconds:g} s"
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < _MINUTE - 0.05:
        return f"{seconds:.3g} s"
    return _long_duration(seconds)


def _long_duration(seconds: float) -> str:
    if seconds >= _HUGE_DAYS * _DAY:
        return f"{seconds / _DAY:.3g} d"
    for unit, name, part, part_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        parts = round(seconds / part)
        if parts * part >= unit:
            return f"{parts * part // unit} {name} {parts * part % unit // part:02d} {part_name}"
    return f"{seconds:.3g} s"


def gigabytes(value: float | None) -> str:
    """Return an amount of 2**30 bytes each with two decimals.

    >>> gigabytes(8), gigabytes(1e300)
    ('8.00 GB', '1e+300 GB')
    """
    if value is None:
        return NONE
    return f"{value:.2f} GB" if abs(value) < _HUGE_PERCENT else f"{_float(value):.3g} GB"


def size(count: float) -> str:
    """Return a number of bytes in the unit that fits, 1024 of one to the next.

    >>> size(512), size(1536), size(3 * 2**30)
    ('512 B', '1.5 KiB', '3.0 GiB')
    """
    count = _float(count)
    if count < 0:
        return f"-{size(-count)}"
    if count < 1024 or not math.isfinite(count):
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    count /= 1024
    return f"{count:.1f} TiB" if count < _HUGE else f"{count:.3g} TiB"


def _float(value: float) -> float:
    """Return an integer of any size as a float, which a format with a precision needs."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
