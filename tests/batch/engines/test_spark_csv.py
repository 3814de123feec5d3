"""CSV on Spark: the rows, the texts and the reasons of the local engine, however a file is written."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.batch.engines.conftest import OnBoth

HEAD = b"id,my age,income,city\n"
ROWS = b"1,30,5,Porto\n2,,1,Porto\n3,12.5,NA,Lisboa\n4,abc,,Berlin\n"

# Files that Spark reads line by line, all in one run.
IN_LINES = {
    "plain": HEAD + ROWS,
    "no-line-feed-at-the-end": (HEAD + ROWS).rstrip(),
    "carriage-returns": (HEAD + ROWS).replace(b"\n", b"\r\n"),
    "byte-order-mark": b"\xef\xbb\xbf" + HEAD + ROWS,
    "blank-lines": b"\n\r\n" + HEAD + b"\n" + ROWS.replace(b"\n", b"\n\n"),
    "quotes": HEAD + b'"1,2","30","",Porto\n"say ""hi""",1,2,"Lisboa"\n5" pipe,3,4,Porto\n',
    "bytes-that-are-no-utf-8": HEAD + ROWS + b"\xff\xfe,1,1,Porto\n" + "é,1,1,Porto\n".encode(),
    "wrong-numbers-of-fields": HEAD + ROWS + b"1\n1,2,3,Porto,5\n,,,\n",
    "a-lone-carriage-return": HEAD + ROWS + b"a\rb,1,1,Porto\n",
    "header-only": HEAD,
    "spaces-and-signs": HEAD + b" 1, 30 ,+5,Porto\n2,-0.0,1e3,Lisboa\n3,1e400,inf,Porto\n4,nan,-inf,Porto\n",
    "odd [1] {x}%20,#?*é": HEAD + ROWS,
}
# Files that it has to read as a whole.
AS_A_WHOLE = {
    "line-breaks-in-quotes": HEAD + b'"one\ntwo",1,1,Porto\n' + ROWS + b'"three\n\nfour\n",x,1,Porto\n',
    "a-row-that-closes-no-quote": HEAD + ROWS + b'"1,2,3,Porto\n' + ROWS + b'5",1,1,Porto\n',
    "utf-16": (HEAD + ROWS).decode().encode("utf-16"),
    "semicolons-and-decimal-commas": b"id;my age;income;city\n1;30,5;1,25;Porto\n2;1.5;1;Porto\n3;7;;Lisboa\n",
    "columns-in-another-order": b"city,id,income,my age\nPorto,1,2,3\nLisboa,2,NaN,4\n",
}


@pytest.mark.parametrize(("files", "whole"), [(IN_LINES, False), (AS_A_WHOLE, True)], ids=["lines", "whole files"])
def test_csv_is_scored_as_by_the_local_engine(
    folder: Path, on_both: OnBoth, files: dict[str, bytes], whole: bool
) -> None:
    """However files are written, rows, kept texts, rejected rows with their records, and counts are the same."""
    (folder / "in").mkdir()
    for name, written in files.items():
        (folder / "in" / f"{name}.csv").write_bytes(written)
    both = on_both("in/", "--max-rejects", "100%")
    assert both.spark.code == both.local.code == 0, both.spark.stderr
    assert both.same
    for told in ("rows", "rejects", "inputs"):
        assert both.spark.data[told] == both.local.data[told]
    assert ("is read as a whole" in both.spark.stderr) == whole


OPTIONS = {
    "a further null": (HEAD + b"1,30,none,Porto\n2,none,1,Porto\n", ["--null", "none"]),
    "no header": (b"30,5,Porto\n1,2,Lisboa\nx,2,Lisboa\n", ["--no-header"]),
    "a delimiter": (b"my age:income:city\n30:5:Porto\n", ["--delimiter", ":"]),
    "another quote": (HEAD + b"'1,5',30,5,Porto\n\"2,30,5,Porto\n", ["--quote", "'"]),
    "no quote": (HEAD + b'"1,30,5,Porto\n', ["--quote", "none"]),
    "an encoding": (HEAD + "é,30,5,Porto\n".encode("cp1252"), ["--encoding", "windows-1252"]),
    "decimal commas": (b"my age;income;city\n1,500;2;Porto\n", ["--decimal-comma"]),
    "other names": (b"alter,income,city\n1,2,Porto\n", ["--rename", "my age=alter"]),
    "some columns kept": (HEAD + ROWS, ["--keep", "city,id"]),
    "none kept": (HEAD + ROWS, ["--keep", "none"]),
    "as NDJSON": (HEAD + ROWS, ["--format", "ndjson"]),
}


ALIKE = ("a delimiter", "no quote", "none kept", "a column twice", "Parquet")


def cases(named: dict[str, Any]) -> list[Any]:
    """Return cases by their names; of those that are alike one is left in each run."""
    return [
        pytest.param(*case, id=name, marks=pytest.mark.whole if name in ALIKE else ()) for name, case in named.items()
    ]


@pytest.mark.parametrize(("written", "options"), cases(OPTIONS))
def test_options_mean_the_same(folder: Path, on_both: OnBoth, written: bytes, options: list[str]) -> None:
    """What is said of a file of text, and of what is kept, holds on Spark too."""
    (folder / "in.csv").write_bytes(written)
    both = on_both("in.csv", "--max-rejects", "100%", *options)
    assert both.spark.code == both.local.code == 0, both.spark.stderr
    assert both.same
    assert len(both.lines[0]) > 1


def test_packed_and_unpacked(folder: Path, on_both: OnBoth) -> None:
    """Files packed by gzip are read beside others, and what they are written to is packed too."""
    (folder / "a.csv.gz").write_bytes(gzip.compress(HEAD + ROWS))
    (folder / "b.csv").write_bytes(HEAD + ROWS)
    both = on_both("a.csv.gz", "b.csv", "--max-rejects", "100%")
    assert both.spark.code == both.local.code == 0, both.spark.stderr
    assert both.same
    assert {path.suffix for path in folder.glob("spark0/part-*")} == {".gz"}


def test_folders_are_columns(folder: Path, on_both: OnBoth) -> None:
    """What the names of folders say is a column of their files."""
    for city in ("Porto", "Lisboa", "Rome"):
        place = folder / "in" / f"city={city}"
        place.mkdir(parents=True)
        (place / "a.csv").write_bytes(b"my age,income\n1,2\n3,\n")
    both = on_both("in/", "--max-rejects", "100%")
    assert both.spark.code == both.local.code == 0, both.spark.stderr
    assert both.same
    assert both.spark.data["rows"] == {"in": 6, "out": 4, "rejected": 2}


def test_many_pieces_of_one_file(folder: Path, on_both: OnBoth, spark: object) -> None:
    """A file that Spark cuts into many pieces has one header, and each of its rows once."""
    rows = b"".join(b"%d,%d,%d,Porto\n" % (row, row % 90, row % 7) for row in range(20_000))
    (folder / "in.csv").write_bytes(HEAD + rows)
    spark.conf.set("spark.sql.files.maxPartitionBytes", "20000")  # type: ignore[attr-defined]
    spark.conf.set("spark.sql.files.openCostInBytes", "1000")  # type: ignore[attr-defined]
    try:
        both = on_both("in.csv")
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")  # type: ignore[attr-defined]
        spark.conf.unset("spark.sql.files.openCostInBytes")  # type: ignore[attr-defined]
    assert both.same
    assert len(both.lines[1]) == 20_001
    assert len(list(folder.glob("spark*/part-*"))) > 5


REFUSED = {
    "empty": b"",
    "no such column": b"id,income,city\n1,2,Porto\n",
    "a column twice": b"my age,income,city,city\n1,2,Porto,Porto\n",
    "a quote that is never closed": HEAD + b'"1,2,3,Porto\n',
    "Parquet": b"PAR1PAR1",
}


@pytest.mark.parametrize("written", cases({name: (written,) for name, written in REFUSED.items()}))
def test_what_the_local_engine_refuses_is_refused(folder: Path, on_both: OnBoth, written: bytes) -> None:
    """With the same exit code and the same name for it, and nothing is written."""
    (folder / "in.csv").write_bytes(written)
    both = on_both("in.csv")
    assert (both.spark.code, both.spark.data["error"]["code"]) == (3, both.local.data["error"]["code"])
    assert not list(folder.glob("spark*"))
