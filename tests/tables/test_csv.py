"""CSV files become the rows that Python's csv module reads, or are refused with the cause; never anything else."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlship.errors import InputRefused, UsageError
from mlship.model.signature import Output
from mlship.tables import records
from mlship.tables.contract import Chunk, Wanted
from mlship.tables.csv import CsvSource
from mlship.tables.csv_encoder import CsvEncoder
from mlship.tables.csv_rows import CsvRows
from mlship.tables.csv_typed import NO_SIGNATURE
from mlship.tables.dialect import NOTHING_TOLD, Dialect, Told
from mlship.tables.streams import LocalFile
from tests.tables.strategies import WELL_FORMED, WILD

Row = tuple[int | None, tuple[str | None, ...] | str]
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def put(folder: Path, data: bytes | str) -> Path:
    """Write a file and return its path."""
    path = folder / "input.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def opened(path: Path, chunk_size: int, told: Told = NOTHING_TOLD) -> contextlib.closing[CsvSource]:
    """Open a file for the length of a `with` block."""
    return contextlib.closing(CsvSource(LocalFile(path), chunk_size, told))


def kept(source: CsvSource, chunk: Chunk, columns: Sequence[str]) -> tuple[CsvRows, pl.DataFrame]:
    """Read columns of a chunk as the texts that they are."""
    rows = source.read(chunk, Wanted(NO_SIGNATURE, keep=tuple(columns)))
    return rows, rows.kept(np.ones(rows.count, dtype=np.bool_))


def rows_in(source: CsvSource) -> list[Row]:
    """Return for each row where it begins and its fields, or the reason why it has none."""
    found: list[Row] = []
    for chunk in source.plan():
        rows, frame = kept(source, chunk, source.columns)
        bad = rows.refused
        found += [(rows.byte(row), bad.get(row) or frame.row(row)) for row in range(rows.count)]
    return found


def rows_of(path: Path, chunk_size: int, told: Told = NOTHING_TOLD) -> list[Row]:
    """Return the rows of a file, as `rows_in` does."""
    with opened(path, chunk_size, told) as source:
        return rows_in(source)


def header(width: int) -> str:
    """Return a header of so many columns."""
    return ",".join(f"c{index}" for index in range(width)) + "\n"


@SAME_FOLDER
@given(rows=WELL_FORMED, width=st.integers(1, 3), end=st.sampled_from(["\n", "\r\n"]), size=st.integers(1, 200))
def test_rows_are_those_of_the_csv_module(
    tmp_path: Path, rows: list[list[str]], width: int, end: str, size: int
) -> None:
    """Row by row, a random file holds what the csv module reads in it, an empty text being null."""
    body = end.join(",".join(row) for row in rows)
    found = rows_of(put(tmp_path, header(width) + body), size, Told(delimiter=","))
    expected = [row or [""] for row in csv.reader(io.StringIO(body, newline=""), strict=True)]
    wanted = [tuple(text or None for text in row) for row in expected if len(row) == width]
    assert [fields for _, fields in found if not isinstance(fields, str)] == wanted


@SAME_FOLDER
@given(body=WILD, width=st.integers(1, 3), sizes=st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_chunks_do_not_change_rows(tmp_path: Path, body: str, width: int, sizes: tuple[int, int]) -> None:
    """Whatever the chunk size, the same rows begin at the same bytes, or the same refusal comes."""
    path = put(tmp_path, header(width) + body)
    found = []
    for size in (*sizes, 10_000):
        try:
            found.append(rows_of(path, size))
        except InputRefused as error:
            found.append([(0, error.code)])
    assert found[0] == found[1] == found[2]


@SAME_FOLDER
@given(body=WILD.filter(lambda text: not records.survey(text.encode()).open), width=st.integers(1, 3))
def test_quick_and_slow_reading_agree(tmp_path: Path, body: str, width: int) -> None:
    """What Polars reads in a regular chunk is, text by text, what reading record by record gives."""
    text = header(width) + body
    data = body.encode() if not body or body.endswith("\n") else body.encode() + b"\n"
    slow = records.split(data, records.survey(data).ends.tolist(), width)
    offset = len(header(width))
    expected = [
        (offset + start, slow.bad.get(row) or tuple(text or None for text in fields or ()))
        for row, (start, fields) in enumerate(zip(slow.starts, slow.fields, strict=True))
    ]
    assert rows_of(put(tmp_path, text), 10_000) == expected


@pytest.mark.parametrize(
    ("body", "quick"),
    [
        pytest.param("1,a\n2,b\n", True, id="plain"),
        pytest.param("1,a\r\n2,b\r\n", True, id="CRLF"),
        pytest.param('1,"a,""b"""\n2,b\n', True, id="quotes"),
        pytest.param("1,é\n", True, id="UTF-8"),
        pytest.param('1,"a\nb"\n', False, id="line feed in quotes"),
        pytest.param("1,a\n2\n", False, id="short row"),
        pytest.param("1,5\"\n", False, id="quote within a text"),
        pytest.param("\ufeff1,a\n", False, id="byte order mark at a chunk's start"),
    ],
)  # fmt: skip
def test_regular_chunks_are_read_by_polars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, quick: bool
) -> None:
    """Polars reads what is regular, so that the tests of agreement do compare two ways of reading."""
    slow: list[int] = []
    split = records.split

    def watched(data: bytes, ends: list[int], width: int, dialect: Dialect) -> records.Records:
        slow.append(len(data))
        return split(data, ends, width, dialect)

    with opened(put(tmp_path, header(2) + body), 1000) as source:
        monkeypatch.setattr(records, "split", watched)
        rows_in(source)
    assert bool(slow) is not quick


def test_an_empty_line_is_a_row_only_where_there_is_one_column(tmp_path: Path) -> None:
    """Empty lines are passed over in a wide file and are null in a narrow one, also at the end."""
    wide = rows_of(put(tmp_path, "a,b\n\n1,2\n\n\r\n3,4\n\n"), 4)
    assert [fields for _, fields in wide] == [("1", "2"), ("3", "4")]
    narrow = rows_of(put(tmp_path, 'a\n\n1\n\r\n""\n2'), 4)
    assert [fields for _, fields in narrow] == [(None,), ("1",), (None,), (None,), ("2",)]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("before", [b"", b"\n", b"\r\n\n"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_headers(tmp_path: Path, mark: bytes, before: bytes, end: bytes) -> None:
    """A header may follow a byte order mark and empty lines, and its names may be quoted and hold anything."""
    names = "my age,São é,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",,^x$,*".encode()  # fmt: skip
    path = put(tmp_path, mark + before + names + end + b"1,2,3,4,5,6,7,8")
    with opened(path, 1000) as source:
        assert source.columns == ("my age", "São é", "a,b", 'say "hi"', "two\nlines", "", "^x$", "*")
        assert [fields for _, fields in rows_in(source)] == [tuple("12345678")]
        assert kept(source, next(source.plan()), ("*", "^x$"))[1].row(0) == ("8", "7")


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", b"a,b\r\n", b"a,b\n\n\n", b"\xef\xbb\xbfa,b\n"])
def test_a_header_alone_has_no_rows(tmp_path: Path, data: bytes) -> None:
    """A file of a header has columns and no rows."""
    with opened(put(tmp_path, data), 1000) as source:
        assert source.columns == ("a", "b")
        assert rows_in(source) == []


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        pytest.param(b"", "empty_input", "is empty", id="no bytes"),
        pytest.param(b"\n\r\n", "empty_input", "is empty", id="empty lines"),
        pytest.param(b"\xef\xbb\xbf", "empty_input", "is empty", id="byte order mark alone"),
        pytest.param("a,b\n1,2\n".encode("utf-16-le"), "not_utf8", "NUL", id="UTF-16 without mark, little end"),
        pytest.param("a,b\n1,2\n".encode("utf-16-be"), "not_utf8", "NUL", id="UTF-16 without mark, big end"),
        pytest.param("Größe,b\n1,2\n".encode("latin-1"), "not_utf8", "not in UTF-8", id="Latin-1"),
        pytest.param(b"a,b\r1,2\r", "carriage_returns", "carriage return", id="CR only"),
        pytest.param(b"a,b,a\n1,2,3\n", "duplicate_columns", "'a' more than once", id="a name twice"),
        pytest.param(b'a,"b\n1,2\n', "unclosed_quote", "no end to its header", id="quote never closed"),
        pytest.param(b'"a\nb"c\r"d",e\n', "carriage_returns", "carriage return", id="quotes astray and CR"),
        pytest.param(b"PAR1....PAR1", "not_csv", "a Parquet file", id="Parquet"),
        pytest.param(b"PK\x03\x04....", "not_csv", "a spreadsheet", id="xlsx"),
        pytest.param(b"\x1f\x8b\x08....", "not_csv", "gzip", id="gzip"),
        pytest.param(b"\x28\xb5\x2f\xfd....", "not_csv", "Zstandard", id="zstd"),
    ],
)
def test_files_that_are_no_csv_are_refused(tmp_path: Path, data: bytes, code: str, said: str) -> None:
    """What is no CSV in UTF-8 is refused with the cause and what to do."""
    with pytest.raises(InputRefused) as caught:
        CsvSource(LocalFile(put(tmp_path, data)), 1000)
    assert caught.value.code == code
    assert said in caught.value.message
    assert "input.csv" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("size", [5, 10_000])
def test_a_mark_tells_the_encoding(tmp_path: Path, encoding: str, size: int) -> None:
    """Files in UTF-8, UTF-16 and UTF-32 that begin with a mark are read as the texts that they are."""
    text = 'a,Größe\r\n1,é\r\n"x\r\ny",😀\r\n'
    assert [fields for _, fields in rows_of(put(tmp_path, text.encode(encoding)), size)] == [
        ("1", "é"),
        ("x\r\ny", "😀"),
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16-be", "shift_jis"])
def test_an_encoding_can_be_told(tmp_path: Path, encoding: str) -> None:
    """Texts without a mark are read in the encoding that the user names."""
    text = "a,b\n1,ﾃﾞ\n" if encoding == "shift_jis" else "a,Größe\n1,é\n"
    expected = tuple(text.split("\n")[1].split(","))
    assert [fields for _, fields in rows_of(put(tmp_path, text.encode(encoding)), 4, Told(encoding=encoding))] == [
        expected
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_by_the_columns_sought(tmp_path: Path, delimiter: str) -> None:
    """That delimiter is taken by which most of the model's columns are found, whatever else the names hold."""
    path = put(tmp_path, delimiter.join(["age", '"x;y,z|t\n,"', "city"]) + "\n" + delimiter.join("123") + "\n")
    for told in (Told(sought=frozenset(("age", "city"))), Told(delimiter=delimiter)):
        with opened(path, 100, told) as source:
            assert source.columns == ("age", "x;y,z|t\n,", "city")
            assert [fields for _, fields in rows_in(source)] == [("1", "2", "3")]


def test_a_row_is_judged_as_a_whole(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 refuse their row also when they stand in a column that nobody reads."""
    with opened(put(tmp_path, b"a,b\n1,x\n2,\xff\n3,y\n"), 1000) as source:
        rows, _ = kept(source, next(source.plan()), ("a",))
    assert rows.refused == {1: "bad_encoding"}


@pytest.mark.parametrize("size", [1, 9, 10_000])
def test_a_quote_never_closed_names_row_and_byte(tmp_path: Path, size: int) -> None:
    """A quote that is open at the end is refused with the row and byte at which its record begins."""
    path = put(tmp_path, 'a,b\n1,2\n3,4\n5,"6\n7,8\n')
    with pytest.raises(InputRefused, match=r"row 3: the record that begins at byte 12") as caught:
        rows_of(path, size)
    assert caught.value.code == "unclosed_quote"


def test_a_first_record_never_closed_is_refused(tmp_path: Path) -> None:
    """The first record may be the broken one."""
    with pytest.raises(InputRefused, match="row 1: the record that begins at byte 4"):
        rows_of(put(tmp_path, 'a,b\n"1,2\n'), 2)


def test_a_file_that_shrinks_is_refused(tmp_path: Path) -> None:
    """A file cut short after it was opened is noticed."""
    path = put(tmp_path, "a,b\n" + "1,2\n" * 1_000_000)
    with opened(path, 1 << 20) as source:
        last = list(source.plan())[-1]
    with opened(path, 1 << 20) as source:
        os.truncate(path, 2_000_000)
        with pytest.raises(InputRefused, match="became shorter"):
            source.read(replace(last, data=None), Wanted(NO_SIGNATURE))
        with pytest.raises(InputRefused, match="became shorter") as caught:
            rows_in(source)
    assert caught.value.code == "input_changed"


def test_a_plan_depends_on_bytes_and_chunk_size_only(tmp_path: Path) -> None:
    """Chunks lie side by side, begin after the header, and come out the same every time."""
    body = "".join(f"{row},{row * row}\n" for row in range(200))
    with opened(put(tmp_path, "a,b\n" + body), 100) as source:
        chunks = list(source.plan())
        assert chunks == list(source.plan())
        assert list(source.plan(chunks[4].stop, 5)) == chunks[5:]
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.start for chunk in chunks] == [4, *(chunk.stop for chunk in chunks[:-1])]
    assert chunks[-1].stop == source.total
    assert all(chunk.stop - chunk.start <= 100 for chunk in chunks)
    assert len(chunks) < 40


OUTPUTS = (
    Output("p", "string", "label", "p"),
    Output("s", "float64", "score", "s"),
    Output("n", "int64", "raw", "n"),
    Output("b", "bool", "raw", "b"),
)
FLOATS = [0.1, -0.0, 1e300, 5e-324, 1e16, 123456789.123, 1 / 3, 2.0**63, math.inf, -math.inf, math.nan]


def test_outputs_read_back_as_the_same_values(tmp_path: Path) -> None:
    """Floats have their shortest form that reads back as the same bits, NaN is NaN, texts are quoted where needed."""
    path = tmp_path / "out.csv"
    texts = ["plain", "a,b", 'say "hi"', "two\nlines", "c\rd", " padded ", "", "São", "NA", "001", "#"]
    kept = pl.DataFrame({"kept": ["1.50", "007", None, "a,b", '"', "NULL", "1e5", "\n", "é", " ", "-0"]})
    encoder = CsvEncoder(kept.clear(), OUTPUTS)
    labels = np.array(texts, dtype=object)
    arrays = {"p": labels, "s": np.array(FLOATS), "n": np.arange(11) - 5, "b": np.arange(11) % 2 == 0}
    path.write_bytes(encoder.head() + encoder.rows(kept, arrays))
    assert encoder.file(kept, arrays) == path.read_bytes()
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["kept", "p", "s", "n", "b"]
    assert [row[0] for row in rows[1:]] == [text or "" for text in kept["kept"].to_list()]
    assert [row[1] for row in rows[1:]] == texts
    assert [float(row[2]).hex() for row in rows[1:]] == [value.hex() for value in FLOATS]
    assert [row[2] for row in rows[1:]][-1] == "NaN"
    assert [row[3] for row in rows[1:]] == [str(number) for number in range(-5, 6)]
    assert [row[4] for row in rows[1:]] == ["true", "false"] * 5 + ["true"]
    assert path.read_bytes().startswith(b"kept,p,s,n,b\n1.50,plain,0.1,-5,true\n")


def test_outputs_alone_are_written_without_kept_columns() -> None:
    """With no kept column an empty label does not become an empty line."""
    encoder = CsvEncoder(pl.DataFrame(), OUTPUTS[:1])
    assert encoder.file(pl.DataFrame(), {"p": np.array(["a", ""], dtype=object)}) == b'p\na\n""\n'


@pytest.mark.parametrize(
    "dtype", [pl.List(pl.Int8), pl.Struct({"a": pl.Int8}), pl.Binary(), pl.Duration("us"), pl.Array(pl.Int8, 2)]
)
def test_columns_that_csv_cannot_hold_are_refused(dtype: pl.DataType) -> None:
    """A kept column without a form in CSV is refused before anything is written, with the column's name."""
    with pytest.raises(UsageError, match="'odd'") as caught:
        CsvEncoder(pl.DataFrame(schema={"fine": pl.Int8, "odd": dtype}), OUTPUTS)
    assert "--keep" in (caught.value.hint or "")
