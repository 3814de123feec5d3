"""Texts, as files of text hold them, become typed columns.

These functions say what a text means. Whoever reads texts faster must come to the same values, and
must leave to these every text of which it is not certain.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np

from mlship.model.signature import Column, Signature
from mlship.model.values.codes import Array, CellError, Code, Coerced, Refused
from mlship.model.values.rules import Reading, collect, finish, text_kind

# Spaces and tabs around a number are what pandas.read_csv passes over too; underscores and other
# scripts' digits, which Python's float() takes, are not numbers here. No text can be matched in two ways:
# one of a million digits and a letter would be tried in each of them.
_NUMBER = re.compile(r"[ \t]*+([+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)[ \t]*+")
_INFINITY = re.compile(r"[ \t]*+([+-]?)inf(?:inity)?[ \t]*+", re.IGNORECASE | re.ASCII)
_DIGITS = re.compile(r"[ \t]*+([+-]?)(?=[0-9])0*+([0-9]*+)(?:\.0*+)?[ \t]*+")  # 3.0 is read as exactly as 3
# fromisoformat takes any character between date and time, and 24:00 in some versions of Python only
_DATETIME = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-?W[0-9]{2}(?:-?[0-9])?)"
    r"(?:[T ](?!24)[0-9:.,]++(?:Z|[+-][0-9:.]++)?)?"
)
_BOOLS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_INT64 = range(-(2**63), 2**63)
_INT64_DIGITS = 19


def read_texts(
    signature: Signature, texts: Mapping[str, Sequence[str | None]], rows: int, null: tuple[str, ...] = ()
) -> Coerced:
    """Read columns of texts.

    Args:
        signature: The columns wanted; other columns in `texts` are ignored.
        texts: One text a row for each column; None is null.
        rows: Number of rows.
        null: Further texts that mean null.

    Returns:
        The typed columns. A column that is not there is refused in every row with `missing_column`.
    """
    parts = (
        (column, *read_column(signature, column, texts.get(column.name), rows, null)) for column in signature.inputs
    )
    return collect(signature, rows, parts)


def read_column(
    signature: Signature,
    column: Column,
    texts: Sequence[str | None] | None,
    rows: int,
    null: tuple[str, ...] = (),
) -> tuple[Array, list[CellError]]:
    """Read one column of texts; see `read_texts`."""
    dtype = signature.tensor_dtypes[column.tensor]
    if texts is None:
        return missing(column, rows, dtype)
    tokens = signature.null_tokens_of(column, null)
    parse = _PARSERS[column.dtype]
    values: list[Any] = [None] * rows
    nulls = np.zeros(rows, dtype=np.bool_)
    bad: dict[int, tuple[Code, str]] = {}
    for row, text in enumerate(texts):
        if text is None or text in tokens:
            nulls[row] = True
            continue
        try:
            values[row] = parse(text)
        except Refused as refusal:
            bad[row] = (refusal.code, text_kind(text))
    return finish(column, Reading(values, nulls, bad), dtype)


def missing(column: Column, rows: int, tensor_dtype: str) -> tuple[Array, list[CellError]]:
    """Return a stand-in for a column that is not there, refused in every row."""
    bad: dict[int, tuple[Code, str]] = dict.fromkeys(range(rows), ("missing_column", ""))
    return finish(column, Reading([None] * rows, np.zeros(rows, dtype=np.bool_), bad), tensor_dtype)


def parse_float(text: str) -> float:
    """Return the float64 nearest to a decimal number, or an infinity that is written as one."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        infinity = _INFINITY.fullmatch(text)
        if infinity is None:
            raise Refused("not_a_number")
        return float(infinity[1] + "inf")
    value = float(match[1])
    if math.isinf(value):  # a finite number too large for float64 must not turn into an infinity
        raise Refused("out_of_range")
    return value


def as_float32(value: float) -> float:
    """Return the float32 nearest to a number, refusing a finite one that would become infinite."""
    with np.errstate(over="ignore"):
        narrow = float(np.float32(value))
    if math.isinf(narrow) and not math.isinf(value):
        raise Refused("out_of_range")
    return narrow


def as_int(value: float) -> int:
    """Return an integral number as an int; `3.0` and `1e3` say one as well as digits do."""
    if math.isinf(value):
        raise Refused("not_finite")
    if not value.is_integer():
        raise Refused("not_an_integer")
    return in_int64(int(value))


def in_int64(value: int) -> int:
    """Return an int that int64 holds."""
    if value not in _INT64:
        raise Refused("out_of_range")
    return value


def _parse_float32(text: str) -> float:
    return as_float32(parse_float(text))


def _parse_int(text: str) -> int:
    match = _DIGITS.fullmatch(text)
    if match is None:
        return as_int(parse_float(text))
    if len(match[2]) > _INT64_DIGITS:
        raise Refused("out_of_range")
    return in_int64(int(match[1] + (match[2] or "0")))


def _parse_bool(text: str) -> bool:
    try:
        return _BOOLS[text.lower()]
    except KeyError:
        raise Refused("not_a_bool") from None


def _parse_string(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        raise Refused("bad_encoding") from None
    return text


def parse_datetime(text: str) -> datetime:
    """Return an ISO 8601 time; one with an offset is turned into UTC, and a date alone is its midnight."""
    if not _DATETIME.fullmatch(text):
        raise Refused("not_a_date")
    try:
        value = datetime.fromisoformat(text)
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    except (ValueError, OverflowError):
        raise Refused("not_a_date") from None


def parse_date(text: str) -> date:
    """Return an ISO 8601 date; a midnight is one too, as it is in typed tables."""
    value = parse_datetime(text)
    if value.time() != time():
        raise Refused("not_a_date")
    return value.date()


_PARSERS = {
    "float64": parse_float,
    "float32": _parse_float32,
    "int64": _parse_int,
    "bool": _parse_bool,
    "string": _parse_string,
    "category": _parse_string,
    "datetime": parse_datetime,
    "date": parse_date,
}
