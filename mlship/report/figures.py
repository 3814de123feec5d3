"""Figures as reports show them to people; the JSON beside them has every digit."""

from __future__ import annotations

import math

_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: float | None) -> str:
    """Return a count with all its digits, a measure with six or to the unit, and a dash for what is not known."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:,.6g}"


def share(value: float | None) -> str:
    """Return a share as a percentage."""
    return "-" if value is None else f"{100 * value:.4g} %"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:,.4g} {name}"
    return f"{seconds / 1e-6:,.4g} µs"


def size(count: int | None) -> str:
    """Return a number of bytes."""
    return "-" if count is None else f"{count:,} bytes"


def short(value: float) -> str:
    """Return a number in four digits at most for beside an axis, such as `2.5M` or `40k`."""
    if not math.isfinite(value):
        return "-"
    if 1e3 <= abs(value) < 1e15:
        step, letter = next((step, letter) for step, letter in _STEPS if abs(value) >= step)
        return f"{value / step:.4g}{letter}"
    return f"{value + 0.0:.4g}"  # + 0.0 makes -0 plain
