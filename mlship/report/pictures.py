"""Bar charts as inline SVG: no scripts, nothing fetched, in the colours of the page, and told in words too."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

_MOST_BARS = 40
_MOST_CHARACTERS = 26
_WIDTH, _LEFT, _RIGHT = 700, 200, 110  # of the whole, for labels, for figures
_BAR, _GAP, _TOP = 14, 6, 6
_COLOURS = ("var(--now)", "var(--then)")


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
class Picture:
    """A bar chart.

    Attributes:
        title: What it shows.
        bars: Its bars from top to bottom; of more than 40 the first are drawn, and the description says so.
        series: Names of one or two series, told in a legend where there are two.
    """

    title: str
    bars: tuple[Bar, ...]
    series: tuple[str, ...] = ("",)

    def description(self) -> str:
        """Return what is drawn, in words, for those who cannot see it."""
        shown = self.bars[:_MOST_BARS]
        more = len(self.bars) - len(shown)
        said = "; ".join(
            f"{bar.label}: {', '.join(map(str.strip, map(' '.join, zip(self.series, bar.texts, strict=True))))}"
            for bar in shown
        )
        return f"{said}{f'; and {more} more in the table' if more else ''}." if shown else "Nothing to show."

    def to_svg(self, name: str) -> str:
        """Return the picture as an SVG element.

        Args:
            name: A name that no other picture of the page has.
        """
        shown = self.bars[:_MOST_BARS]
        longest = max((_length(value) for bar in shown for value in bar.values), default=0.0)
        legend = _legend(self.series) if len(self.series) > 1 else ""
        top = _TOP + (_BAR + _GAP if legend else 0)
        step = _BAR * len(self.series) + _GAP
        drawn = "".join(_bar(bar, top + place * step, longest) for place, bar in enumerate(shown))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + len(shown) * step}" role="img" '
            f'aria-labelledby="{name}-title {name}-text">\n'
            f'<title id="{name}-title">{html.escape(self.title)}</title>\n'
            f'<desc id="{name}-text">{html.escape(self.description())}</desc>\n{legend}{drawn}</svg>\n'
        )


def _length(value: float) -> float:
    return max(value, 0.0) if math.isfinite(value) else 0.0


def _legend(series: tuple[str, ...]) -> str:
    parts = []
    for place, name in enumerate(series):
        left = _LEFT + place * 150
        parts.append(
            f'<rect x="{left}" y="{_TOP}" width="{_BAR}" height="{_BAR - 2}" style="fill:{_COLOURS[place]}"/>'
            f'<text x="{left + _BAR + 6}" y="{_TOP + _BAR - 3}">{html.escape(name)}</text>\n'
        )
    return "".join(parts)


def _bar(bar: Bar, top: int, longest: float) -> str:
    middle = top + _BAR * len(bar.values) / 2
    parts = [f'<text x="{_LEFT - 8}" y="{middle + 4:g}" text-anchor="end">{html.escape(_short(bar.label))}</text>']
    for place, (value, text) in enumerate(zip(bar.values, bar.texts, strict=True)):
        # dividing first: two numbers near the largest float64 must not overflow
        width = (_length(value) / longest if longest else 0.0) * (_WIDTH - _LEFT - _RIGHT)
        y = top + place * _BAR
        parts.append(
            f'<rect x="{_LEFT}" y="{y}" width="{max(width, 0.5):.1f}" height="{_BAR - 2}" '
            f'style="fill:{_COLOURS[place]}"/>'
            f'<text x="{_LEFT + width + 6:.1f}" y="{y + _BAR - 3}">{html.escape(text)}</text>'
        )
    return "".join(parts) + "\n"


def _short(label: str) -> str:
    return label if len(label) <= _MOST_CHARACTERS else f"{label[: _MOST_CHARACTERS - 1]}…"
