"""Axes: where a number lies on them, and which numbers are written beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlship.report.figures import short
from mlship.report.pictures.frame import cut, words

LEFT, RIGHT = 15.0, 96.0
"""Where a plot begins and ends, in percent of the width; figures stand to its left."""
PLOT = 180
"""Pixels that a plot is high."""
NAME = 40
"""Letters of an axis' name, on a phone."""
_TICKS = 4
_TINY, _HUGE = 5e-324, 1.7e308  # nearly the ends of float64
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """What numbers along one side of a picture are.

    Attributes:
        name: What they are, with the unit: `rows a second`.
        log: Whether equal distances are equal ratios; what is not above 0 is then not drawn.
        text: How one is written beside the axis, in seven letters or so.
    """

    name: str
    log: bool = False
    text: Callable[[float], str] = short


class Scale:
    """An axis with its range.

    Args:
        axis: The axis.
        values: The numbers that have to lie on it; those that are not finite, or not above 0 where it is logarithmic,
            do not.
        zero: Whether 0 lies on it in any case, where it is linear.
    """

    def __init__(self, axis: Axis, values: Iterable[float], *, zero: bool = False) -> None:
        self.axis = axis
        known = [value for value in values if self._is_on(value)]
        known += [0.0] if zero and not axis.log else []
        self._low, self._high = min(known, default=1.0 if axis.log else 0.0), max(known, default=1.0)
        if self._low == self._high:  # one number alone lies in the middle, or at the bottom when it is 0
            apart = abs(self._low) / 2 or 1.0
            lowest = _TINY if axis.log else -_HUGE
            self._low = max(self._low - apart, lowest) if self._low else 0.0
            self._high = min(max(self._high + apart, _TINY * 8), _HUGE)
        if zero and not axis.log:
            last = self._nice()[-1]
            step = last - self._nice()[-2] if len(self._nice()) > 1 else 0.0
            if math.isfinite(last + step) and last < self._high:
                self._high = last + step  # so that the highest number has a rule above it

    def _is_on(self, value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not self.axis.log)

    def place(self, value: float) -> float | None:
        """Return where a number lies, from 0 to 1, or None when it is not to be drawn."""
        if not self._is_on(value):
            return None
        low, high = self._low, self._high
        if self.axis.log:
            low, high, value = (math.log10(one) for one in (low, high, value))
        wide = high / 2 - low / 2  # halves, as numbers near the largest float64 must not overflow
        return min(max((value / 2 - low / 2) / wide, 0.0), 1.0) if wide else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        """Return places from 0 to 1 with what is written there; no two are written the same."""
        told: dict[str, float] = {}
        for value in self._nice():
            place = self.place(value)
            if place is not None:
                told.setdefault(self.axis.text(value), place)
        return [(place, text) for text, place in told.items()]

    def _nice(self) -> list[float]:
        if self.axis.log:
            return _decades(self._low, self._high)
        raw = self._high / _TICKS - self._low / _TICKS
        try:
            power = 10.0 ** math.floor(math.log10(raw))
            step = next(nice * power for nice in _NICE if nice * power >= raw * 0.999)
            first, last = math.ceil(self._low / step - 1e-9), math.floor(self._high / step + 1e-9)
        except (ValueError, OverflowError, ZeroDivisionError, StopIteration):  # ranges beyond what floats can divide
            return [self._low, self._high]
        return [place * step for place in range(first, last + 1)] if last - first <= 2 * _TICKS else [self._low]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten, thinned out to few; between two of them 2 and 5 as well."""
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high))
    if last - first < 3:
        fine = [nice * 10.0**power for power in range(first, last + 1) for nice in (1, 2, 5)]
        inside = [value for value in fine if low * 0.999 <= value <= high * 1.001]
        if len(inside) <= _TICKS + 1:
            return inside if len(inside) > 1 else [low, high]
    every = max(1, math.ceil((last - first) / _TICKS))
    first = math.ceil(math.log10(low) - 1e-9)
    return [10.0**power for power in range(first, last + 1, every)]


def across(place: float) -> float:
    """Return a place of a plot in percent of the width."""
    return round(LEFT + place * (RIGHT - LEFT), 2)


def down(place: float, top: float) -> float:
    """Return a place of a plot, from its bottom, in pixels."""
    return round(top + (1 - place) * PLOT, 1)


def rules(scale: Scale, top: float) -> str:
    """Return the lines and figures of the axis that goes up, with its name above them."""
    drawn = [words(0, top - 10, cut(scale.axis.name, NAME), 'class="small"')]
    for place, text in scale.ticks():
        y = down(place, top)
        drawn.append(f'<line x1="{LEFT}%" y1="{y:g}" x2="{RIGHT}%" y2="{y:g}" class="rule"/>\n')
        drawn.append(words(LEFT, y + 4, text, 'dx="-6" text-anchor="end" class="small"'))
    return "".join(drawn)


def below(scale: Scale, top: float) -> str:
    """Return the figures of the axis that goes across, with its name below them."""
    drawn = []
    for place, text in scale.ticks():
        anchor, x = "end" if place > 0.97 else "middle", across(place)
        drawn.append(
            f'<line x1="{x}%" y1="{top + PLOT}" x2="{x}%" y2="{top + PLOT + 5}" class="rule"/>\n'
            + words(x, top + PLOT + 18, text, f'text-anchor="{anchor}" class="small"')
        )
    drawn.append(words(RIGHT, top + PLOT + 36, cut(scale.axis.name, NAME), 'text-anchor="end" class="small"'))
    return "".join(drawn)
