"""A report: a verdict and tables, written as JSON or as one HTML file that needs nothing beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mlship.errors import OutputFailed, UsageError
from mlship.files import write_atomic
from mlship.report.page import to_html
from mlship.report.pictures.frame import Picture

Tone = Literal["good", "warning", "bad"]


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        title: What it is about.
        columns: Its columns' names; all empty for a table of names and values.
        rows: Its cells.
        picture: The same as a picture, or None.
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
        verdict: What came of it, in a sentence.
        sections: The tables.
        facts: The same as plain JSON values, complete, for programs.
        tone: Whether all is `good`, or there is a `warning`, or it is `bad`.
        advice: What to do about what is wrong, in sentences; none where nothing is.
        notes: Further sentences under the verdict.
    """

    title: str
    verdict: str
    sections: tuple[Section, ...]
    facts: dict[str, Any]
    tone: Tone = "good"
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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
        text = to_html(document)
    try:
        write_atomic(path, text.encode(errors="replace"))  # a path may hold bytes that are no text
    except OutputFailed as error:
        raise OutputFailed(f"The report could not be written: {error.message}", hint=error.hint) from error
