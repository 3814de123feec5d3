"""CSV files become the rows that Python's csv module reads, or are refused with the cause; never anything else."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlship.errors import InputRefused, UsageError
from mlship.model.signature import Output
from mlship.tables import records
from mlship.tables.csv import CsvSink, CsvSource
from tests.tables.strategies import WELL_FORMED, WILD

Row = tuple[int, tuple[str | None, ...] | str]
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def put(folder: Path, data: bytes | str) -> Path:
    """Write a file and return its path."""
    path = folder / "input.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def rows_of(source: CsvSource) -> list[Row]:
    """Return for each row where it begins and its fields, or the reason why it has none."""
    found: list[Row] = []
    for chunk in source.plan():
        rows = source.read(chunk, source.columns)
        frame = rows.kept(source.columns, np.ones(rows.count, dtype=np.bool_))
        bad = rows.refused
        found += [(rows.byte(row), bad.get(row) or frame.row(row)) for row in range(rows.count)]
    return found


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
    source = CsvSource(put(tmp_path, header(width) + body), size)
    expected = [row or [""] for row in csv.reader(io.StringIO(body, newline=""), strict=True)]
    wanted = [tuple(text or None for text in row) for row in expected if len(row) == width]
    assert [fields for _, fields in rows_of(source) if not isinstance(fields, str)] == wanted


@SAME_FOLDER
@given(body=WILD, width=st.integers(1, 3), sizes=st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_chunks_do_not_change_rows(tmp_path: Path, body: str, width: int, sizes: tuple[int, int]) -> None:
    """Whatever the chunk size, the same rows begin at the same bytes, or the same refusal comes."""
    path = put(tmp_path, header(width) + body)
    found = []
    for size in (*sizes, 10_000):
        try:
            found.append(rows_of(CsvSource(path, size)))
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
    assert rows_of(CsvSource(put(tmp_path, text), 10_000)) == expected


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

    def watched(data: bytes, ends: list[int], width: int) -> records.Records:
        slow.append(len(data))
        return split(data, ends, width)

    monkeypatch.setattr(records, "split", watched)
    rows_of(CsvSource(put(tmp_path, header(2) + body), 1000))
    assert bool(slow) is not quick


def test_an_empty_line_is_a_row_only_where_there_is_one_column(tmp_path: Path) -> None:
    """Empty lines are passed over in a wide file and are null in a narrow one, also at the end."""
    wide = CsvSource(put(tmp_path, "a,b\n\n1,2\n\n\r\n3,4\n\n"), 4)
    assert [fields for _, fields in rows_of(wide)] == [("1", "2"), ("3", "4")]
    narrow = CsvSource(put(tmp_path, 'a\n\n1\n\r\n""\n2'), 4)
    assert [fields for _, fields in rows_of(narrow)] == [(None,), ("1",), (None,), (None,), ("2",)]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("before", [b"", b"\n", b"\r\n\n"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_headers(tmp_path: Path, mark: bytes, before: bytes, end: bytes) -> None:
    """A header may follow a byte order mark and empty lines, and its names may be quoted and hold anything."""
    names = "my age,São é,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",,^x$,*".encode()  # fmt: skip
    path = put(tmp_path, mark + before + names + end + b"1,2,3,4,5,6,7,8")
    source = CsvSource(path, 1000)
    assert source.columns == ("my age", "São é", "a,b", 'say "hi"', "two\nlines", "", "^x$", "*")
    assert [fields for _, fields in rows_of(source)] == [tuple("12345678")]
    assert source.read(next(source.plan()), ("*", "^x$")).kept(("*",), np.ones(1, dtype=np.bool_)).row(0) == ("8",)


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", b"a,b\r\n", b"a,b\n\n\n", b"\xef\xbb\xbfa,b\n"])
def test_a_header_alone_has_no_rows(tmp_path: Path, data: bytes) -> None:
    """A file of a header has columns and no rows."""
    source = CsvSource(put(tmp_path, data), 1000)
    assert source.columns == ("a", "b")
    assert rows_of(source) == []


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        pytest.param(b"", "empty_input", "is empty", id="no bytes"),
        pytest.param(b"\n\r\n", "empty_input", "is empty", id="empty lines"),
        pytest.param(b"\xef\xbb\xbf", "empty_input", "is empty", id="byte order mark alone"),
        pytest.param("a,b\n1,2\n".encode("utf-16"), "not_csv", "in UTF-16", id="UTF-16"),
        pytest.param("a,b\n1,2\n".encode("utf-32"), "not_csv", "in UTF-32", id="UTF-32"),
        pytest.param("a,b\n1,2\n".encode("utf-16-le"), "not_utf8", "NUL", id="UTF-16 without mark, little end"),
        pytest.param("a,b\n1,2\n".encode("utf-16-be"), "not_utf8", "NUL", id="UTF-16 without mark, big end"),
        pytest.param("Größe,b\n1,2\n".encode("latin-1"), "not_utf8", "not in UTF-8", id="Latin-1"),
        pytest.param(b"a,b\r1,2\r", "carriage_returns", "carriage return", id="CR only"),
        pytest.param(b"a,b,a\n1,2,3\n", "duplicate_columns", "'a' more than once", id="a name twice"),
        pytest.param(b'a,"b\n1,2\n', "unclosed_quote", "no end to its header", id="quote never closed"),
        pytest.param(b"PAR1....PAR1", "not_csv", "a Parquet file", id="Parquet"),
        pytest.param(b"PK\x03\x04....", "not_csv", "a spreadsheet", id="xlsx"),
        pytest.param(b"\x1f\x8b\x08....", "not_csv", "gzip", id="gzip"),
        pytest.param(b"\x28\xb5\x2f\xfd....", "not_csv", "Zstandard", id="zstd"),
    ],
)
def test_files_that_are_no_csv_are_refused(tmp_path: Path, data: bytes, code: str, said: str) -> None:
    """What is no CSV in UTF-8 is refused with the cause and what to do."""
    with pytest.raises(InputRefused) as caught:
        CsvSource(put(tmp_path, data), 1000)
    assert caught.value.code == code
    assert said in caught.value.message
    assert "input.csv" in caught.value.message
    assert caught.value.hint


def test_a_row_is_judged_as_a_whole(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 refuse their row also when they stand in a column that nobody reads."""
    source = CsvSource(put(tmp_path, b"a,b\n1,x\n2,\xff\n3,y\n"), 1000)
    rows = source.read(next(source.plan()), ("a",))
    assert rows.refused == {1: "bad_encoding"}


@pytest.mark.parametrize("size", [1, 9, 10_000])
def test_a_quote_never_closed_names_row_and_byte(tmp_path: Path, size: int) -> None:
    """A quote that is open at the end is refused with the row and byte at which its record begins."""
    source = CsvSource(put(tmp_path, 'a,b\n1,2\n3,4\n5,"6\n7,8\n'), size)
    with pytest.raises(InputRefused, match=r"row 3: the record that begins at byte 12") as caught:
        rows_of(source)
    assert caught.value.code == "unclosed_quote"


def test_a_first_record_never_closed_is_refused(tmp_path: Path) -> None:
    """The first record may be the broken one."""
    with pytest.raises(InputRefused, match="row 1: the record that begins at byte 4"):
        rows_of(CsvSource(put(tmp_path, 'a,b\n"1,2\n'), 2))


def test_a_file_that_shrinks_is_refused(tmp_path: Path) -> None:
    """A file cut short after it was opened is noticed."""
    path = put(tmp_path, "a,b\n1,2\n3,4\n")
    source = CsvSource(path, 4)
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(InputRefused, match="became shorter") as caught:
        rows_of(source)
    assert caught.value.code == "input_changed"


def test_a_plan_depends_on_bytes_and_chunk_size_only(tmp_path: Path) -> None:
    """Chunks lie side by side, begin after the header, and come out the same every time."""
    body = "".join(f"{row},{row * row}\n" for row in range(200))
    source = CsvSource(put(tmp_path, "a,b\n" + body), 100)
    chunks = list(source.plan())
    assert chunks == list(source.plan())
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
    sink = CsvSink(path, kept.clear(), OUTPUTS)
    labels = np.array(texts, dtype=object)
    arrays = {"p": labels, "s": np.array(FLOATS), "n": np.arange(11) - 5, "b": np.arange(11) % 2 == 0}
    sink.write(kept, arrays)
    sink.finish()
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


def test_outputs_alone_are_written_without_kept_columns(tmp_path: Path) -> None:
    """With no kept column an empty label does not become an empty line."""
    sink = CsvSink(tmp_path / "out.csv", pl.DataFrame(), OUTPUTS[:1])
    sink.write(pl.DataFrame(), {"p": np.array(["a", ""], dtype=object)})
    sink.finish()
    assert (tmp_path / "out.csv").read_bytes() == b'p\na\n""\n'


@pytest.mark.parametrize(
    "dtype", [pl.List(pl.Int8), pl.Struct({"a": pl.Int8}), pl.Binary(), pl.Duration("us"), pl.Array(pl.Int8, 2)]
)
def test_columns_that_csv_cannot_hold_are_refused(tmp_path: Path, dtype: pl.DataType) -> None:
    """A kept column without a form in CSV is refused before anything is written, with the column's name."""
    with pytest.raises(UsageError, match="'odd'") as caught:
        CsvSink(tmp_path / "out.csv", pl.DataFrame(schema={"fine": pl.Int8, "odd": dtype}), OUTPUTS)
    assert "--keep" in (caught.value.hint or "")
    assert list(tmp_path.iterdir()) == []
