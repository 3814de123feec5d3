"""A report: a title and tables, written as JSON or as one HTML file that needs nothing beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.errors import OutputFailed, UsageError
from mlship.files import write_atomic
from mlship.report.letters import escaped
from mlship.report.pictures.frame import STYLE, Picture

_STYLE = (
    """
body{font:16px/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}p{margin:.5rem 0}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ccc}
td{overflow-wrap:anywhere}
figure{margin:1rem 0}
@media(prefers-color-scheme:dark){
body{color:#eee;background:#151515}th,td{border-color:#444}
}
"""
    + STYLE
)


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        title: What it is about.
        columns: Its columns' names; all empty for a table of names and values.
        rows: Its cells.
        picture: The same as a picture above the table, or None.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    picture: Picture | None = None


@dataclass(frozen=True)
class Document:
    """One report.

    Attributes:
        title: Its title.
        notes: Sentences above the tables.
        sections: The tables.
        facts: The same as plain JSON values, complete, for programs.
    """

    title: str
    notes: tuple[str, ...]
    sections: tuple[Section, ...]
    facts: dict[str, Any]

    def to_html(self) -> str:
        """Return the report as one HTML page without scripts and without links to anything outside."""
        title = escaped(self.title)
        sections = "".join(_section(place, section) for place, section in enumerate(self.sections))
        notes = "".join(f"<p>{escaped(note)}</p>\n" for note in self.notes)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{notes}"
            f"{sections}</main>\n</body>\n</html>\n"
        )


def _section(place: int, section: Section) -> str:
    picture = "" if section.picture is None else f"<figure>\n{section.picture.to_svg(f'picture{place}')}</figure>\n"
    return f"<h2>{escaped(section.title)}</h2>\n{picture}{_table(section)}"


def _table(section: Section) -> str:
    head = ""
    if any(section.columns):
        cells = "".join(f'<th scope="col">{escaped(column)}</th>' for column in section.columns)
        head = f"<thead><tr>{cells}</tr></thead>\n"
    rows = "".join(_row(row, named=not head) for row in section.rows)
    return f"<table>\n{head}<tbody>\n{rows}</tbody>\n</table>\n"


def _row(cells: tuple[str, ...], *, named: bool) -> str:
    first, *others = (escaped(cell) for cell in cells)
    start = f'<th scope="row">{first}</th>' if named else f"<td>{first}</td>"
    return f"<tr>{start}{''.join(f'<td>{cell}</td>' for cell in others)}</tr>\n"


def check_report(path: Path) -> None:
    """Refuse, before any work, a place where no report can be written.

    Raises:
        UsageError: The name ends neither in .html nor in .json, or there is no such folder.
    """
    if path.suffix.lower() not in (".html", ".json"):
        raise UsageError(f"The report '{path}' has to end in .html or .json.", hint=f"--report {path.stem}.html")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder '{path.parent}'.", hint=f"mkdir -p '{path.parent}'")
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder.", hint=f"Name a file in it: --report '{path}/report.html'")


def write_report(path: Path, document: Document) -> None:
    """Write a report in the form that the file's name ends in.

    Raises:
        OutputFailed: It could not be written.
    """
    if path.suffix.lower() == ".json":
        text = json.dumps(document.facts, ensure_ascii=False, indent=2) + "\n"
    else:
        text = document.to_html()
    try:
        write_atomic(path, text.encode(errors="replace"))  # a path may hold bytes that are no text
    except OutputFailed as error:
        raise OutputFailed(f"The report could not be written: {error.message}", hint=error.hint) from error
