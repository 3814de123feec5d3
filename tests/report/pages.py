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
        fetched: What it links to.
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
        self._title = ""
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
            case "h2":
                self._title = ""
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
        if self._open[-1:] == ["h2"]:
            self._title += data
        if self._open[-1:] in (["td"], ["th"]):
            self.tables[self._title][-1][-1] += data

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href")]


def figure(cell: str) -> float | None:
    """Return the number that a cell shows; a percentage as a share."""
    if cell == "-":
        return None
    if cell.endswith(" %"):
        return float(cell.removesuffix(" %")) / 100
    return float(cell.removesuffix(" bytes").replace(",", ""))
