"""Every reason for refusing a value, reached from every kind of input in which it can occur."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlship.model.signature import NULL_TEXT, Signature
from mlship.model.values.codes import CODES, MEANINGS, CellError, Code, Coerced
from mlship.model.values.records import read_json_columns, read_records
from mlship.model.values.text import read_texts
from mlship.model.values.typed import TypedColumn, read_typed
from tests.model.making import one_column

NOWHERE_HERE: set[Code] = {"wrong_field_count", "bad_json"}
"""What only the reader of a file's bytes can see."""

FLOAT, FLOAT32, INT, BOOL = one_column("float64"), one_column("float32"), one_column("int64"), one_column("bool")
DATE, TIME, TEXT = one_column("date"), one_column("datetime"), one_column("string")
KNOWN = one_column("category", categories=("red", "NA"), unknown=False)
KNOWN_FLOAT = one_column("float64", categories=(1.0, 2.5), unknown=False)
KNOWN_INT = one_column("int64", categories=(7, 8), unknown=False)
FINITE, SMALL = one_column("float64", finite=True), one_column("float64", limit=10.0)
EXACT, EXACT32 = one_column("int64", exact=True), one_column("float64", "float32", exact=True)
NARROW, NARROW_INT = one_column("float64", "float32"), one_column("int64", "int8", nullable=False)
NO_NULL = {dtype: one_column(dtype, nullable=False) for dtype in ("float64", "int64", "bool", "string", "date")}
DAY = np.datetime64("2020-01-01", "us")
OVERFLOW = float("1e999")  # what JSON parsers make of it

# code, signature, a value that is accepted, the value that is refused, its kind
Case = tuple[Code, Signature, Any, Any, str]

TEXTS: list[Case] = [
    ("null_not_allowed", NO_NULL["float64"], "1.5", "NA", "null"),
    ("null_not_allowed", NO_NULL["int64"], "7", "", "null"),
    ("null_not_allowed", NO_NULL["bool"], "t", "None", "null"),
    ("null_not_allowed", NO_NULL["string"], "red", "nan", "null"),
    ("null_not_allowed", NO_NULL["date"], "2020-01-01", None, "null"),
    ("not_a_number", FLOAT, "1.5", "1,5", "text, 3 characters"),
    ("not_a_number", FLOAT32, "1.5", "x", "text, 1 character"),
    ("not_a_number", INT, "7", "0x7", "text, 3 characters"),
    ("not_an_integer", INT, "7", "2.5", "text, 3 characters"),
    ("not_an_integer", INT, "7", "1e-3", "text, 4 characters"),
    ("not_a_bool", BOOL, "TRUE", "yes", "text, 3 characters"),
    ("not_a_bool", BOOL, "0", "1.0", "text, 3 characters"),
    ("not_a_date", TIME, "20200101", "1/2/20", "text, 6 characters"),
    ("not_a_date", DATE, "2020-01-01", "2020-02-30", "text, 10 characters"),
    ("not_a_date", DATE, "2020-01-01", "2020-01-01T01:00", "text, 16 characters"),
    ("not_finite", FINITE, "1.5", "inf", "a number"),
    ("not_finite", INT, "7", "-Infinity", "text, 9 characters"),
    ("out_of_range", FLOAT, "1.5", "1e999", "text, 5 characters"),
    ("out_of_range", FLOAT, "1.5", "9" * 400, "text, 400 characters"),
    ("out_of_range", FLOAT32, "1.5", "1e39", "text, 4 characters"),
    ("out_of_range", INT, "7", str(2**63), "text, 19 characters"),
    ("out_of_range", INT, "7", "1e19", "text, 4 characters"),
    ("out_of_range", INT, "7", "1e999", "text, 5 characters"),
    ("out_of_range", SMALL, "-10", "-11", "a number"),
    ("out_of_range", NARROW, "1.5", "-1e39", "a number"),
    ("out_of_range", NARROW_INT, "-128", "128", "a number"),
    ("precision_loss", EXACT, str(2**53), str(2**53 + 1), "a number"),
    ("precision_loss", EXACT, str(-(2**63)), str(2**63 - 1), "a number"),
    ("precision_loss", EXACT32, "0.5", "0.1", "a number"),
    ("unknown_category", KNOWN, "NA", "blue", "text, 4 characters"),
    ("unknown_category", KNOWN_INT, "8.0", "9", "a number"),
    ("unknown_category", KNOWN_FLOAT, "1", "9", "a number"),
    ("bad_encoding", TEXT, "red", "\ud800", "text, 1 character"),
    ("bad_encoding", KNOWN, "red", "a\udfff", "text, 2 characters"),
    ("bad_encoding", TEXT, f"{NULL_TEXT}x", NULL_TEXT, "text, 1 character"),
]
JSONS: list[Case] = [
    ("null_not_allowed", NO_NULL["float64"], 1.5, None, "null"),
    ("null_not_allowed", NO_NULL["int64"], 7, None, "null"),
    ("null_not_allowed", NO_NULL["bool"], True, None, "null"),
    ("null_not_allowed", NO_NULL["string"], "NA", None, "null"),
    ("null_not_allowed", NO_NULL["date"], "2020-01-01", None, "null"),
    ("not_a_number", FLOAT, 1.5, True, "true or false"),
    ("not_a_number", FLOAT, 1, "1", "text, 1 character"),
    ("not_a_number", FLOAT, 1, [1], "a list"),
    ("not_a_number", FLOAT32, 1, {}, "an object"),
    ("not_a_number", INT, 7, "7", "text, 1 character"),
    ("not_a_number", INT, 7, False, "true or false"),
    ("not_an_integer", INT, 7.0, 2.5, "a number"),
    ("not_a_bool", BOOL, 1, 2, "a number"),
    ("not_a_bool", BOOL, False, "true", "text, 4 characters"),
    ("not_a_bool", BOOL, 0, 0.0, "a number"),
    ("not_a_date", TIME, "2020-01-01", 5, "a number"),
    ("not_a_date", DATE, "2020-01-01", "today", "text, 5 characters"),
    ("not_a_date", DATE, "2020-01-01", "NA", "text, 2 characters"),
    ("not_a_string", TEXT, "5", 5, "a number"),
    ("not_a_string", KNOWN, "red", True, "true or false"),
    ("not_finite", FLOAT, 1.5, float("nan"), "a number"),
    ("out_of_range", FLOAT, 1.5, OVERFLOW, "a number"),
    ("out_of_range", FLOAT, 1, 10**400, "a number"),
    ("out_of_range", FLOAT, 1, -OVERFLOW, "a number"),
    ("out_of_range", FLOAT32, 1, 1e39, "a number"),
    ("out_of_range", INT, -(2**63), 2**63, "a number"),
    ("out_of_range", INT, 1e3, 1e19, "a number"),
    ("out_of_range", INT, 7, OVERFLOW, "a number"),
    ("out_of_range", SMALL, 10, 11, "a number"),
    ("out_of_range", NARROW, 1, 1e39, "a number"),
    ("out_of_range", NARROW_INT, 127, -129, "a number"),
    ("precision_loss", EXACT, 2**53 + 2, 2**53 + 1, "a number"),
    ("precision_loss", EXACT, 1, 2**63 - 1, "a number"),
    ("precision_loss", EXACT32, 0.5, 0.1, "a number"),
    ("unknown_category", KNOWN, "red", "", "text, 0 characters"),
    ("unknown_category", KNOWN_INT, 7, 9.0, "a number"),
    ("unknown_category", KNOWN_FLOAT, 2.5, 9.5, "a number"),
    ("bad_encoding", TEXT, "red", "\ud800", "text, 1 character"),
    ("bad_encoding", TEXT, "red", NULL_TEXT, "text, 1 character"),
]
TYPED: list[Case] = [
    ("null_not_allowed", NO_NULL["float64"], 1.5, np.nan, "null"),
    ("null_not_allowed", NO_NULL["int64"], 7.0, np.nan, "null"),
    ("null_not_allowed", NO_NULL["string"], "red", None, "null"),
    ("null_not_allowed", NO_NULL["date"], DAY, np.datetime64("NaT", "us"), "null"),
    ("not_an_integer", INT, 7.0, 2.5, "a number"),
    ("not_a_bool", BOOL, 1, 2, "an integer"),
    ("not_a_date", DATE, DAY, DAY + np.timedelta64(1, "h"), "a time"),
    ("not_a_string", TEXT, "red", b"red", "a value"),
    ("not_finite", FINITE, 1.5, -np.inf, "a number"),
    ("not_finite", INT, 7.0, np.inf, "a number"),
    ("out_of_range", FLOAT32, 1.5, 1e39, "a number"),
    ("out_of_range", INT, np.uint64(7), np.uint64(2**63), "an integer"),
    ("out_of_range", INT, 7.0, 1e19, "a number"),
    ("out_of_range", SMALL, 10.0, 10.5, "a number"),
    ("out_of_range", NARROW, 1.5, 1e39, "a number"),
    ("out_of_range", NARROW_INT, 7, 128, "a number"),
    ("out_of_range", TIME, np.datetime64(0, "s"), np.datetime64(2**60, "s"), "a time"),
    ("out_of_range", DATE, np.datetime64(0, "D"), np.datetime64(10**7, "D"), "a time"),
    ("out_of_range", TIME, np.datetime64("0001-01-01", "D"), np.datetime64("0000-12-31", "D"), "a time"),
    ("out_of_range", TIME, np.datetime64("9999-12-31T23:59:59", "s"), np.datetime64("10000-01-01", "s"), "a time"),
    ("precision_loss", EXACT, 2**53, 2**53 + 1, "a number"),
    ("precision_loss", EXACT, -(2**63), 2**63 - 1, "a number"),
    ("precision_loss", EXACT32, 0.5, 0.1, "a number"),
    ("unknown_category", KNOWN, "red", "Red", "text, 3 characters"),
    ("unknown_category", KNOWN_INT, 7, 9, "a number"),
    ("unknown_category", KNOWN_FLOAT, 2.5, 9.5, "a number"),
    ("bad_encoding", TEXT, "red", "a\ud800", "text, 2 characters"),
    ("bad_encoding", TEXT, "red", NULL_TEXT, "text, 1 character"),
]
# code, signature, an array of a type that the column does not take at all, its kind
WRONG_TYPES: list[tuple[Code, Signature, Any, str]] = [
    ("not_a_number", FLOAT, np.array([True, False]), "true or false"),
    ("not_a_number", FLOAT, np.array(["1", "23"], dtype=object), "text, 2 characters"),
    ("not_a_number", FLOAT32, np.array([DAY, DAY]), "a time"),
    ("not_a_number", INT, np.array(["1", "2"]), "text, 1 character"),
    ("not_a_number", FLOAT, np.array([1j, 2j]), "a value"),
    ("not_a_bool", BOOL, np.array([1.0, 0.0]), "a number"),
    ("not_a_date", DATE, np.array([1, 2], dtype=np.uint8), "an integer"),
    ("not_a_date", TIME, np.array([1, 2], dtype="m8[s]"), "a value"),
    ("not_a_string", TEXT, np.array([1, 2]), "an integer"),
    ("not_a_string", KNOWN, np.array([1.0, 2.0]), "a number"),
]


def name_of(item: object) -> str | None:
    """Name a case by its code and its column."""
    if isinstance(item, Signature):
        return item.inputs[0].dtype
    return item if isinstance(item, str) and item in CODES else ""


def refused_in_row_one(read: Coerced, code: Code, kind: str) -> None:
    """Check that of three rows the middle one was refused, for the right reason and as the right kind."""
    assert read.errors == [CellError(1, "a", code, kind)]
    assert read.rows == 3
    assert read.accepted.tolist() == [True, False, True]
    assert [len(column) for column in read.accepted_columns().values()] == [2]


def array_of(*values: Any) -> Any:
    """Return values as a typed table would hold them: texts and what is mixed as objects."""
    if any(isinstance(item, str) for item in values):
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    return np.array(values)


@pytest.mark.parametrize(("code", "signature", "good", "wrong", "kind"), TEXTS, ids=name_of)
def test_text_is_refused(code: Code, signature: Signature, good: str, wrong: str, kind: str) -> None:
    """A text that its column does not take is refused with its row, column, code and kind."""
    refused_in_row_one(read_texts(signature, {"a": [good, wrong, good], "b": ["x"] * 3}, 3), code, kind)


@pytest.mark.parametrize(("code", "signature", "good", "wrong", "kind"), JSONS, ids=name_of)
def test_json_is_refused(code: Code, signature: Signature, good: Any, wrong: Any, kind: str) -> None:
    """A JSON value is refused alike in records and in columns."""
    refused_in_row_one(read_records(signature, [{"a": good, "b": 1}, {"a": wrong}, {"a": good}]), code, kind)
    refused_in_row_one(read_json_columns(signature, {"a": [good, wrong, good], "b": [1] * 3}, 3), code, kind)


@pytest.mark.parametrize(("code", "signature", "good", "wrong", "kind"), TYPED, ids=name_of)
def test_typed_value_is_refused(code: Code, signature: Signature, good: Any, wrong: Any, kind: str) -> None:
    """A value of a typed table is refused alone when others of its type are accepted."""
    column = TypedColumn(array_of(good, wrong, good), np.array([False, wrong is None, False]))
    refused_in_row_one(read_typed(signature, {"a": column}, 3), code, kind)


@pytest.mark.parametrize(("code", "signature", "values", "kind"), WRONG_TYPES, ids=name_of)
def test_typed_column_is_refused(code: Code, signature: Signature, values: Any, kind: str) -> None:
    """A column of a wrong type is refused in every row that is not null."""
    read = read_typed(signature, {"a": TypedColumn(values, np.array([True, False]))}, 2)
    assert read.errors == [CellError(1, "a", code, kind)]


def test_absent_column_is_refused_in_every_row() -> None:
    """A column that is not there is no null: it is refused, once a row, on every path."""
    wanted = [CellError(0, "a", "missing_column"), CellError(1, "a", "missing_column")]
    assert read_texts(FLOAT, {"A": ["1", "2"]}, 2).errors == wanted
    assert read_records(FLOAT, [{}, {"b": 1}]).errors == wanted
    assert read_json_columns(FLOAT, {}, 2).errors == wanted
    assert read_typed(FLOAT, {}, 2).errors == wanted


def test_absent_in_one_record() -> None:
    """A record without a key is refused alone."""
    read = read_records(FLOAT, [{"a": 1.0}, {}, {"a": None}])
    assert read.errors == [CellError(1, "a", "missing_column")]


def test_every_code_is_reached() -> None:
    """No reason code is left without a case but those that only a file's reader can give, and each has words."""
    reached = {case[0] for case in (*TEXTS, *JSONS, *TYPED, *WRONG_TYPES)} | {"missing_column"}
    assert reached | NOWHERE_HERE == set(CODES) == set(MEANINGS)
    assert not reached & NOWHERE_HERE


def test_errors_are_ordered_by_row_then_column() -> None:
    """Refused values come row by row, and within a row in the signature's order."""
    first, second = one_column("float64", name="b").inputs[0], one_column("int64", name="a").inputs[0]
    signature = Signature((first, second), FLOAT.tensors, FLOAT.outputs)
    read = read_texts(signature, {"a": ["x", "1", "y"], "b": ["z", "w", "2"]}, 3)
    assert [(error.row, error.column) for error in read.errors] == [(0, "b"), (0, "a"), (1, "b"), (2, "a")]
    assert read.accepted.tolist() == [False, False, False]
