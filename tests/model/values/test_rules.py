"""The rules of values one by one, as the design tells them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mlship.model.signature import NULL_TOKENS
from mlship.model.values.codes import Coerced
from mlship.model.values.records import read_records
from mlship.model.values.text import read_texts
from mlship.model.values.typed import TypedColumn, read_typed
from tests.model.making import one_column

DTYPES = ("bool", "int64", "float32", "float64", "string", "category", "datetime", "date")
# na_values of pandas.read_csv and the empty field, written out so that a change is seen
PANDAS_TOKENS = {
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
}  # fmt: skip
NOT_NUMBERS = (
    "1 000", "1_000", "_1", "1,5", "0x10", "1e", "e5", ".", "-", "+-1", "--1", "1.2.3", "NAN", "1f", "1d5", "1\n",
    "1\x00", "infinit", "in f", "$1", "1%", " ", "\u0663", "\uff11", "\u00a01", "\u20091", "\u00bd", "\u22121",
)  # fmt: skip
NOT_TIMES = (
    "2020-01-02x03:04", "2020-01-02\ud80003:04", "2020-01-02T24:00", "2020-01-02T25:00", "2020-13-01", "2020-1-2",
    "01/02/2020", "2020", "1577836800", "2020-01-02T03:04 UTC", "\uff12020-01-02", "0000-01-01", "10000-01-01", "now",
    "0001-01-01T00:00+01:00", "9999-12-31T23:00-02:00", "2020-01-02T", "2020-01-02t03:04", " 2020-01-02", "x",
)  # fmt: skip


def accepted(read: Coerced) -> list[Any]:
    """Return the values of the one column, none of which was refused."""
    assert read.errors == []
    values: list[Any] = read.columns["a"].tolist()
    return values


def codes(read: Coerced) -> list[str]:
    """Return the codes of the refused values."""
    return [error.code for error in read.errors]


def texts(signature: Any, *values: str, null: tuple[str, ...] = ()) -> Coerced:
    """Read texts of the one column."""
    return read_texts(signature, {"a": values}, len(values), null)


def is_null(value: Any) -> bool:
    """Whether an array's value stands for null."""
    return value is None or (isinstance(value, float) and math.isnan(value))  # NaT becomes None in a list


def test_null_tokens_are_those_of_pandas() -> None:
    """The default null tokens are exactly those of pandas.read_csv."""
    assert set(NULL_TOKENS) == PANDAS_TOKENS


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_token_is_null_in_every_dtype(dtype: str) -> None:
    """A field that is empty or a null token is null, whatever the column's dtype."""
    assert all(is_null(value) for value in accepted(texts(one_column(dtype), *NULL_TOKENS)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_null_option_adds_a_token(dtype: str) -> None:
    """A text given with --null is null too, exactly as it was given."""
    read = texts(one_column(dtype), "?", "NA", null=("?",))
    assert all(is_null(value) for value in accepted(read))
    if dtype not in ("string", "category"):
        assert len(codes(texts(one_column(dtype), "?", " ?", null=("??",)))) == 2


@pytest.mark.parametrize("token", ["NA", "None", "", "?"])
def test_token_that_is_a_known_category_is_a_value(token: str) -> None:
    """A null token that the model knows as a category is that category; the other tokens stay null."""
    signature = one_column("category", categories=("red", token), unknown=False)
    assert accepted(texts(signature, token, "red", "null", null=("?",))) == [token, "red", None]


def test_json_has_no_null_tokens() -> None:
    """JSON says null itself: a token is a text there."""
    assert accepted(read_records(one_column("string"), [{"a": "NA"}, {"a": ""}, {"a": None}])) == ["NA", "", None]
    assert codes(read_records(one_column("float64"), [{"a": "NA"}, {"a": ""}])) == ["not_a_number"] * 2


@pytest.mark.parametrize("text", ["true", "TRUE", "True", "tRuE", "t", "T", "1"])
def test_true(text: str) -> None:
    """A bool is written true or t in any case, or 1."""
    assert accepted(texts(one_column("bool", nullable=False), text)) == [True]


@pytest.mark.parametrize("text", ["false", "FALSE", "False", "f", "F", "0"])
def test_false(text: str) -> None:
    """A bool is written false or f in any case, or 0."""
    assert accepted(texts(one_column("bool", nullable=False), text)) == [False]


@pytest.mark.parametrize("text", ["yes", "no", "on", " true", "true ", "01", "1.0", "-1", "2", "\uff54", "y"])
def test_other_bools_are_refused(text: str) -> None:
    """Nothing else is a bool."""
    assert codes(texts(one_column("bool"), text)) == ["not_a_bool"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("3.0", 3),
        ("3.", 3),
        ("3.000", 3),
        ("-0", 0),
        ("+7", 7),
        ("007", 7),
        (" 7\t", 7),
        ("1e3", 1000),
        ("1.5e1", 15),
        ("0" * 5000 + "9", 9),
        (str(2**63 - 1), 2**63 - 1),
        (str(-(2**63)), -(2**63)),
        ("-9223372036854775808", -(2**63)),
        ("9007199254740993", 9007199254740993),
        ("9007199254740993.0", 9007199254740993),
    ],
)
def test_integers(text: str, number: int) -> None:
    """An integer is digits, kept exactly up to the edge of int64, or an integral number such as 3.0."""
    assert accepted(texts(one_column("int64", nullable=False), text)) == [number]


@pytest.mark.parametrize(
    "number", ["9223372036854775808", "-9223372036854775809", "9" * 5000, "1e300", "1" + "0" * 30, "-1e999"]
)
def test_integers_past_int64(number: str) -> None:
    """An integer that int64 does not hold is out of range, however long it is."""
    assert codes(texts(one_column("int64"), number)) == ["out_of_range"]


def test_nullable_integers_are_floats() -> None:
    """A nullable integer or bool column is float64, as pandas gave it to the model in training."""
    for dtype in ("int64", "bool"):
        read = texts(one_column(dtype), "1", "NA")
        assert read.columns["a"].dtype == np.float64
        assert read.columns["a"][0] == 1.0
        assert math.isnan(read.columns["a"][1])
    assert texts(one_column("int64", nullable=False), "1").columns["a"].dtype == np.int64
    assert texts(one_column("bool", nullable=False), "1").columns["a"].dtype == np.bool_


@pytest.mark.parametrize("text", NOT_NUMBERS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_not_numbers(text: str, dtype: str) -> None:
    """Spaces within, underscores, other scripts' digits and signs, and separators are no numbers."""
    assert codes(texts(one_column(dtype), text)) == ["not_a_number"]


@pytest.mark.parametrize("text", ["inf", "-inf", "+Inf", "Infinity", "-INFINITY", " inf "])
def test_infinities(text: str) -> None:
    """An infinity that is written as one is a number where the model takes it."""
    assert accepted(texts(one_column("float64"), text)) == [float(text)]
    assert codes(texts(one_column("float64", finite=True), text)) == ["not_finite"]


def test_float32_is_rounded_once() -> None:
    """A float32 column holds the float32 nearest to the number, and the largest one is still accepted."""
    read = texts(one_column("float32"), "0.1", "3.4028235e38", "1e-50", "inf")
    assert read.columns["a"].dtype == np.float32
    assert accepted(read) == [float(np.float32(0.1)), float(np.finfo(np.float32).max), 0.0, math.inf]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2020-01-02", "2020-01-02T00:00"),
        ("20200102", "2020-01-02T00:00"),
        ("2020-W01-4", "2020-01-02T00:00"),
        ("2020-01-02T03:04", "2020-01-02T03:04"),
        ("2020-01-02 03:04:05", "2020-01-02T03:04:05"),
        ("2020-01-02T03:04:05.5", "2020-01-02T03:04:05.5"),
        ("2020-01-02T03:04:05.123456789", "2020-01-02T03:04:05.123456"),
        ("1969-12-31T23:59:59.999999999", "1969-12-31T23:59:59.999999"),
        ("2020-01-02T00:04Z", "2020-01-02T00:04"),
        ("2020-01-02T00:04+01:00", "2020-01-01T23:04"),
        ("2020-01-02T23:04-0530", "2020-01-03T04:34"),
        ("0001-01-01", "0001-01-01T00:00"),
        ("9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999"),
    ],
)
def test_times(text: str, wanted: str) -> None:
    """A time is ISO 8601; with an offset it is turned into UTC, and it is kept to the microsecond."""
    for read in (texts(one_column("datetime"), text), read_records(one_column("datetime"), [{"a": text}])):
        assert read.errors == []
        assert read.columns["a"].dtype == np.dtype("datetime64[us]")
        assert read.columns["a"][0] == np.datetime64(wanted, "us")


@pytest.mark.parametrize("text", NOT_TIMES)
def test_not_times(text: str) -> None:
    """What is not ISO 8601, or lies outside the years 1 to 9999 in UTC, is no time."""
    assert codes(texts(one_column("datetime"), text)) == ["not_a_date"]
    assert codes(texts(one_column("date"), text)) == ["not_a_date"]


def test_dates() -> None:
    """A date is one with or without hyphens, and a midnight is a date on every path."""
    given = ["2020-01-02", "20200102", "2020-01-02T00:00", "2020-01-02T01:00+01:00"]
    read = texts(one_column("date"), *given)
    assert read.columns["a"].dtype == np.dtype("datetime64[D]")
    assert read.errors == []
    assert set(read.columns["a"]) == {np.datetime64("2020-01-02")}
    typed = read_typed(one_column("date"), {"a": TypedColumn(np.array(["2020-01-02"], "M8[ns]"), np.zeros(1, bool))}, 1)
    assert typed.columns["a"][0] == read.columns["a"][0]


@pytest.mark.parametrize(
    "text", [" red", "red ", "\tred", "\n", " ", "Red", "0", "a\x00b", "é", "e\u0301", "\U0001f600"]
)
def test_strings_are_taken_as_they_are(text: str) -> None:
    """Strings are neither trimmed nor folded nor normalized."""
    typed = read_typed(one_column("string"), {"a": TypedColumn(np.array([text], dtype=object), np.zeros(1, bool))}, 1)
    assert accepted(texts(one_column("string"), text)) == [text]
    assert accepted(read_records(one_column("string"), [{"a": text}])) == [text]
    assert accepted(typed) == [text]
    known = one_column("category", categories=("red",), unknown=False)
    assert codes(texts(known, text)) == ["unknown_category"]


def test_unknown_categories_pass_where_the_model_takes_them() -> None:
    """A value outside the categories is accepted when the original accepted it."""
    assert accepted(texts(one_column("category", categories=("red",)), "blue")) == ["blue"]


def test_precision_is_lost_silently_only_when_the_original_lost_it_too() -> None:
    """Without `exact` a number that the tensor rounds is accepted."""
    assert accepted(texts(one_column("int64", nullable=False), str(2**53 + 1))) == [2**53 + 1]
    assert accepted(texts(one_column("float64", "float32"), "0.1")) == [0.1]
    assert accepted(texts(one_column("float64", "float32", exact=True), "0.5", "inf")) == [0.5, math.inf]


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
@pytest.mark.parametrize("dtype", ["int64", "float64", "float32"])
def test_all_integer_widths_are_accepted(kind: str, dtype: str) -> None:
    """Typed tables may hold integers of any width."""
    values = np.array([0, 1, np.iinfo(kind).max if np.dtype(kind).itemsize < 8 else 2**62], dtype=kind)
    read = read_typed(one_column(dtype), {"a": TypedColumn(values, np.zeros(3, dtype=bool))}, 3)
    assert accepted(read) == [float(np.dtype(dtype).type(value)) for value in values.tolist()]


def test_unsigned_integers_up_to_the_edge_of_int64() -> None:
    """An unsigned integer is taken as long as int64 holds it."""
    values = np.array([0, 2**63 - 1], dtype=np.uint64)
    read = read_typed(one_column("int64", nullable=False), {"a": TypedColumn(values, np.zeros(2, dtype=bool))}, 2)
    assert accepted(read) == [0, 2**63 - 1]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "D", "h", "m"])
def test_all_time_units_are_accepted(unit: str) -> None:
    """Typed tables may hold times of any unit; what is finer than a microsecond is cut off."""
    values = np.array(["2020-01-02", "NaT"], dtype=f"M8[{unit}]")
    read = read_typed(one_column("datetime"), {"a": TypedColumn(values, np.zeros(2, dtype=bool))}, 2)
    assert read.errors == []
    assert read.columns["a"][0] == np.datetime64("2020-01-02", "us")
    assert np.isnat(read.columns["a"][1])


def test_refused_values_leave_nothing_in_the_arrays() -> None:
    """Where a value was refused the array holds a harmless stand-in."""
    known = one_column("category", categories=("red",), unknown=False)
    assert texts(known, "secret").columns["a"].tolist() == [None]
    assert texts(one_column("float64", limit=1.0), "5").columns["a"].tolist() == [0.0]
    assert texts(one_column("int64", nullable=False, limit=1.0), "5").columns["a"].tolist() == [0]
    assert texts(one_column("date"), "secret").columns["a"][0] == np.datetime64(0, "D")


def test_arguments_are_left_alone() -> None:
    """Reading a typed table does not write into its arrays."""
    values, nulls = np.array([1.0, 2.0, np.nan]), np.array([True, False, False])
    texts_given = np.array(["a", None, "c"], dtype=object)
    none = np.zeros(3, dtype=bool)
    whole = np.array([1.0, 2.0, 3.0])
    assert (
        codes(read_typed(one_column("float64", limit=1.0), {"a": TypedColumn(whole, none)}, 3)) == ["out_of_range"] * 2
    )
    assert whole.tolist() == [1.0, 2.0, 3.0]
    read_typed(one_column("float64", limit=1.0), {"a": TypedColumn(values, nulls)}, 3)
    read_typed(one_column("string"), {"a": TypedColumn(texts_given, nulls)}, 3)
    assert values.tolist()[:2] == [1.0, 2.0]
    assert nulls.tolist() == [True, False, False]
    assert texts_given.tolist() == ["a", None, "c"]
