"""Columns side by side: how one thing is distributed, or two against each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlship.report.figures import share
from mlship.report.letters import escaped
from mlship.report.pictures.bars import Bar, described
from mlship.report.pictures.frame import ROW, cut, finite, framed, legend, wide, words
from mlship.report.pictures.scale import LEFT, NAME, PLOT, RIGHT, Axis, Scale, across, below, down, rules

_MOST_COLUMNS = 40
_LETTERS = 42  # that stand side by side under a plot on a phone
_SHARES = Axis("share of rows", text=share)


@dataclass(frozen=True)
class Columns:
    """A column chart.

    Attributes:
        title: What it shows.
        bars: Its columns from left to right, with the figures that the description tells; at most 40 are drawn.
        series: Names of one or two series, told in a legend where there are two.
        edges: Where columns of a histogram meet, one number more than columns, written below it as an axis; none for
            columns that have labels instead.
        along: What those numbers are.
        up: The axis that goes up, from 0.
    """

    title: str
    bars: tuple[Bar, ...]
    series: tuple[str, ...] = ("",)
    edges: tuple[float, ...] = ()
    along: str = ""
    up: Axis = _SHARES

    def description(self) -> str:
        """Return what is drawn, in words, for those who cannot see it."""
        return described(self.bars, self.series)

    def to_svg(self, name: str) -> str:
        """Return the picture as an SVG element.

        Args:
            name: A name that no other picture of the page has.
        """
        shown = self.bars[:_MOST_COLUMNS]
        key, top = legend(self.series)
        top += ROW + 4
        if not shown:
            return framed(name, (self.title, self.description()), top + ROW, key + words(0, top, "Nothing to show."))
        ys = Scale(self.up, [finite(value) for bar in shown for value in bar.values], zero=True)
        drawn = [key, rules(ys, top)]
        drawn += [_column(bar, place, len(shown), ys, top) for place, bar in enumerate(shown)]
        if len(self.edges) > 1:
            drawn.append(below(Scale(Axis(self.along), self.edges), top))
        else:
            drawn += _labels(shown, top)
            drawn.append(words(RIGHT, top + PLOT + 36, cut(self.along, NAME), 'text-anchor="end" class="small"'))
        return framed(name, (self.title, self.description()), top + PLOT + 2 * ROW + 6, "".join(drawn))


def _column(bar: Bar, place: int, columns: int, ys: Scale, top: int) -> str:
    room = (RIGHT - LEFT) / columns
    thick = room * (0.86 if len(bar.values) == 1 else 0.92) / len(bar.values)
    left = LEFT + room * place + (room - thick * len(bar.values)) / 2
    drawn = []
    for series, (value, text) in enumerate(zip(bar.values, bar.texts, strict=True)):
        y = down(ys.place(finite(value)) or 0.0, top)
        drawn.append(
            f'<rect x="{left + thick * series:.2f}%" y="{y:g}" width="{thick:.2f}%" '
            f'height="{max(top + PLOT - y, 0.5):g}" class="fill{series}">'
            f"<title>{escaped(f'{bar.label}: {text}')}</title></rect>\n"
        )
    return "".join(drawn)


def _labels(bars: tuple[Bar, ...], top: int) -> list[str]:
    """As many labels as stand side by side without touching."""
    texts = [cut(bar.label, max(12, _LETTERS // len(bars) - 1)) for bar in bars]
    room = _LETTERS / len(bars)
    every = math.ceil((max(map(wide, texts)) + 1) / room)
    return [
        words(across((place + 0.5) / len(bars)), top + PLOT + 18, text, 'text-anchor="middle" class="small"')
        for place, text in enumerate(texts)
        if place % every == 0 and (place + 0.5) * room + wide(text) / 2 <= _LETTERS + 2
    ]
