"""Bars from left to right, each under its label and with its figure beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlship.report.pictures.frame import ROW, cut, finite, framed, legend, words

_MOST_BARS = 40
_MOST_CHARACTERS = 42  # in a phone's width
_LONGEST = 70  # percent of the width; the rest is for figures
_SHORTEST = 0.2
_STEP, _THICK, _GAP = 15, 11, 8  # pixels


@dataclass(frozen=True)
class Bar:
    """One label with a bar for each series.

    Attributes:
        label: What it is about.
        values: How long the bars are, from 0; one that is no finite number is drawn as 0.
        texts: The figures beside them, as the table has them.
    """

    label: str
    values: tuple[float, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Mark:
    """A line across a picture, such as a limit.

    Attributes:
        value: Where it is.
        name: What it is, with its figure.
    """

    value: float
    name: str


@dataclass(frozen=True)
class Bars:
    """A bar chart.

    Attributes:
        title: What it shows.
        bars: Its bars from top to bottom; of more than 40 the first are drawn, and the description says so.
        series: Names of one or two series, told in a legend where there are two.
        mark: A limit to hold them against, or None.
        log: Whether lengths are drawn by their logarithm, for figures that lie many powers of ten apart.
    """

    title: str
    bars: tuple[Bar, ...]
    series: tuple[str, ...] = ("",)
    mark: Mark | None = None
    log: bool = False

    def description(self) -> str:
        """Return what is drawn, in words, for those who cannot see it."""
        return described(self.bars, self.series, self.mark)

    def to_svg(self, name: str) -> str:
        """Return the picture as an SVG element.

        Args:
            name: A name that no other picture of the page has.
        """
        shown = self.bars[:_MOST_BARS]
        length = _Length([value for bar in shown for value in bar.values], self.mark, log=self.log)
        key, top = legend(self.series)
        top += ROW + 4 if self.mark else 0
        step = ROW + _STEP * len(self.series) + _GAP
        height = top + max(len(shown) * step, ROW)
        drawn = [_bar(bar, top + place * step, length) for place, bar in enumerate(shown)]
        empty = "" if shown else words(0, top + 13, "Nothing to show.")
        line = _mark(self.mark, top, height, length.of(self.mark.value)) if self.mark else ""
        # the mark lies on the bars, and no text lies under it
        inside = key + "".join(bar for bar, _ in drawn) + line + "".join(text for _, text in drawn) + empty
        return framed(name, (self.title, self.description()), height, inside)


def described(bars: tuple[Bar, ...], series: tuple[str, ...], mark: Mark | None = None) -> str:
    """Return bars in words."""
    shown = bars[:_MOST_BARS]
    more = len(bars) - len(shown)
    said = "; ".join(
        f"{bar.label}: {', '.join(map(str.strip, map(' '.join, zip(series, bar.texts, strict=True))))}" for bar in shown
    )
    line = f" Line: {mark.name}." if mark else ""
    return f"{said}{f'; and {more} more in the table' if more else ''}.{line}" if shown else f"Nothing to show.{line}"


class _Length:
    """How long bars are, in percent of the width."""

    def __init__(self, values: list[float], mark: Mark | None, *, log: bool) -> None:
        lengths = [finite(value) for value in (*values, *([mark.value] if mark else []))]
        self._longest = max(lengths, default=0.0)
        self._log = log
        if log:
            exponents = [math.log10(length) for length in lengths if length > 0]
            self._low = math.floor(min(exponents, default=0.0)) - 1
            self._high = max(exponents, default=0.0)

    def of(self, value: float) -> float:
        value = finite(value)
        if not value:
            return 0.0
        if self._log:
            return (math.log10(value) - self._low) / (self._high - self._low) * _LONGEST
        return value / self._longest * _LONGEST  # dividing first: numbers near the largest float64 must not overflow


def _bar(bar: Bar, top: int, length: _Length) -> tuple[str, str]:
    drawn, texts = "", words(0, top + 13, cut(bar.label, _MOST_CHARACTERS), 'class="over"')
    for place, (value, text) in enumerate(zip(bar.values, bar.texts, strict=True)):
        width, y = max(length.of(value), _SHORTEST), top + ROW + place * _STEP
        drawn += f'<rect x="0" y="{y}" width="{width:.1f}%" height="{_THICK}" class="fill{place}"/>\n'
        texts += words(round(width, 1), y + 10, text, 'dx="6" class="small over"')
    return drawn, texts


def _mark(mark: Mark, top: int, height: int, across: float) -> str:
    anchor = "end" if across > 50 else "start"
    return f'<line x1="{across:.1f}%" y1="{top - 4}" x2="{across:.1f}%" y2="{height}" class="mark"/>\n' + words(
        round(across, 1), top - 9, cut(mark.name, _MOST_CHARACTERS // 2), f'text-anchor="{anchor}"'
    )
