"""Figures as reports show them to people; the JSON beside them has every digit."""

from __future__ import annotations


def number(value: float | None) -> str:
    """Return a count with all its digits, a measure with six, and a dash for what is not known."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def share(value: float | None) -> str:
    """Return a share as a percentage."""
    return "-" if value is None else f"{100 * value:.4g} %"


def size(count: int | None) -> str:
    """Return a number of bytes."""
    return "-" if count is None else f"{count:,} bytes"
