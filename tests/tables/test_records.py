"""Records are cut and split as Python's csv module reads them, and nothing disappears in a broken one."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlship.tables import records
from tests.tables.strategies import WELL_FORMED, WILD


def read(text: str, width: int) -> records.Records:
    """Split a text whose last line may lack its end."""
    data = text.encode()
    data = data if data.endswith(b"\n") or not data else data + b"\n"
    return records.split(data, records.survey(data).ends.tolist(), width)


@given(WELL_FORMED, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_well_formed_records_are_those_of_the_csv_module(rows: list[list[str]], end: str, last_end: bool) -> None:
    """Fields, row by row, are what Python's csv module reads, with LF or CRLF and with or without the last one."""
    text = end.join(",".join(row) for row in rows) + (end if last_end else "")
    for width in (1, 2, 3):
        found = read(text, width)
        expected = [row or [""] for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
        wanted = [row for row in expected if len(row) == width]
        assert [fields for fields in found.fields if fields is not None] == wanted


@given(WILD, st.integers(1, 3))
def test_every_byte_belongs_to_one_row(text: str, width: int) -> None:
    """Rows begin in order, none twice, each at a line's start, and those without fields have a reason."""
    data = text.encode()
    found = read(text, width)
    assert found.starts == sorted(set(found.starts))
    starts = {0} | {at + 1 for at, byte in enumerate(data) if byte == ord("\n")}
    assert set(found.starts) <= starts
    assert len(found.starts) == len(found.fields)
    assert {row for row, fields in enumerate(found.fields) if fields is None} == set(found.bad)


def marks_one_by_one(text: str) -> tuple[list[int], bool]:
    """Return the places of separators and line feeds outside quotes, and whether the text ends inside, byte by byte."""
    marks: list[int] = []
    state = "field start"
    data = text.encode()
    for at, code in enumerate(data):
        byte = bytes([code])
        if state == "quoted":
            state = "after quote" if byte == b'"' else "quoted"
        elif byte == b'"' and state in ("field start", "after quote"):
            state = "quoted"
        elif byte in (b",", b"\n"):
            marks.append(at)
            state = "field start"
        else:
            state = "plain"
    return marks, state == "quoted"


@given(WILD)
def test_quotes_are_paired_as_if_read_byte_by_byte(text: str) -> None:
    """Separators and line ends are told from text in quotes, however wildly the quotes stand."""
    found = records.survey(text.encode())
    assert (found.marks.tolist(), found.open) == marks_one_by_one(text)


@pytest.mark.parametrize(
    ("text", "width", "shaped"),
    [
        pytest.param("a,b\nc,d\n", 2, True, id="all of the width"),
        pytest.param("a\nb\n", 1, True, id="one column"),
        pytest.param("a,b\nc\nd,e,f\n", 2, False, id="a short row and a long one cancel out in number only"),
        pytest.param("a,b,c\nd\n", 2, False, id="a long row and a short one"),
        pytest.param("a\nb\n", 2, False, id="short rows that make up whole ones"),
        pytest.param("a,b\n\nc,d\n", 2, False, id="an empty line"),
        pytest.param("a,b\nc,d", 2, False, id="no end of the last line"),
        pytest.param('"a,x",b\n"c\n",d\n', 2, True, id="separator and line feed in quotes"),
    ],
)
def test_shape(text: str, width: int, shaped: bool) -> None:
    """Every record is looked at for its number of fields."""
    assert records.survey(text.encode()).has_shape(width) is shaped


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        pytest.param("a,b\nc\n", [None, "wrong_field_count"], id="short"),
        pytest.param("a,b\nc,d,e\n", [None, "wrong_field_count"], id="long"),
        pytest.param("a,b\n  \n", [None, "wrong_field_count"], id="only spaces"),
        pytest.param("a,b\rc\nd,e\n", ["bad_encoding", None], id="carriage return within a line"),
        pytest.param("a,b\r\r\nd,e\n", ["bad_encoding", None], id="two carriage returns at a line's end"),
        pytest.param('"a"\r,b\nd,e\n', ["bad_encoding", None], id="carriage return after a quote"),
        pytest.param('a,"b"\r\r\nd,e\n', ["bad_encoding", None], id="two carriage returns after a quote"),
        pytest.param('"a"x,b\n', [None], id="text after a closing quote, as the csv module reads it"),
        pytest.param('5" pipe,b\n', [None], id="a quote within a text"),
    ],
)
def test_single_records(text: str, codes: list[str | None]) -> None:
    """A record that cannot be read is one row with its reason; its neighbours are read."""
    found = read(text, 2)
    assert [found.bad.get(row) for row in range(len(found.fields))] == codes


def test_invalid_utf8_refuses_its_row_only() -> None:
    """Bytes that are not UTF-8 refuse the row they stand in."""
    found = records.split(b"a,b\n\xff,c\nd,e\n", [3, 7, 11], 2)
    assert found.fields == [["a", "b"], None, ["d", "e"]]
    assert found.bad == {1: "bad_encoding"}


@pytest.mark.parametrize("text", ['a,"b\nc,d\ne,f",g\nh,i\n', 'a,"b\nc,d\ne,f"g\nh,i\n'])
def test_a_quote_that_swallows_lines_refuses_each_of_them(text: str) -> None:
    """A broken record of three lines is three refused rows, and the record after it is read."""
    found = read(text, 2)
    assert found.bad == dict.fromkeys((0, 1, 2), "wrong_field_count")
    assert found.starts == [0, 5, 9, text.index("h,i")]
    assert found.fields[3] == ["h", "i"]


def test_fields_longer_than_the_csv_modules_own_bound_are_read() -> None:
    """A quoted field of 20 MB is read whole."""
    long = "x" * 20_000_000
    assert read(f'"{long}",b\n', 2).fields == [[long, "b"]]


@given(st.binary(max_size=300), st.sampled_from([b",\n", b"\x00\xff", b"aa"]), st.integers(1, 20))
def test_bytes_are_counted_as_python_counts_them(data: bytes, codes: bytes, window: int) -> None:
    """In windows of any length each byte is counted where it stands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_WINDOW", window)
        assert records.counted(data, *codes) == [data.count(bytes([code])) for code in codes]
    assert records.counted(1000 * data, *codes) == [1000 * data.count(bytes([code])) for code in codes]
