"""A report as one HTML page: the verdict, what to do, pictures, tables; no scripts, and nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlship import __version__
from mlship.report.letters import escaped
from mlship.report.pictures.frame import STYLE

if TYPE_CHECKING:
    from mlship.report.document import Document, Section

_FIGURE = re.compile(r"-|-?[0-9][0-9,]*(\.[0-9]+)?(e[+-][0-9]+)?( (%|bytes|s|ms|µs))?")

_STYLE = (
    """
:root{color-scheme:light dark;--ink:#1b1b1b;--soft:#555;--line:#ccc;--ground:#fff;--good:#2f7d3b;--warning:#a86400;\
--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#eee;--soft:#b0b0b0;--line:#444;--ground:#151515;--good:#6fbf78;\
--warning:#e8a552;--bad:#ff8a80}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:72rem;margin:0 auto;\
padding:1rem}
h1{font-size:1.1rem;color:var(--soft);margin:.5rem 0;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:1.5rem 0 .25rem;overflow-wrap:anywhere}
p,li{margin:.4rem 0;max-width:48rem;overflow-wrap:anywhere}
a{color:inherit}
.verdict{font-size:1.3rem;line-height:1.4;border-left:.4rem solid var(--soft);padding:.2rem 0 .2rem .8rem}
.good{border-color:var(--good)}.warning{border-color:var(--warning)}.bad{border-color:var(--bad)}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));gap:1rem 2.5rem}
figure{margin:0}figcaption h3{margin-top:1rem}figcaption a{font-weight:normal;font-size:.85rem;color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse}
th,td{text-align:left;vertical-align:top;padding:.3rem .9rem .3rem 0;max-width:34rem;\
border-bottom:1px solid var(--line)}
td,tbody th{overflow-wrap:break-word}
thead th{color:var(--soft);font-weight:600}
tbody th{font-weight:normal;color:var(--soft)}
.figure{text-align:right;font-variant-numeric:tabular-nums}
td.figure{white-space:nowrap}
.facts td{overflow-wrap:anywhere}
footer{color:var(--soft);font-size:.85rem;margin-top:2rem}
@media print{body{max-width:none;padding:0}.scroll{overflow:visible}figure,tr{break-inside:avoid}\
h2,h3{break-after:avoid}}
"""
    + STYLE
    + ":root{--picture-ground:var(--ground)}\n"
)


def to_html(document: Document) -> str:
    """Return a report as one page."""
    title = escaped(document.title)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{title}</h1>\n{_opening(document)}</header>\n"
        f"<main>\n{_advice(document.advice)}{_pictures(document.sections)}{_tables(document.sections)}</main>\n"
        f"<footer>Written by mlship {escaped(__version__)}.</footer>\n</body>\n</html>\n"
    )


def _opening(document: Document) -> str:
    notes = "".join(f"<p>{escaped(note)}</p>\n" for note in document.notes)
    return f'<p class="verdict {document.tone}">{escaped(document.verdict)}</p>\n{notes}'


def _advice(advice: Sequence[str]) -> str:
    if not advice:
        return ""
    items = "".join(f"<li>{escaped(words)}</li>\n" for words in advice)
    return f'<section aria-labelledby="advice">\n<h2 id="advice">What to do</h2>\n<ul>\n{items}</ul>\n</section>\n'


def _pictures(sections: Sequence[Section]) -> str:
    drawn = [
        f'<figure>\n<figcaption><h3>{escaped(section.title)} <a href="#table{place}">figures</a></h3>'
        f"</figcaption>\n{section.picture.to_svg(f'picture{place}')}</figure>\n"
        for place, section in enumerate(sections)
        if section.picture is not None
    ]
    if not drawn:
        return ""
    return (
        '<section aria-labelledby="pictures">\n<h2 id="pictures">Pictures</h2>\n'
        f'<div class="pictures">\n{"".join(drawn)}</div>\n</section>\n'
    )


def _tables(sections: Sequence[Section]) -> str:
    tables = "".join(_table(f"table{place}", section) for place, section in enumerate(sections) if section.rows)
    return f'<section aria-labelledby="tables">\n<h2 id="tables">Tables</h2>\n{tables}</section>\n' if tables else ""


def _table(name: str, section: Section) -> str:
    """A table in a frame of its own, which scrolls on a phone, with the keys too."""
    named = not any(section.columns)
    figures = [not named and all(map(_FIGURE.fullmatch, cells)) for cells in zip(*section.rows, strict=True)]
    head = ""
    if not named:
        cells = zip(section.columns, figures, strict=True)
        head = f"<thead><tr>{''.join(_cell(text, figure=figure, tag='th', scope='col') for text, figure in cells)}"
        head += "</tr></thead>\n"
    rows = "".join(f"<tr>{''.join(_cells(row, figures, named=named))}</tr>\n" for row in section.rows)
    kind = ' class="facts"' if named else ""
    return (
        f'<h3 id="{name}">{escaped(section.title)}</h3>\n'
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{name}">\n'
        f"<table{kind}>\n{head}<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )


def _cells(row: Sequence[str], figures: Sequence[bool], *, named: bool) -> Iterator[str]:
    first, *others = zip(row, figures, strict=True)
    yield _cell(first[0], tag="th", scope="row") if named else _cell(first[0], figure=first[1])
    for text, figure in others:
        yield _cell(text, figure=figure)


def _cell(text: str, *, figure: bool = False, tag: str = "td", scope: str = "") -> str:
    kind = ' class="figure"' if figure else ""
    says = f' scope="{scope}"' if scope else ""
    return f"<{tag}{says}{kind}>{escaped(text)}</{tag}>"
