"""Values as JSON gives them become typed columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlship.model.signature import Column, Signature
from mlship.model.values.codes import Array, CellError, Code, Coerced, Refused
from mlship.model.values.rules import Reading, collect, finish, text_kind
from mlship.model.values.text import as_float32, as_int, in_int64, missing, parse_date, parse_datetime

_ABSENT = object()
_NUMBERS = frozenset((int, float))


def read_records(signature: Signature, records: Sequence[Mapping[str, Any]]) -> Coerced:
    """Read rows that each map column names to JSON values.

    Args:
        signature: The columns wanted; other keys are ignored.
        records: The rows. A key that is not there is refused with `missing_column`: it is not null.
    """
    return read_json_columns(
        signature,
        {column.name: [record.get(column.name, _ABSENT) for record in records] for column in signature.inputs},
        len(records),
    )


def read_json_columns(signature: Signature, columns: Mapping[str, Sequence[Any]], rows: int) -> Coerced:
    """Read columns of JSON values: None, bool, int, float, str; lists and objects are never values.

    Args:
        signature: The columns wanted; other columns are ignored.
        columns: One value a row for each column.
        rows: Number of rows.
    """
    parts = []
    for column in signature.inputs:
        values = columns.get(column.name)
        dtype = signature.tensor_dtypes[column.tensor]
        found = missing(column, rows, dtype) if values is None else _read(column, values, dtype)
        parts.append((column, *found))
    return collect(signature, rows, parts)


def _read(column: Column, raw: Sequence[Any], tensor_dtype: str) -> tuple[Array, list[CellError]]:
    if column.dtype == "float64" and _NUMBERS.issuperset(map(type, raw)) and (numbers := _all_numbers(raw)):
        return finish(column, numbers, tensor_dtype)
    parse = _PARSERS[column.dtype]
    values: list[Any] = [None] * len(raw)
    nulls = np.zeros(len(raw), dtype=np.bool_)
    bad: dict[int, tuple[Code, str]] = {}
    for row, value in enumerate(raw):
        if value is None:
            nulls[row] = True
        elif value is _ABSENT:
            bad[row] = ("missing_column", "")
        else:
            try:
                values[row] = parse(value)
            except Refused as refusal:
                bad[row] = (refusal.code, kind_of(value))
    return finish(column, Reading(values, nulls, bad), tensor_dtype)


def _all_numbers(raw: Sequence[float]) -> Reading | None:
    """The common case without a Python step for each value, or None where one is refused: see `_float`."""
    try:
        values = np.array(raw, dtype=np.float64)
    except OverflowError:
        return None
    return Reading(values, np.zeros(len(values), dtype=np.bool_)) if np.isfinite(values).all() else None


def _float(value: Any) -> float:
    """Return a number; JSON writes no infinity, so that one has been a number too large, such as 1e999."""
    if type(value) not in _NUMBERS:
        raise Refused("not_a_number")
    try:
        number = float(value)
    except OverflowError:
        raise Refused("out_of_range") from None
    if math.isnan(number):  # no JSON value either, but what some parsers make of the word NaN
        raise Refused("not_finite")
    if math.isinf(number):
        raise Refused("out_of_range")
    return number


def _float32(value: Any) -> float:
    return as_float32(_float(value))


def _int(value: Any) -> int:
    return in_int64(value) if type(value) is int else as_int(_float(value))


def _bool(value: Any) -> bool:
    if type(value) is bool:
        return value
    if type(value) is int and value in (0, 1):
        return bool(value)
    raise Refused("not_a_bool")


def _string(value: Any) -> str:
    if type(value) is not str:
        raise Refused("not_a_string")
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        raise Refused("bad_encoding") from None
    return value


def _datetime(value: Any) -> Any:
    if type(value) is not str:
        raise Refused("not_a_date")
    return parse_datetime(value)


def _date(value: Any) -> Any:
    if type(value) is not str:
        raise Refused("not_a_date")
    return parse_date(value)


def kind_of(value: Any) -> str:
    """Describe a JSON value without showing it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return text_kind(value)
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "a value"


_PARSERS = {
    "float64": _float,
    "float32": _float32,
    "int64": _int,
    "bool": _bool,
    "string": _string,
    "category": _string,
    "datetime": _datetime,
    "date": _date,
}
