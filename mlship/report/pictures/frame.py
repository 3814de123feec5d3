"""What all pictures have: the SVG around them, their words, their colours, and a legend.

Places across are percentages and places down are pixels, so that a picture is as wide as its page and its text keeps
its size on a phone. No `style=` stands in them, as the page of serve forbids it: `STYLE` has to be in the page.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Protocol

from mlship.report.letters import escaped, shown

SERIES = 6
"""How many series have a colour; of more the first are drawn, and the description says so."""

STYLE = """
:root{--picture-0:#1f6f8b;--picture-1:#c9761a;--picture-2:#6a4fa3;--picture-3:#3d8542;--picture-4:#b03a5b;\
--picture-5:#6b6b6b;--picture-rule:#d5d5d5;--picture-ground:#fff}
@media(prefers-color-scheme:dark){:root{--picture-0:#5bb8d6;--picture-1:#e8a552;--picture-2:#b49ae6;\
--picture-3:#7cc47f;--picture-4:#ea86a3;--picture-5:#b0b0b0;--picture-rule:#3d3d3d;--picture-ground:#151515}}
.picture{display:block;width:100%;max-width:44rem;overflow:visible}
.picture text{fill:currentColor;font-size:13px}
.picture .small{font-size:12px}
.picture .over{paint-order:stroke;stroke:var(--picture-ground);stroke-width:4px;stroke-linejoin:round}
.picture .rule{stroke:var(--picture-rule);stroke-width:1}
.picture .mark{stroke:currentColor;stroke-width:1.5;stroke-dasharray:6 4}
.picture .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
""" + "".join(
    f".picture .fill{place}{{fill:var(--picture-{place})}}.picture .line{place}{{stroke:var(--picture-{place})}}\n"
    for place in range(SERIES)
)
"""The rules that pictures need, once in a page; a page of another background sets --picture-ground."""

ROW = 18  # pixels of a line of text
_DASHES = ("", "10 4", "2 4", "10 3 2 3", "5 5", "1 3")  # so that no line is told from another by its colour alone
_LEGEND_CHARACTERS = 19  # in half of a phone's width


class Picture(Protocol):
    """What can stand in a report: something to see that is told in words too."""

    def description(self) -> str:
        """Return what is drawn, in words, for those who cannot see it."""

    def to_svg(self, name: str) -> str:
        """Return the picture as an SVG element.

        Args:
            name: A name that no other picture of the page has.
        """


def framed(name: str, told: tuple[str, str], height: float, drawn: str) -> str:
    """Return an SVG element with a title and a description.

    Args:
        name: A name that no other picture of the page has.
        told: Title and description.
        height: Pixels.
        drawn: Its elements.
    """
    title, text = (escaped(words) for words in told)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" width="100%" height="{height:g}" role="img" '
        f'aria-labelledby="{name}-title {name}-text">\n<title id="{name}-title">{title}</title>\n'
        f'<desc id="{name}-text">{text}</desc>\n{drawn}</svg>\n'
    )


def words(across: float, down: float, text: str, more: str = "") -> str:
    """Return a piece of text.

    Args:
        across: Percentage of the width.
        down: Pixels of its base line.
        text: The text, which is escaped.
        more: Further attributes.
    """
    return f'<text x="{across:g}%" y="{down:g}"{more and " "}{more}>{escaped(text)}</text>\n'


def cut(text: str, most: int) -> str:
    """Return a text that is shortened where it is wider than so many letters; letters of East Asia count twice."""
    text = shown(text)
    if wide(text) <= most:
        return text
    kept = text[: most - 1]
    while wide(kept) > most - 1:
        kept = kept[:-1]
    return f"{kept}…"


def wide(text: str) -> int:
    """Return how many letters wide a text is."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def finite(value: float) -> float:
    """Return a length to draw: what is no finite number, or less than nothing, is none."""
    return max(value, 0.0) if math.isfinite(value) else 0.0


def dash(place: int) -> str:
    """Return the attribute that tells the line of a series from others."""
    return f' stroke-dasharray="{_DASHES[place]}"' if _DASHES[place] else ""


def legend(names: Sequence[str], *, lines: bool = False) -> tuple[str, int]:
    """Return what tells several series apart, two in a row, and its height; nothing for one series.

    Args:
        names: Of the series.
        lines: Whether they are drawn as lines.
    """
    if len(names) < 2:
        return "", 0
    parts = []
    for place, name in enumerate(names):
        left, top = 50 * (place % 2), ROW * (place // 2)
        if lines:
            key = (
                f'<svg x="{left}%" y="{top}" width="24" height="{ROW}"><line x1="1" y1="9" x2="23" y2="9" '
                f'class="line line{place}"{dash(place)}/></svg>'
            )
        else:
            key = f'<rect x="{left}%" y="{top + 3}" width="12" height="12" class="fill{place}"/>'
        shift = 'dx="30"' if lines else 'dx="18"'
        parts.append(key + words(left, top + 13, cut(name, _LEGEND_CHARACTERS), shift))
    return "".join(parts), ROW * math.ceil(len(names) / 2) + 6
