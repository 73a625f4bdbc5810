"""Numbers and times as people read them; a dash where there is none."""

from __future__ import annotations

NONE = "-"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def number(value: float | None) -> str:
    """Return `value` with up to five significant digits, or as a whole number if it is large.

    >>> number(0.23456789), number(3.0), number(11408.2), number(None)
    ('0.23457', '3', '11,408', '-')
    """
    if value is not None and 1000 <= abs(value) < 1e15:
        return whole(value)
    return NONE if value is None else f"{value:.5g}"


def whole(value: float | None) -> str:
    """Return a count with a comma behind each thousand.

    >>> whole(1234567)
    '1,234,567'
    """
    return NONE if value is None else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """Return a percentage, 0 to 100, with one decimal.

    >>> percent(99.96)
    '100.0 %'
    """
    return NONE if value is None else f"{value:.1f} %"


def duration(seconds: float | None) -> str:
    """Return a duration in the units that fit.

    >>> duration(0.0123), duration(9.87), duration(75), duration(7384), duration(200_000)
    ('12.3 ms', '9.87 s', '1 min 15 s', '2 h 03 min', '2 d 08 h')
    """
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < _MINUTE - 0.05:
        return f"{seconds:.3g} s"
    for unit, name, part, part_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        parts = round(seconds / part)
        if parts * part >= unit:
            return f"{parts * part // unit} {name} {parts * part % unit // part:02d} {part_name}"
    return f"{seconds:.3g} s"


def size(count: float) -> str:
    """Return a number of bytes in the unit that fits, 1024 of one to the next.

    >>> size(512), size(1536), size(3 * 2**30)
    ('512 B', '1.5 KiB', '3.0 GiB')
    """
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} TiB"
