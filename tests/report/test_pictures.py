"""Pictures in reports: well-formed, escaped, told in words, in place, and as long as their figures say."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from mlship.report.document import Document, Section
from mlship.report.figures import short
from mlship.report.page import to_html
from mlship.report.pictures.bars import Bar, Bars, Mark
from mlship.report.pictures.columns import Columns
from mlship.report.pictures.frame import STYLE, Picture
from mlship.report.pictures.lines import Line, Lines
from mlship.report.pictures.scale import Axis, Scale
from tests.report.pages import SVG, Page

ODD = "a <b> & \"c\" 'São' </svg><script>\x1b\u202e\x00"
SHOWN = "a <b> & \"c\" 'São' </svg><script>\\x1b\\u202e\\x00"
X, Y = Axis("rows in a call"), Axis("rows a second")
PHONE = 328  # pixels of a phone's width without the page's margins
LETTER = 7.2  # pixels of a letter at 13 pixels, no less than in the fonts of systems
NOT_DRAWN = [math.inf, -math.inf, math.nan]
ANY = [*NOT_DRAWN, -3.0, 0.0, 5e-324, 1e-300, 1.0, 1.7e308, -1.7e308]


def drawn(picture: Picture) -> ElementTree.Element:
    """Return a picture as XML."""
    return ElementTree.fromstring(picture.to_svg("p"))  # noqa: S314 - it is our own


def percent(element: ElementTree.Element, name: str) -> float:
    """Return a place across."""
    return float((element.get(name) or "0").removesuffix("%"))


def texts_of(svg: ElementTree.Element) -> list[str]:
    """Return all that is written in a picture."""
    return [text.text or "" for text in svg.iter(f"{SVG}text")]


def bars_of(*pairs: tuple[str, float]) -> tuple[Bar, ...]:
    """Return bars of one series."""
    return tuple(Bar(name, (value,), (f"{value}",)) for name, value in pairs)


EACH = {
    "bars": Bars(ODD, (Bar(ODD, (1, 2), ("<1>", "2")),), (ODD, "then"), Mark(1.5, ODD)),
    "columns": Columns(ODD, (Bar(ODD, (1, 2), (ODD, "2")),), (ODD, "then"), along=ODD, up=Axis(ODD)),
    "histogram": Columns(ODD, bars_of((ODD, 0.5), ("b", 0.5)), edges=(0.0, 1.0, 2.0), along=ODD),
    "lines": Lines(ODD, (Line(ODD, ((1, 2), (3, 4))), Line("b", ((1, 3),))), Axis(ODD), Axis(ODD), Mark(3, ODD)),
}


@pytest.mark.parametrize("picture", EACH.values(), ids=EACH)
def test_every_picture_is_an_image_with_words(picture: Picture) -> None:
    """It has a role, a title and a description; hostile names are text, and no style or script is in it."""
    svg = drawn(picture)
    assert (svg.get("role"), svg.get("class"), svg.get("width")) == ("img", "picture", "100%")
    named = {element.get("id"): element.text for element in svg}
    title, text = (svg.get("aria-labelledby") or "").split()
    assert named[title] == SHOWN
    assert SHOWN in str(named[text])
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} <= {
        "svg", "title", "desc", "text", "rect", "line", "polyline", "circle",
    }  # fmt: skip
    assert not [element for element in svg.iter() if "style" in element.attrib]
    assert SHOWN.startswith(next(text for text in texts_of(svg) if text.endswith("…"))[:-1])


@pytest.mark.parametrize("picture", EACH.values(), ids=EACH)
def test_what_is_drawn_has_a_colour_of_the_style(picture: Picture) -> None:
    """Every class of a picture has a rule in the one style, and every colour is named for light and for dark."""
    classes = {one for element in drawn(picture).iter() for one in (element.get("class") or "").split()}
    assert classes <= set(re.findall(r"\.([a-z]+[0-9]?)\b", STYLE))
    light, dark = (set(re.findall(r"(--[\w-]+):", part)) for part in STYLE.split("@media")[:2])
    assert set(re.findall(r"var\((--[\w-]+)\)", STYLE)) == light == dark


@pytest.mark.parametrize("picture", EACH.values(), ids=EACH)
def test_texts_fit_a_phone(picture: Picture) -> None:
    """On a phone no text leaves the picture, and none lies upon another."""
    boxes = []
    for text in drawn(picture).iter(f"{SVG}text"):
        wide = len(text.text or "") * LETTER
        left = percent(text, "x") / 100 * PHONE + float(text.get("dx") or 0)
        left -= {"start": 0.0, "middle": wide / 2, "end": wide}[text.get("text-anchor") or "start"]
        assert left >= -8
        assert left + wide <= PHONE + 16  # the margin of the page
        boxes.append((left, left + min(wide, PHONE), float(text.get("y") or 0)))
    for place, one in enumerate(boxes):
        for other in boxes[:place]:
            over = min(one[1], other[1]) - max(one[0], other[0])
            assert over <= 2 or abs(one[2] - other[2]) >= 10


def test_bars_are_as_long_as_their_values() -> None:
    """The longest bar takes all the room, the others their share of it, and figures stand beside them."""
    svg = drawn(Bars("Rows", bars_of(("a", 4), ("b", 1), ("c", 0))))
    widths = [percent(rect, "width") for rect in svg.iter(f"{SVG}rect")]
    assert widths == [70, 17.5, 0.2]
    assert texts_of(svg) == ["a", "4", "b", "1", "c", "0"]


def test_bars_over_powers_of_ten() -> None:
    """Logarithmic bars grow by the same length from each power of ten to the next, and the mark lies on their scale."""
    pairs = [(str(value), value) for value in (1e-16, 1e-15, 1e-14, 0.0)]
    svg = drawn(Bars("Differences", bars_of(*pairs), mark=Mark(1e-12, "bound"), log=True))
    widths = [percent(rect, "width") for rect in svg.iter(f"{SVG}rect")]
    assert widths[1] - widths[0] == pytest.approx(widths[2] - widths[1], abs=0.1)
    assert widths[3] == 0.2
    assert [percent(line, "x1") for line in svg.iter(f"{SVG}line")] == [70]


def test_two_series_have_a_legend() -> None:
    """Two series are drawn in two colours of the page, which a legend names; the words hold both."""
    picture = Bars("Drift", (Bar("low", (0.5, 0.25), ("50 %", "25 %")),), ("now", "then"))
    svg = drawn(picture)
    assert texts_of(svg) == ["now", "then", "low", "50 %", "25 %"]
    assert [rect.get("class") for rect in svg.iter(f"{SVG}rect")] == ["fill0", "fill1"] * 2
    assert picture.description() == "low: now 50 %, then 25 %."


def test_columns_stand_on_one_line() -> None:
    """Columns are as high as their figures on an axis from 0, side by side, and say them when pointed at."""
    picture = Columns(
        "D", (Bar("a", (0.5, 0.25), ("50 %", "25 %")), Bar("b", (0.0, 1.0), ("0 %", "100 %"))), ("x", "y")
    )
    svg = drawn(picture)
    columns = [rect for rect in svg.iter(f"{SVG}rect") if len(rect)]
    heights = [float(rect.get("height") or 0) for rect in columns]
    assert heights == pytest.approx([90, 45, 0.5, 180], abs=0.1)
    assert {float(rect.get("y") or 0) + float(rect.get("height") or 0) for rect in columns} <= {226.0, 226.5}
    lefts = [percent(rect, "x") for rect in columns]
    assert lefts == sorted(lefts)
    assert [rect[0].text for rect in columns] == ["a: 50 %", "a: 25 %", "b: 0 %", "b: 100 %"]


@pytest.mark.parametrize("log", [False, True])
def test_lines_go_through_their_points(log: bool) -> None:
    """Each point lies where both axes put it."""
    points = ((1.0, 10.0), (10.0, 100.0), (100.0, 1000.0))
    svg = drawn(Lines("Speed", (Line("", points),), Axis("x", log=log), Axis("y", log=log)))
    dots = [(percent(dot, "cx"), float(dot.get("cy") or 0)) for dot in svg.iter(f"{SVG}circle")]
    assert (dots[0][0], dots[2][0]) == (15, 96)
    middle = 0.5 if log else 9 / 99
    assert dots[1][0] == pytest.approx(15 + middle * 81, abs=0.1)
    assert [y for _, y in dots] == sorted((y for _, y in dots), reverse=True)
    (line,) = svg.iter(f"{SVG}polyline")
    assert len((line.get("points") or "").split()) == 3


def test_a_gap_where_there_is_no_figure() -> None:
    """What is no number breaks the line, and the words count it."""
    points = tuple((float(x), math.nan if x == 2 else 5.0) for x in range(5))
    picture = Lines("Gap", (Line("p50", points),), X, Y, Mark(6.0, "limit 6"))
    assert len(list(drawn(picture).iter(f"{SVG}polyline"))) == 2
    assert picture.description() == (
        "rows a second by rows in a call. p50: 5 at 0, 5 at 1, 5 at 3, 5 at 4, and 1 without a figure. Line: limit 6."
    )


def test_long_lines_are_told_by_their_span() -> None:
    """Of very many points the words tell the ends, the lowest and the highest; of very many series what is left out."""
    points = tuple((float(x), float(100 - abs(x - 50))) for x in range(100))
    picture = Lines("Long", tuple(Line(f"s{n}", points) for n in range(8)), X, Y)
    assert "s0: 100 points from 50 at 0 to 51 at 99, lowest 50 at 0, highest 100 at 50." in picture.description()
    assert picture.description().endswith("2 more series are not drawn.")
    svg = drawn(picture)
    assert len(list(svg.iter(f"{SVG}polyline"))) == 6
    assert not list(svg.iter(f"{SVG}circle"))


@pytest.mark.parametrize("first", ANY)
@pytest.mark.parametrize("second", ANY)
@pytest.mark.parametrize("log", [False, True])
def test_any_number_can_be_drawn(first: float, second: float, log: bool) -> None:
    """What has no place is not drawn, nothing overflows, and nothing lies outside of the picture."""
    bars = tuple(Bar("x", (value,), ("",)) for value in (first, second))
    axis = Axis("a", log=log)
    pictures = (
        Bars("Any", bars, mark=Mark(first, "m"), log=log),
        Columns("Any", bars, edges=(first, second), up=axis),
        Lines("Any", (Line("", ((first, second), (second, first), (1.0, 1.0))),), axis, axis, Mark(second, "m")),
    )
    for picture in pictures:
        for element in drawn(picture).iter():
            for name in ("x", "x1", "x2", "cx", "width"):
                assert 0 <= percent(element, name) <= 100
            for name in ("y", "y1", "y2", "cy", "height"):
                assert 0 <= float(element.get(name) or 0) <= 300
            assert "nan" not in (element.get("points") or "")


ABOVE_0 = [(1e-9, 3e-9), (999, 1001), (1, 32768), (3, 4), (0.2, 40), (1e15, 9e15), (1e-300, 1e300)]


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [
        *((low, high, log) for low, high in ABOVE_0 for log in (False, True)),
        *((low, high, False) for low, high in ((0, 1), (0, 7e6), (-300, -1), (-5, 5))),
    ],
)
def test_axes_have_few_round_figures(low: float, high: float, log: bool) -> None:
    """From two to eight figures stand beside an axis, in order, each once, at the place that they name."""
    scale = Scale(Axis("a", log=log), (low, high))
    places, texts = zip(*scale.ticks(), strict=True)
    assert 2 <= len(places) <= 8
    assert all(one < other for one, other in pairwise(places))
    assert len(set(texts)) == len(texts)
    assert all(len(text) <= 8 for text in texts)


def test_short_figures() -> None:
    """Beside an axis numbers have four digits and a letter for thousands."""
    values = (0, -0.0, 0.25, 999, 1000, 12345, -2.5e6, 4e9, 3e12, 1e-12, 1e300, math.inf)
    expected = ["0", "0", "0.25", "999", "1k", "12.35k", "-2.5M", "4G", "3T", "1e-12", "1e+300", "-"]
    assert list(map(short, values)) == expected


def test_long_charts_are_cut() -> None:
    """Of very many bars the first are drawn, and the description tells how many are not."""
    many = bars_of(*((str(n), n) for n in range(100)))
    assert len(list(drawn(Bars("Many", many)).iter(f"{SVG}rect"))) == 40
    assert Bars("Many", many).description().endswith("; and 60 more in the table.")


@pytest.mark.parametrize(
    "picture", [Bars("None", ()), Columns("None", ()), Lines("None", (), X, Y), Lines("None", (Line("", ()),), X, Y)]
)
def test_nothing_to_draw(picture: Picture) -> None:
    """A picture of nothing says so to all."""
    assert "othing to show." in picture.description() or not getattr(picture, "lines", True)
    assert texts_of(drawn(picture)) == ["Nothing to show."]


def test_pictures_of_a_page() -> None:
    """Pictures come before tables and lead to them; headings are in order, and nothing is fetched."""
    picture = Bars("Rows", bars_of(("a", 1)))
    sections = tuple(Section(f"Part {n}", ("", ""), (("a", "1"),), picture) for n in range(3))
    html = to_html(
        Document("Report", "All is well.", (*sections, Section("Plain", ("x",), (("y",),))), {}, advice=("Rest.",))
    )
    page = Page(html)

    assert len(page.svgs) == page.tags.count("figure") == 3
    assert len(page.tables) == 4
    assert len(page.ids) == len(set(page.ids))
    assert set(page.linked) == {"table0", "table1", "table2"}
    assert set(page.linked) | set(re.findall(r'aria-labelledby="([^" ]+)', html)) <= set(page.ids)
    parts = ["Report", "What to do", "Pictures", "Part 0", "Part 1", "Part 2", "Tables"]
    assert [text.strip() for _, text in page.headings] == [*parts, "Part 0", "Part 1", "Part 2", "Plain"]
    assert all(after <= before + 1 for (before, _), (after, _) in pairwise(page.headings))
    assert {"header", "main", "footer"} <= set(page.tags)
    assert page.fetched == []
    assert "script" not in page.tags
    assert STYLE in html
