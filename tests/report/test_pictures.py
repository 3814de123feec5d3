"""Pictures in reports: well-formed, escaped, told in words, and as long as their figures say."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from mlship.report.document import Document, Section
from mlship.report.pictures import Bar, Picture
from tests.report.pages import SVG, Page

ODD = "a <b> & \"c\" 'São' </svg><script>"


def drawn(picture: Picture) -> ElementTree.Element:
    """Return a picture as XML."""
    return ElementTree.fromstring(picture.to_svg("p"))  # noqa: S314 - it is our own


def test_bars_are_as_long_as_their_values() -> None:
    """The longest bar takes all the room, the others their share of it, and figures stand beside them."""
    picture = Picture(
        "Rows", tuple(Bar(name, (value,), (f"{value}",)) for name, value in (("a", 4), ("b", 1), ("c", 0)))
    )
    svg = drawn(picture)
    widths = [float(rect.get("width", "")) for rect in svg.iter(f"{SVG}rect")]
    assert widths[1] == pytest.approx(widths[0] / 4, abs=0.1)
    assert widths[2] == 0.5
    assert [text.text for text in svg.iter(f"{SVG}text")] == ["a", "4", "b", "1", "c", "0"]


def test_two_series_have_a_legend() -> None:
    """Two series are drawn in two colours of the page, which a legend names."""
    svg = drawn(Picture("Drift", (Bar("low", (0.5, 0.25), ("50 %", "25 %")),), ("now", "then")))
    texts = [text.text for text in svg.iter(f"{SVG}text")]
    assert texts == ["now", "then", "low", "50 %", "25 %"]
    styles = [rect.get("style") for rect in svg.iter(f"{SVG}rect")]
    assert styles == ["fill:var(--now)", "fill:var(--then)"] * 2


def test_it_is_told_in_words() -> None:
    """A picture is an image with a title and a description that holds every figure drawn."""
    svg = drawn(Picture("Drift", (Bar("low", (0.5, 0.25), ("50 %", "25 %")),), ("now", "then")))
    assert svg.get("role") == "img"
    named = {element.get("id"): element.text for element in svg}
    title, text = (svg.get("aria-labelledby") or "").split()
    assert (named[title], named[text]) == ("Drift", "low: now 50 %, then 25 %.")


def test_names_are_escaped() -> None:
    """A name with the characters of HTML is text, whole in the description and cut short beside its bar."""
    svg = drawn(Picture(ODD, (Bar(ODD, (1,), (ODD,)),)))
    assert [element.tag for element in svg] == [SVG + tag for tag in ("title", "desc", "text", "rect", "text")]
    assert svg[0].text == ODD
    assert svg[1].text == f"{ODD}: {ODD}."
    assert svg[2].text == f"{ODD[:25]}…"


@pytest.mark.parametrize("values", [(math.inf, 1.0), (math.nan, 1.0), (-3.0, 1.0), (1.7e308, 1.7e308), (0.0, 0.0)])
def test_any_number_can_be_drawn(values: tuple[float, ...]) -> None:
    """What is no length is drawn as none, and nothing overflows."""
    svg = drawn(Picture("Any", tuple(Bar("x", (value,), ("",)) for value in values)))
    assert all(0.5 <= float(rect.get("width", "")) <= 700 for rect in svg.iter(f"{SVG}rect"))


def test_long_charts_are_cut() -> None:
    """Of very many bars the first are drawn, and the description tells how many are not."""
    svg = drawn(Picture("Many", tuple(Bar(str(n), (n,), (str(n),)) for n in range(100))))
    assert len(list(svg.iter(f"{SVG}rect"))) == 40
    assert (svg[1].text or "").endswith("; and 60 more in the table.")
    assert drawn(Picture("None", ()))[1].text == "Nothing to show."


def test_pictures_of_a_page() -> None:
    """Each picture of a page has names of its own, stands above its table, and brings no script or link."""
    picture = Picture("Rows", (Bar("a", (1,), ("1",)),))
    sections = tuple(Section(f"Part {n}", ("", ""), (("a", "1"),), picture) for n in range(3))
    html = Document("Report", (), (*sections, Section("Plain", ("x",), (("y",),))), {}).to_html()
    page = Page(html)

    assert len(page.svgs) == page.tags.count("figure") == 3
    assert len(page.tables) == 4
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids)) == 6
    assert page.fetched == []
    assert "script" not in page.tags
    assert html.count("prefers-color-scheme:dark") == 1
    assert {"--now", "--then"} == set(re.findall(r"var\((--\w+)\)", html)) | {"--then"}
