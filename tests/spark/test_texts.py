"""Files as people have them, read by Spark as by the local engine: the same lines out, the same rows rejected."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlship.cli.main import run
from tests.batch.models import put_town
from tests.spark.running import assert_same_figures, reasons, rejected

HEAD = b"id,my age,income,city,note\n"
LINES = [f"{row},{row + 18}.5,{row * 1000 + 0.25},{'Porto' if row % 2 else 'Lisboa'},n{row}\n" for row in range(40)]
PLAIN = HEAD + "".join(LINES).encode()


@dataclass(frozen=True)
class Case:
    """Files and how to read them.

    Attributes:
        files: Their bytes by name.
        options: More of the command line.
        suffix: The output's.
    """

    files: dict[str, bytes]
    options: tuple[str, ...] = ()
    suffix: str = "csv"


def one(data: bytes, *options: str) -> Case:
    """A single file."""
    return Case({"a.csv": data}, options)


def with_row(*rows: bytes) -> bytes:
    """A file with further rows in its middle."""
    half = HEAD + "".join(LINES[:20]).encode()
    return half + b"".join(rows) + "".join(LINES[20:]).encode()


def ndjson(*lines: str) -> Case:
    """Lines of JSON, good ones around those that are given."""
    good = [
        json.dumps(
            {"id": row, "my age": row, "income": row / 7, "city": "Porto", "note": f"né {row}"}, ensure_ascii=False
        )
        for row in range(20)
    ]
    text = "\n".join([*good[:10], *lines, *good[10:]]) + "\n"
    return Case({"a.ndjson": text.encode()}, suffix="ndjson")


OTHER_ORDER = b"city,note,id,income,my age\nPorto,moved,900,5,20\nLisboa,moved,901,,21\n"
CASES = {
    "plain": one(PLAIN),
    "no line feed at the end": one(PLAIN.removesuffix(b"\n")),
    "CRLF": one(PLAIN.replace(b"\n", b"\r\n")),
    "byte order mark": one(b"\xef\xbb\xbf" + PLAIN),
    "blank lines": one(with_row(b"\n", b"\n")),
    "blank lines first": one(b"\n\n" + PLAIN),
    "ragged rows": one(with_row(b"100,1,2\n", b"101,1,2,Porto,x,y\n", b"102\n")),
    "bad cells": one(
        with_row(b"100,old,2,Porto,x\n", b"101,,2,Atlantis,x\n", b"102,5,NA,,\n", b"103,inf,1e999,Porto,\n")
    ),
    "empty and quoted empty": one(with_row(b'100,5,"",Porto,""\n', b"101,5,,Porto,\n", b'102,"",1,"",""\n')),
    "quotes": one(
        with_row(b'100,"5","2","Porto","a ""b"", c"\n', b'101,5,2,Porto,say "hi"\n', b"102, 5 , 2 ,Porto, x \n")
    ),
    "line breaks in quotes": one(with_row(b'100,5,2,Porto,"one\ntwo\r\nthree"\n', b'101,,2,Porto,"one\ntwo"\n')),
    "a quote that never ends": one(with_row(b'100,5,2,Porto,"one\n')),
    "bad encoding": one(with_row(b"100,5,2,Porto,caf\xe9\n", b"101,5,2,Port\xff,x\n")),
    "zero bytes": one(with_row(b"100,5,2,Porto,a\0b\n", b"101,5,2,Po\0rto,x\n")),
    "other line ends": one(with_row("100,5,2,Porto,a\u2028b\u0085c\n".encode(), b"101,5,2,Porto,a\x0bb\x0cc\n")),
    "semicolons and commas": one(PLAIN.replace(b",", b";").replace(b".", b",")),
    "tabs": Case({"a.tsv": PLAIN.replace(b",", b"\t")}, ("--format", "csv")),
    "Latin-1": one(PLAIN.replace(b"n7", b"caf\xe9"), "--encoding", "latin-1"),
    "UTF-16": one(b"\xff\xfe" + PLAIN.decode().encode("utf-16-le")),
    "no header": one(b"".join(b"%d,%d,Porto\n" % (row, row * 7) for row in range(40)), "--no-header"),
    "null": one(PLAIN.replace(b"3000.25", b"nothing"), "--null", "nothing"),
    "keep none": one(with_row(b"100,old,2,Porto,x\n"), "--keep", "none"),
    "keep some": one(with_row(b"100,old,2,Porto,x\n"), "--keep", "note,id"),
    "rename": one(PLAIN.replace(b"my age", b"years"), "--rename", "my age=years"),
    "packed": Case({"a.csv.gz": gzip.compress(PLAIN), "b.csv.gz": gzip.compress(HEAD)}),
    "header only": one(HEAD),
    "one of several is header only": Case({"a.csv": HEAD, "b.csv": PLAIN}),
    "another order of columns": Case({"a.csv": PLAIN, "b.csv": OTHER_ORDER}),
    "another delimiter": Case({"a.csv": PLAIN, "b.csv": PLAIN.replace(b",", b";")}),
    "names of files": Case(
        {f"{name}.csv": PLAIN for name in ("a b", "a%20b", "c[1]", "{d}", "é#?", "x=1")}, ("--keep", "note")
    ),
    "folders that say a column": Case({"year=2024/a.csv": PLAIN, "year=2025/a.csv": PLAIN}),
    "all rejected": one(HEAD + b"1,x,x,x,x\n2,x,x,x,x\n"),
    "columns named as ours": one(PLAIN.replace(b"id,", b"value,").replace(b"note", b"mlship file")),
    "a column lacks": one(PLAIN.replace(b"income", b"outgo")),
    "an empty file": one(b""),
    "NDJSON": ndjson(),
    "NDJSON with bad lines": ndjson(
        "{", "[1]", "", '{"id": 1, "my age": "x", "income": NaN, "city": "Porto"}', '{"id": 2}'
    ),
    "NDJSON with all kinds": ndjson(
        '{"id": 12345678901234567890, "my age": 1e400, "income": null, "city": "Porto", "note": {"a": [1, 2.50]}}',
        '{"note": "\\u00e9\\n", "my age": true, "income": 1.0, "city": 5, "id": "x"}',
        '{"id": 3, "id": 4, "my age": 2, "income": 3, "city": "Lisboa", "note": 1.10}',
    ),
}
SAMPLE = ("ragged rows", "names of files", "NDJSON with bad lines")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.whole) for name in CASES]
)
def test_texts(
    name: str, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code, lines of the output, rejected rows and counts are those of the local engine, in whatever order."""
    assert session is not None
    case = CASES[name]
    monkeypatch.chdir(tmp_path)
    put_town(tmp_path)
    for file, data in case.files.items():
        path = tmp_path / "in" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    given = ["batch", "in/", "-m", "town.onnx", "--max-rejects", "100%", "--json", *case.options]
    code = run([*given, "-o", f"local.{case.suffix}", "--rejects", "local.rejects"])
    local = json.loads(capsys.readouterr().out)
    found = run([*given, "--engine", "spark", "-o", "spark/", "--format", case.suffix])
    printed = capsys.readouterr()
    spark = json.loads(printed.out)
    assert found == code, printed.err
    if code != 0:
        assert spark["error"]["code"] == local["error"]["code"]
        assert not (tmp_path / "spark").exists()
        return
    assert_same_figures(spark, local)
    assert lines(tmp_path / "spark", case.suffix) == lines(tmp_path / f"local.{case.suffix}", case.suffix)
    assert said(tmp_path / "spark.rejects", tmp_path) == said(tmp_path / "local.rejects", tmp_path)


def lines(path: Path, suffix: str) -> tuple[bytes, list[bytes]]:
    """Return the header of an output, the same in each part, and its other lines in an order of their own."""
    heads, others = set(), []
    for part in sorted(path.glob("part-*")) if path.is_dir() else [path]:
        data = part.read_bytes()
        data = gzip.decompress(data) if part.suffix == ".gz" else data
        head, _, rest = data.partition(b"\n") if suffix == "csv" else (b"", b"", data)
        heads.add(head)
        others += rest.splitlines()
    (head,) = heads
    return head, sorted(others)


def said(path: Path, folder: Path) -> list[Any]:
    """Return what was said of rejected rows, nothing where there are none."""
    return reasons(rejected(path), folder) if path.exists() else []
