"""Figures of advice as people read them: three digits, and units that fit."""

from __future__ import annotations

from mlship.advise.rules import Way

_FEW = 100
_ROUNDED = 0.9995  # of a unit, which three digits tell as a whole one
_WORDS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
_SPANS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def span(seconds: float) -> str:
    """Return a time: `0.042 ms`, `1.2 s`, `15 min`, `6 h`, `1 d`."""
    if seconds < _ROUNDED:
        return f"{seconds * 1e3:.3g} ms"
    for size, unit in _SPANS:
        if seconds >= size * _ROUNDED:
            return f"{amount(seconds / size)} {unit}"
    return f"{seconds:.3g} s"


def exact(seconds: float) -> str:
    """Return a time that a user gave, in the largest unit that it is whole in: `899 s`, `15 min`, `36 h`."""
    for size, unit in _SPANS:
        if seconds % size == 0:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.6g} s" if seconds >= 1 else f"{seconds * 1e3:.6g} ms"


def amount(value: float) -> str:
    """Return a count of three digits: `4,990`, `431 million`."""
    for size, word in _WORDS:
        if value >= size * 0.9995:
            return f"{value / size:,.3g} {word}" if value < size * 1e3 else f"{value / size:,.0f} {word}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def memory(size: int) -> str:
    """Return a number of bytes."""
    mebibytes = size / (1 << 20)
    return f"{mebibytes:,.0f} MiB" if mebibytes < 10_000 else f"{mebibytes / 1024:,.0f} GiB"


def p99(asked: int) -> str:
    """Return what the p99 of so many is: of few, only the largest is known."""
    return "p99" if asked >= _FEW else f"largest of {asked}"


def share(value: float) -> str:
    """Return a share as a percentage of two digits."""
    return f"{100 * value:.2g} %" if value < 0.995 else "100 %"


def times(value: float) -> str:
    """Return a ratio."""
    return f"{value:.2g} times" if value < 10 else f"{value:,.0f} times"


def price(way: Way) -> str:
    """Return what a million predictions of a way take: hours of a processor, and their price where it is known."""
    hours = f"{plain(way.cpu_hours)} CPU hours"
    return hours if way.cost is None else f"{plain(way.cost)} ({hours})"


def plain(value: float) -> str:
    """Return a measure of three digits, and of little only how little."""
    if 0 < value < 1e-4:
        return "under 0.0001"
    return f"{value:.3g}" if value < 1000 else amount(value)
