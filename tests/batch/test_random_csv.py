"""Random CSV goes through a whole run: what Python's csv module reads is scored or listed, row by row, once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlship.batch.inputs import find_inputs
from mlship.batch.job import BatchJob
from mlship.batch.limit import RejectLimit
from mlship.batch.prepare import prepare
from mlship.batch.run import run
from mlship.model.session import Session, SessionSpec, open_session
from mlship.tables.dialect import Told
from tests.batch.models import echo_model

ANY_NUMBER = RejectLimit(rows=None, percent=Fraction(100))
BROKEN = "\ue000"  # stands for a byte that is no UTF-8
TOLD = {
    "utf-8": None,
    "utf-8-sig": None,
    "utf-16": None,
    "latin-1": "latin-1",
    "cp1252": "cp1252",
    "utf-16-le": "utf-16-le",
}
PIECES = (
    "a",
    "1.5",
    "é",
    '"',
    ",",
    ";",
    "\t",
    "|",
    "\n",
    "\r\n",
    " ",
    "NA",
    "-",
    "\xa0",
)  # those that all encodings have


@dataclass(frozen=True)
class File:
    """A file of random rows.

    Attributes:
        data: Its bytes.
        told: What has to be said of it.
        kept: The rows that must come out, as texts.
        rejected: The reason of each row that must not, by its number from 1.
    """

    data: bytes
    told: Told
    kept: list[list[str]]
    rejected: dict[int, str]


@st.composite
def files(draw: st.DrawFn) -> File:
    """Return a file whose records are well-formed but may be ragged, or hold bytes that are no text."""
    delimiter = draw(st.sampled_from(",;\t|"))
    encoding = draw(st.sampled_from(sorted(TOLD)))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    columns = draw(st.permutations(["text", "id", "my note"][: draw(st.integers(1, 3))]))
    records = []
    for _ in range(draw(st.integers(0, 8))):
        width = len(columns) + (draw(st.sampled_from([-1, 1, 2])) if draw(st.integers(0, 5)) == 0 else 0)
        fields = ["".join(draw(st.lists(st.sampled_from(PIECES), max_size=4))) for _ in range(width)]
        if encoding == "utf-8" and fields and draw(st.integers(0, 9)) == 0:
            fields[0] += BROKEN
        records.append(delimiter.join(quoted(field, delimiter, always=draw(st.booleans())) for field in fields))
    text = end.join([delimiter.join(columns), *records]) + (end if draw(st.booleans()) else "")
    data = text.encode(encoding).replace(BROKEN.encode(), b"\xff") if encoding == "utf-8" else text.encode(encoding)
    found = delimiter if len(columns) == 1 or draw(st.booleans()) else None
    kept, rejected = expected(text, delimiter, columns)
    return File(data, Told(delimiter=found, encoding=TOLD[encoding]), kept, rejected)


def quoted(field: str, delimiter: str, *, always: bool) -> str:
    """Write a field, in quotes where it must be or always."""
    special = any(piece in field for piece in (delimiter, '"', "\n", "\r"))
    return '"' + field.replace('"', '""') + '"' if special or always else field


def expected(text: str, delimiter: str, columns: list[str]) -> tuple[list[list[str]], dict[int, str]]:
    """Return the rows to be scored and the reasons of all others, as the csv module reads the text."""
    kept: list[list[str]] = []
    rejected: dict[int, str] = {}
    lines: list[str] = []

    def watched() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            lines.append(line)
            yield line

    reader = csv.reader(watched(), delimiter=delimiter, strict=True)
    next(reader)
    lines.clear()
    row = 0
    for found in reader:
        raw, fields = "".join(lines), found or [""]
        lines.clear()
        if not raw.strip("\r\n") and len(columns) > 1:
            continue  # an empty line is no record there
        if len(fields) == len(columns) and BROKEN not in raw:
            row += 1
            if fields[columns.index("text")] == "NA":
                rejected[row] = "null_not_allowed"
            else:
                kept.append(fields)
            continue
        code = "bad_encoding" if BROKEN in raw else "wrong_field_count"
        pieces = raw.removesuffix("\n").removesuffix("\r").split("\n")  # each line of a broken record is a row
        for piece in pieces:
            if len(pieces) == 1 or piece.strip("\r") or len(columns) == 1:
                row += 1
                rejected[row] = code
    return kept, rejected


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Session]:
    """The model that gives a text back, open."""
    path = tmp_path_factory.mktemp("model") / "echo.onnx"
    path.write_bytes(echo_model())
    return path, open_session(SessionSpec(path, "bulk"))


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=100)
@given(file=files(), size=st.sampled_from([1, 5, 30, 1 << 20]), workers=st.sampled_from([1, 2]))
def test_every_row_is_scored_or_listed_once(
    tmp_path: Path, echo: tuple[Path, Session], file: File, size: int, workers: int
) -> None:
    """Rows in are rows out and rejected, kept texts are equal, and the rows rejected are exactly the broken ones."""
    (tmp_path / "in.csv").write_bytes(file.data)
    model, session = echo
    (given_,) = find_inputs([str(tmp_path / "in.csv")], None)
    job = BatchJob(
        (given_,), str(tmp_path / "out.csv"), chunk_size=size, workers=workers, told=file.told, limit=ANY_NUMBER,
        restart=True,
    )  # fmt: skip
    report = run(prepare(job, model, session, print), lambda *_: None, ())
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as stream:
        columns, *rows = csv.reader(stream, strict=True)
    assert [row[:-1] for row in rows] == file.kept
    assert [row[-1] for row in rows] == [row[columns.index("text")] for row in file.kept]
    lines = [] if report.rejects_file is None else Path(report.rejects_file).read_text().splitlines()
    found = {line["row"]: line["errors"][0]["code"] for line in map(json.loads, lines)}
    assert found == file.rejected
    tally = report.tally
    assert (tally.written, tally.rejected) == (len(file.kept), len(file.rejected))
    assert tally.read == tally.written + tally.rejected
