"""A page of ours, taken apart: every element closed where it was opened, tables by title, SVG as XML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

_VOID = {"meta"}
SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """Takes a page apart.

    Attributes:
        tags: Every element's name.
        fetched: What it links to outside of itself.
        linked: The places of itself that it links to.
        ids: The names of its elements.
        headings: Every heading's level and text.
        tables: The cells of each table, row by row, by the heading above it.
        text: Every piece of text.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text: list[str] = []
        self._open: list[str] = []
        self.linked: list[str] = []
        self.ids: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.feed(text)
        self.close()
        assert self._open == []
        self.svgs = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that has no inside."""
        self._note(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and that it is open."""
        self._note(tag, attrs)
        if tag not in _VOID:
            self._open.append(tag)
        match tag:
            case "h1" | "h2" | "h3":
                self.headings.append((int(tag[1]), ""))
            case "table":
                assert self._title not in self.tables
                self.tables[self._title] = []
            case "tr":
                self.tables[self._title].append([])
            case "td" | "th":
                self.tables[self._title][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a piece of text."""
        self.text.append(data)
        if self._open and self._open[-1] in ("h1", "h2", "h3"):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)
        if self._open[-1:] in (["td"], ["th"]):
            self.tables[self._title][-1][-1] += data

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        links = [str(value) for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.fetched += [link for link in links if not link.startswith("#")]
        self.linked += [link[1:] for link in links if link.startswith("#")]
        self.ids += [str(value) for name, value in attrs if name == "id"]

    @property
    def _title(self) -> str:
        return self.headings[-1][1].strip()


_UNITS = {" %": 1e-2, " bytes": 1, " ms": 1e-3, " µs": 1e-6, " s": 1}


def figure(cell: str) -> float | None:
    """Return the number that a cell shows; a percentage as a share, a time in seconds."""
    if cell == "-":
        return None
    for unit, one in _UNITS.items():
        if cell.endswith(unit):
            return float(cell.removesuffix(unit).replace(",", "")) * one
    return float(cell.replace(",", ""))


def numbers_of(value: object) -> list[float]:
    """Return every number of a JSON value."""
    if isinstance(value, dict):
        return [number for part in value.values() for number in numbers_of(part)]
    if isinstance(value, list):
        return [number for part in value for number in numbers_of(part)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def unfounded(page: Page, facts: object, *, beside: tuple[str, ...] = ()) -> list[str]:
    """Return the cells that show a number which the JSON report does not hold.

    Args:
        page: The page.
        facts: The JSON report.
        beside: Columns that are reckoned from others.
    """
    known = numbers_of(facts)
    wrong = []
    for title, rows in page.tables.items():
        skipped = {place for place, cell in enumerate(rows[0]) if cell in beside}
        for row in rows:
            for place, cell in enumerate(row):
                if place in skipped or not re.fullmatch(
                    r"-?[0-9][0-9,]*(\.[0-9]+)?(e[+-][0-9]+)?( (%|bytes|ms|µs|s))?", cell
                ):
                    continue
                shown = figure(cell) or 0.0
                if not any(abs(shown - one) <= 6e-4 * abs(one) for one in known):
                    wrong.append(f"{title}: {cell}")
    return wrong
