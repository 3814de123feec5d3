"""Numbers read straight out of CSV are what reading their texts gives: values to the bit, and reasons."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlship.model.signature import NULL_TOKENS, Column, Signature, Tensor
from mlship.model.values.codes import Coerced
from mlship.tables.contract import Wanted
from mlship.tables.csv import CsvSource
from mlship.tables.csv_typed import Typed
from mlship.tables.dialect import Dialect, Told
from mlship.tables.streams import LocalFile

SAME_FOLDER = settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=150)
TENSORS = {"float32": "float32", "string": "string", "category": "string"}
# Texts by what is odd about them: few kinds at a time, so that one odd text stands among ordinary ones.
KINDS: dict[str, tuple[str, ...]] = {
    "plain": ("0", "1", "-2.5", "3.25", "10", "7e2", "123456.789"),
    "empty": ("",),
    "signs": ("+1", "+.5", "-.5", "--1", "+-1", "-", "+", "- 1"),
    "points": ("1.", ".5", ".", "1.2.3", "-.", "1,5", "-0,25", "1,5e3", "1.234,5", "1,2,3", ",5", "5,"),
    "exponents": ("1e5", "1E-3", "1e", "e5", "1e+", "1e400", "-1e400", "1e-400", "1e308", "4.9e-324", "1e0005"),
    "single": ("1e39", "-3.5e38", "3.4028235e38", "3.4028236e38", "1e-46", "16777217", "0.1"),
    "infinite": ("inf", "-inf", "Infinity", "+inf", "INF", "infinity", "in", "infx"),
    "nan": ("nan", "NaN", "-nan", "NAN", "+nan", "nan(1)"),
    "tokens": (*NULL_TOKENS, "na", "Null"),
    "spaces": (" 1", "1 ", " ", "  ", "1 2", "\u00a01", "1\u00a0", "\u3000", " NA"),
    "tabs": ("\t1", "1\t", "\t"),
    "huge": ("9" * 30, "0." + "1" * 60, "9007199254740993", "9007199254740992", "-9007199254740993", "0" * 40 + "7"),
    "integers": ("9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616"),
    "integral": ("3.0", "3.00", "-0", "-0.0", "0.0", "1e3", "3.5", "007", "3.0000000000000001", "-3."),
    "no numbers": ("0x10", "1_000", "true", "FALSE", "1f", "1d", "\u0661", "abc", "é", "1é"),
    "dates": ("2024-02-29", "2024-02-30", "20240229", "2024-2-9"),
    "told": ("-999", "-999.0", "missing", "a", "1.5"),
    "NUL": ("\0", "1\0"),
    "marks": ("\ufeff1", "\ufeff", "1\ufeff"),
}  # fmt: skip
DTYPES = ("float64", "float32", "int64", "category", "string", "bool", "date")


@st.composite
def columns(draw: st.DrawFn) -> tuple[Column, ...]:
    """Return two to four columns, the first one of numbers."""
    found = []
    for place in range(draw(st.integers(2, 4))):
        dtype = draw(st.sampled_from(DTYPES[:3] if place == 0 else DTYPES))
        strict = draw(st.booleans())
        more: dict[str, Any] = {"nullable": draw(st.booleans())}
        if dtype == "category":
            more |= {"categories": ("a", "NA", "", "1.5"), "unknown": not strict}
        elif dtype in DTYPES[:3]:
            more |= {"finite": strict, "exact": draw(st.booleans()) and dtype != "float32"}
        found.append(Column(f"c{place}", dtype, f"t{place}", **more))
    return tuple(found)


def signature_of(columns: tuple[Column, ...]) -> Signature:
    """Return the signature of columns with a tensor each."""
    tensors = tuple(Tensor(column.tensor, TENSORS.get(column.dtype, "float64")) for column in columns)
    return Signature(columns, tensors, ())


@st.composite
def tables(draw: st.DrawFn, width: int, delimiter: str) -> str:
    """Return rows of texts of a few kinds, some too short, too long, empty or quoted."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3))
    pool = [text for kind in (*kinds, "plain") for text in KINDS[kind] if delimiter not in text and "\0" not in text]
    odd = draw(st.sampled_from(["", "", "", "ragged", "quotes", "NUL"]))
    ends = draw(st.sampled_from(["\n", "\r\n"]))
    rows = []
    for _ in range(draw(st.integers(0, 9))):
        row = [draw(st.sampled_from(pool)) for _ in range(width)]
        if odd and draw(st.integers(0, 3)) == 0:
            row = {
                "ragged": draw(st.sampled_from([row[:-1], [*row, ""], [*row, "1"], [], [""] * width])),
                "quotes": [f'"{text}"' for text in row],
                "NUL": ["1\0", *row[1:]],
            }[odd]
        rows.append(delimiter.join(row))
    return ends.join(rows) + (ends if draw(st.booleans()) else "")


def bits(found: Coerced) -> tuple[Any, ...]:
    """Return everything in it in a form in which NaN equals NaN and -0.0 does not equal 0.0."""
    values = {
        name: (array.dtype, array.tolist() if array.dtype == object else array.tobytes())
        for name, array in found.columns.items()
    }
    return found.rows, values, found.errors


@SAME_FOLDER
@given(
    data=st.data(),
    wanted=columns(),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    comma=st.booleans(),
    null=st.sampled_from([(), (), ("-999",), ("0", "a"), ("-0",), ("missing",), ("1,5",), ("3.5", "NA")]),
)
def test_values_and_reasons_are_those_of_reading_texts(
    tmp_path: Path,
    data: st.DataObject,
    wanted: tuple[Column, ...],
    delimiter: str,
    comma: bool,
    null: tuple[str, ...],
) -> None:
    """Chunk by chunk, numbers read at once equal those read by way of texts, and so do rows, bytes and kept texts."""
    names = tuple(column.name for column in wanted)
    path = tmp_path / "in.csv"
    path.write_bytes((delimiter.join(names) + "\n" + data.draw(tables(len(names), delimiter))).encode())
    signature = signature_of(wanted)
    keep = data.draw(st.sampled_from([(), names[-1:]]))
    told = Told(delimiter=delimiter, decimal_comma=comma)
    size = data.draw(st.sampled_from([1, 7, 20, 60, 10_000]))
    with contextlib.closing(CsvSource(LocalFile(path), size, told)) as source:
        for chunk in source.plan():
            quick = source.read(chunk, Wanted(signature, keep, null=null))
            slow = source.read(chunk, Wanted(signature, keep, others=names, null=null))  # texts of which more is wanted
            found = slow.coerced()
            assert bits(quick.coerced()) == bits(found)
            assert quick.refused == slow.refused
            assert [quick.byte(row) for row in range(quick.count)] == [slow.byte(row) for row in range(slow.count)]
            accepted = found.accepted
            assert quick.kept(accepted).equals(slow.kept(accepted))


NUMBERS = (Column("a", "float64", "t0"), Column("b", "int64", "t1"), Column("c", "float32", "t2"))
MIXED = (*NUMBERS[:2], Column("c", "category", "t2", categories=("x", "NA"), unknown=False))


@pytest.mark.parametrize(
    ("columns", "text", "taken"),
    [
        pytest.param(NUMBERS, "1.5,2,3\n-0.0,3.0,1e5\n", True, id="numbers"),
        pytest.param(NUMBERS, "1.5,2,3\r\n2,3,4\r\n", True, id="CRLF"),
        pytest.param(NUMBERS, "1.5,,3\n,3,\n", True, id="nulls"),
        pytest.param(NUMBERS, "1.5,NA,3\nNULL,3,nan\n", True, id="null tokens"),
        pytest.param(MIXED, "1.5,2,x\n2,3,NA\n", True, id="texts beside numbers"),
        pytest.param(MIXED, "1.5,NA,x\n2,3,NA\n", True, id="a token that is a category too"),
        pytest.param(MIXED, "1.5,2,São\n2,3,é\n", True, id="texts that are not ASCII"),
        pytest.param(NUMBERS, '1.5,2,"3"\n', False, id="quotes"),
        pytest.param(NUMBERS, "1.5,2,3\n1,2\n", False, id="a short row"),
        pytest.param(NUMBERS, "1,2,3\n1,2\n1,2,3,4\n", False, id="a short row and a long one"),
        pytest.param(NUMBERS, "1,2,3\n\n1,2,3\n", False, id="an empty line"),
        pytest.param(NUMBERS, "x,2,3\n", False, id="no number"),
        pytest.param(NUMBERS, "1e400,2,3\n", False, id="past float64"),
        pytest.param(NUMBERS, "1,2,1e39\n", False, id="past float32"),
        pytest.param(NUMBERS, "1,9007199254740993,3\n", False, id="an integer that float64 does not hold"),
        pytest.param(NUMBERS, "1,2.5,3\n", False, id="no integer"),
        pytest.param(NUMBERS, "1, ,3\n", False, id="spaces only"),
        pytest.param(NUMBERS, "1,2,3\r4,5,6\n", False, id="a carriage return in a line"),
    ],
)
def test_ordinary_chunks_are_read_at_once(columns: tuple[Column, ...], text: str, taken: bool) -> None:
    """What is ordinary goes the quick way, so that the test of agreement compares two ways; what is odd does not."""
    typed = Typed(("a", "b", "c"), Dialect())
    assert (typed.frame(text.encode(), Wanted(signature_of(columns))) is not None) is taken


def test_decimal_commas_are_read_at_once() -> None:
    """Numbers with commas go the quick way too."""
    typed = Typed(("a", "b", "c"), Dialect(delimiter=";", decimal_comma=True))
    frame = typed.frame(b"1,5;2;3,25\n-0,0;;1e5\n", Wanted(signature_of(NUMBERS)))
    assert frame is not None
    assert np.signbit(frame["a"][1])
    assert frame["a"].to_list() == [1.5, 0.0]
    assert frame["c"].to_list() == [3.25, 1e5]


@pytest.mark.parametrize("keep", [("a",), ()])
def test_kept_columns_stay_texts(keep: tuple[str, ...]) -> None:
    """A number that is carried along is read as the text that it is; the others are still read at once."""
    typed = Typed(("a", "b", "c"), Dialect())
    frame = typed.frame(b"1.50,2,3\n", Wanted(signature_of(NUMBERS), keep))
    assert frame is not None
    assert frame["a"].to_list() == (["1.50"] if keep else [1.5])
    assert frame["c"].to_list() == [3.0]
