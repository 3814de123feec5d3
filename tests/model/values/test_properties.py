"""What holds for every value there can be, found out by trying many."""

from __future__ import annotations

import json
import struct
import time
from datetime import date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlship.model.signature import NULL_TEXT, NULL_TOKENS, Signature
from mlship.model.values.codes import CODES, Coerced, array_dtype
from mlship.model.values.records import read_json_columns, read_records
from mlship.model.values.text import read_texts
from mlship.model.values.typed import TypedColumn, read_typed
from tests.model.making import one_column

SIGNATURES = [
    *(one_column(dtype) for dtype in ("bool", "int64", "float32", "float64", "string", "category", "datetime", "date")),
    *(one_column(dtype, nullable=False) for dtype in ("bool", "int64", "float64", "string", "datetime")),
    one_column("float64", finite=True, limit=1e6),
    one_column("float64", "float32", exact=True),
    one_column("float32", limit=100.0, categories=(1.0, 2.5), unknown=False),
    one_column("float64", "float16"),
    one_column("int64", exact=True),
    one_column("int64", "float32", limit=2.0**40),
    one_column("int64", "int8", nullable=False),
    one_column("int64", "uint16", nullable=False),
    one_column("int64", categories=(0, 1, 2), unknown=False),
    one_column("category", categories=("a", "NA", ""), unknown=False),
]
NUMERIC = [signature for signature in SIGNATURES if signature.inputs[0].dtype in ("float32", "float64", "int64")]
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=[]), max_size=12)  # lone surrogates too
TEXT_LIKE = st.one_of(
    ANY_TEXT,
    st.sampled_from(NULL_TOKENS),
    st.from_regex(r"\A[ \t]?[-+]?[0-9]{0,20}\.?[0-9]{0,5}([eE][-+]?[0-9]{1,3})?\Z"),
    st.datetimes().map(datetime.isoformat),
    st.dates().map(date.isoformat),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T x]?[0-9:.,+Z-]{0,20}\Z"),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT_LIKE),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=4,
)
STRING_LIKE = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1)
signatures = st.sampled_from(SIGNATURES)
unhurried = settings(deadline=None, max_examples=300)


def by_text(signature: Signature, text: str) -> Coerced:
    """Read one text."""
    return read_texts(signature, {"a": [text]}, 1)


def by_json(signature: Signature, value: Any) -> Coerced:
    """Read one JSON value, as it comes out of a parser."""
    return read_records(signature, [{"a": json.loads(json.dumps(value))}])


def by_table(signature: Signature, value: Any, dtype: Any = None) -> Coerced:
    """Read one value of a typed table."""
    array = np.empty(1, dtype=object) if isinstance(value, str) else np.array([value], dtype=dtype)
    array[0] = value
    return read_typed(signature, {"a": TypedColumn(array, np.zeros(1, dtype=bool))}, 1)


def outcome(read: Coerced) -> tuple[list[str], str, Any]:
    """Return what came of one value: its code, or the bits of its array."""
    array = read.columns["a"]
    bits = array.tolist() if array.dtype == object else array.tobytes()
    return [error.code for error in read.errors], array.dtype.str, bits


@unhurried
@given(st.floats(allow_nan=False))
@example(5e-324)
@example(-0.0)
@example(1.7976931348623157e308)
@example(0.1 + 0.2)
@example(float("-inf"))
def test_text_of_any_float_gives_the_same_bits(number: float) -> None:
    """The text that Python writes for a float is read as that float, bit for bit."""
    read = by_text(one_column("float64"), repr(number))
    assert read.errors == []
    assert read.columns["a"].tobytes() == struct.pack("=d", number)


@unhurried
@given(st.from_regex(r"\A[-+]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][-+]?[0-9]{1,2})?\Z"))
def test_decimal_text_is_rounded_as_python_rounds(text: str) -> None:
    """Any decimal number is read as the float64 nearest to it."""
    assert by_text(one_column("float64"), text).columns["a"].tobytes() == struct.pack("=d", float(text))


@unhurried
@given(st.sampled_from(NUMERIC), st.floats(allow_nan=False, allow_infinity=False))
@example(one_column("int64"), 1e16)
@example(one_column("int64"), 9.3e18)
@example(one_column("int64"), 2.0**63)
@example(one_column("int64"), -(2.0**63))
@example(one_column("int64"), -(2.0**63) - 2048)
@example(one_column("float64", "float32"), 3.5e38)
@example(one_column("float64", "float16"), 65520.0)
def test_same_float_by_every_path(signature: Signature, number: float) -> None:
    """A float comes to the same bits or the same code by text, JSON and typed table."""
    wanted = outcome(by_text(signature, repr(number)))
    assert outcome(by_json(signature, number)) == wanted
    assert outcome(by_table(signature, number)) == wanted
    assert outcome(read_json_columns(signature, {"a": [number]}, 1)) == wanted


@unhurried
@given(st.sampled_from(NUMERIC), st.integers(-(2**63) - 5, 2**64 - 1))
@example(one_column("float32"), 2**60 + 2**36 + 1)
@example(one_column("int64", exact=True), 2**63 - 1)
@example(one_column("int64"), 2**63)
@example(one_column("int64", "uint64", nullable=False), -1)
def test_same_integer_by_every_path(signature: Signature, number: int) -> None:
    """An integer comes to the same bits or the same code by text, JSON and typed table."""
    wanted = outcome(by_text(signature, str(number)))
    assert outcome(by_json(signature, number)) == wanted
    if number >= -(2**63):
        assert outcome(by_table(signature, number, np.int64 if number < 2**63 else np.uint64)) == wanted


@unhurried
@given(signatures, STRING_LIKE)
@example(one_column("string"), NULL_TEXT)
def test_same_string_by_every_path(signature: Signature, text: str) -> None:
    """A string comes to the same value or the same code by text, JSON and typed table."""
    column = signature.inputs[0]
    if column.dtype in ("string", "category") and text not in NULL_TOKENS:
        wanted = outcome(by_text(signature, text))
        assert outcome(by_json(signature, text)) == wanted
        assert outcome(by_table(signature, text)) == wanted
    elif column.dtype in ("int64", "float32", "float64"):
        assert outcome(by_json(signature, text))[0] == ["not_a_number"] == outcome(by_table(signature, text))[0]


@unhurried
@given(st.sampled_from(["datetime", "date"]), st.datetimes())
@example("date", datetime.fromisoformat("2020-01-01"))
def test_same_time_by_every_path(dtype: str, moment: datetime) -> None:
    """A time comes to the same value or the same code by text, JSON and typed table."""
    signature = one_column(dtype)
    wanted = outcome(by_text(signature, moment.isoformat()))
    assert outcome(by_json(signature, moment.isoformat(" "))) == wanted
    assert outcome(by_table(signature, np.datetime64(moment, "us"))) == wanted


@pytest.mark.parametrize("truth", [True, False])
@pytest.mark.parametrize("nullable", [True, False])
def test_same_bool_by_every_path(truth: bool, nullable: bool) -> None:
    """A bool comes to the same value by text, JSON and typed table."""
    signature = one_column("bool", nullable=nullable)
    wanted = outcome(by_text(signature, str(truth)))
    assert outcome(by_json(signature, truth)) == wanted == outcome(by_json(signature, int(truth)))
    assert outcome(by_table(signature, truth)) == wanted == outcome(by_table(signature, int(truth)))


def check_result(signature: Signature, read: Coerced, rows: int) -> None:
    """Check what holds whatever was read: sizes, dtypes, codes, and that no secret is told."""
    column = signature.inputs[0]
    array = read.columns["a"]
    assert array.dtype == array_dtype(column)
    assert array.shape == (rows,)
    assert len({error.row for error in read.errors}) == len(read.errors)
    for error in read.errors:
        assert 0 <= error.row < rows
        assert error.code in CODES
        assert error.column == "a"
        assert len(error.kind) < 40
    kept = read.accepted_columns()["a"]
    assert len(kept) == read.accepted.sum() == rows - len(read.errors)
    if array.dtype == object:
        assert all(item is None or isinstance(item, str) for item in array.tolist())
        assert column.nullable or None not in kept.tolist()


@unhurried
@given(signatures, st.lists(st.one_of(st.none(), TEXT_LIKE), max_size=4))
def test_reading_texts_never_raises(signature: Signature, texts: list[str | None]) -> None:
    """Whatever the texts are, they are read or refused."""
    check_result(signature, read_texts(signature, {"a": texts}, len(texts), ("?",)), len(texts))


@unhurried
@given(signatures, st.lists(JSON, max_size=4))
def test_reading_json_never_raises(signature: Signature, values: list[Any]) -> None:
    """Whatever the JSON values are, they are read or refused."""
    check_result(signature, read_json_columns(signature, {"a": values}, len(values)), len(values))


@unhurried
@given(signatures, st.data())
def test_reading_arrays_never_raises(signature: Signature, data: st.DataObject) -> None:
    """Whatever arrays a typed table holds, they are read or refused."""
    rows = data.draw(st.integers(0, 4))
    values = data.draw(
        st.one_of(
            arrays.arrays(arrays.scalar_dtypes(), rows),
            arrays.arrays(np.dtype(object), rows, elements=st.one_of(JSON, st.binary(max_size=3), st.dates())),
        )
    )
    nulls = data.draw(arrays.arrays(np.bool_, rows))
    check_result(signature, read_typed(signature, {"a": TypedColumn(values, nulls)}, rows), rows)


@unhurried
@given(signatures, st.text(max_size=5), st.sampled_from(["987654321", "S3CR3T", "98765.4321e300"]))
def test_no_value_is_told(signature: Signature, noise: str, secret: str) -> None:
    """No part of a value appears in what is said about it."""
    told = [
        by_text(signature, secret + noise),
        by_json(signature, secret + noise),
        by_json(signature, {secret: [secret]}),
        by_json(signature, 987654321),
        by_table(signature, secret),
        by_table(signature, 987654321.5),
    ]
    for read in told:
        assert "98765" not in repr(read.errors)
        assert "S3CR3T" not in repr(read.errors)


@pytest.mark.parametrize("part", ["1", "0", " ", "\t", ".", "-", "1.", "1e", "9:", "inf", "2020-01-01T"])
@pytest.mark.parametrize("signature", SIGNATURES[:8], ids=lambda signature: signature.inputs[0].dtype)
def test_long_texts_cost_no_more_than_their_length(part: str, signature: Signature) -> None:
    """A text made to be matched in many ways is done with at once: one field must not hang a worker."""
    text = part * 100_000 + "x"
    start = time.process_time()
    read_texts(signature, {"a": [text]}, 1)
    assert time.process_time() - start < 1.0  # the square of its length would take minutes
