"""Columns of texts are read to the same bits and the same reasons as `model.values.text` reads them one by one."""

from __future__ import annotations

import random
import struct
from decimal import Decimal, getcontext
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlship.model.signature import DTYPES, NULL_TOKENS, Column, Dtype, Signature, Tensor
from mlship.model.values.codes import Coerced
from mlship.model.values.text import read_texts
from mlship.tables.texts import read_frame

TENSORS: dict[str, str] = {"float32": "float32", "string": "string", "category": "string"}
# Texts around the edge of what is a number, a date, a bool or null.
TEXTS = st.one_of(
    st.text("0123456789+-.eE_ \tinfatyNxd", max_size=8),
    st.sampled_from([*NULL_TOKENS, "inf", "-Infinity", "1e400", "-1e39", "3.0", "3.", "-0", "9223372036854775808"]),
    st.sampled_from(["true", "FALSE", "t", "2020-02-30", "2020-02-29", "2020-01-01T00:00:00+02:00", "20200101"]),
    st.sampled_from(["\u0661", "1\u00a0", " 1.5", "1.5\t", "0x10", "1_000", "1e5", "x.0", "1.0.0", "a", "b", "\uffff"]),
    st.floats().map(repr),
    st.integers().map(str),
    st.text(max_size=4),
)


def signature_of(column: Column) -> Signature:
    """Return the signature of one column."""
    return Signature((column,), (Tensor("t", TENSORS.get(column.dtype, "float64")),), ())


def bits(found: Coerced) -> tuple[Any, ...]:
    """Return everything in it in a form in which NaN equals NaN and -0.0 does not equal 0.0."""
    values = found.columns["c"]
    raw = values.tolist() if values.dtype == object else values.tobytes()
    return (found.rows, values.dtype, raw, found.errors)


def assert_read_as_one_by_one(column: Column, texts: list[str], null: tuple[str, ...] = ()) -> None:
    """Compare both ways of reading a column."""
    signature = signature_of(column)
    frame = pl.DataFrame({"c": [text or None for text in texts]}, schema={"c": pl.String})
    one_by_one = read_texts(signature, {"c": texts}, len(texts), null)
    assert bits(read_frame(signature, frame, null)) == bits(one_by_one)


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    texts=st.lists(TEXTS, max_size=12),
    nullable=st.booleans(),
    strict=st.booleans(),
    null=st.sampled_from([(), ("-999",), ("0", "a"), ("1e5", "-0")]),
)
@example(texts=["-999", "-999.0", "1"], nullable=True, strict=False, null=("-999",))
def test_values_and_reasons_are_those_of_reading_one_by_one(
    dtype: Dtype, texts: list[str], nullable: bool, strict: bool, null: tuple[str, ...]
) -> None:
    """Random texts come to the same bits or the same reasons, whatever the column's rules."""
    limit = 1000.0 if strict and dtype in ("int64", "float64") else None
    column = Column("c", dtype, "t", nullable=nullable, finite=strict, limit=limit, exact=strict)
    if dtype in ("string", "category") and strict:
        column = Column("c", dtype, "t", nullable=nullable, categories=("a", "NA", "", "1.5"), unknown=False)
    assert_read_as_one_by_one(column, texts, null)


def awkward_numbers(count: int) -> list[str]:
    """Return decimal numbers of any size and length, random doubles, and numbers halfway between two doubles."""
    dice = random.Random(7)  # noqa: S311 - the same every time
    texts = [repr(struct.unpack("d", dice.randbytes(8))[0]) for _ in range(count)]
    for _ in range(count):
        digits = str(dice.getrandbits(dice.randint(1, 130)))
        at = dice.randint(0, len(digits))
        texts.append(f"{digits[:at]}.{digits[at:]}e{dice.randint(-330, 310)}")
    getcontext().prec = 200
    for _ in range(count):
        half = Fraction(2 * (dice.getrandbits(53) | 1 << 52) + 1, 2) * Fraction(2) ** dice.randint(-60, 60)
        texts.append(format(Decimal(half.numerator) / Decimal(half.denominator), "f"))
    return texts


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_awkward_numbers_are_read_to_the_same_bits(dtype: Dtype) -> None:
    """Many digits, extreme exponents, subnormal numbers and ties round as Python rounds them."""
    assert_read_as_one_by_one(Column("c", dtype, "t"), awkward_numbers(10_000))


def test_column_names_are_no_patterns() -> None:
    """Names that are patterns in Polars are just names."""
    names = ["*", "^.*$", "", "a b"]
    signature = Signature(tuple(Column(name, "float64", "t") for name in names), (Tensor("t", "float64"),), ())
    frame = pl.DataFrame({name: [str(place)] for place, name in enumerate(names)})
    found = read_frame(signature, frame, ())
    assert {name: values.tolist() for name, values in found.columns.items()} == {
        "*": [0.0], "^.*$": [1.0], "": [2.0], "a b": [3.0],
    }  # fmt: skip


def test_errors_are_ordered_by_row_then_column() -> None:
    """Reasons come as the authority orders them, over several columns."""
    columns = (Column("n", "int64", "t", nullable=False), Column("s", "bool", "t"), Column("f", "float64", "t"))
    signature = Signature(columns, (Tensor("t", "float64"),), ())
    texts = {"f": ["x", "1", "", "y"], "n": ["", "3.5", "7", "z"], "s": ["q", "t", "w", ""]}
    frame = pl.DataFrame({name: [text or None for text in column] for name, column in texts.items()})
    found = read_frame(signature, frame, ())
    assert found.errors == read_texts(signature, texts, 4).errors
    assert [(error.row, error.column) for error in found.errors] == [
        (0, "n"), (0, "s"), (0, "f"), (1, "n"), (2, "s"), (3, "n"), (3, "f"),
    ]  # fmt: skip


def test_no_rows_give_arrays_of_the_right_dtypes() -> None:
    """A chunk without rows has typed columns all the same."""
    for dtype in DTYPES:
        column = Column("c", dtype, "t")
        assert_read_as_one_by_one(column, [])
    assert (
        read_frame(
            signature_of(Column("c", "int64", "t", nullable=False)), pl.DataFrame({"c": []}, {"c": pl.String}), ()
        )
        .columns["c"]
        .dtype
        == np.int64
    )
