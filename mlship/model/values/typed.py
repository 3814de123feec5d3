"""Arrays, as typed tables hold them, become typed columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.model.signature import Column, Signature
from mlship.model.values.codes import Array, CellError, Code, Coerced
from mlship.model.values.rules import Reading, collect, finish
from mlship.model.values.text import missing

_KINDS = {"b": "true or false", "i": "an integer", "u": "an integer", "f": "a number", "O": "text", "M": "a time"}


@dataclass(frozen=True)
class TypedColumn:
    """One column of a typed table.

    Attributes:
        values: Array [rows] of kind bool, integer, float, datetime64 (zoned times as UTC), or object holding
            str; decimals come as the nearest float64, dictionaries decoded.
        nulls: Mask [rows], True where the value is null.
    """

    values: Array
    nulls: NDArray[np.bool_]


def read_typed(signature: Signature, columns: Mapping[str, TypedColumn], rows: int) -> Coerced:
    """Read columns of a typed table.

    Args:
        signature: The columns wanted; other columns are ignored. One that is not there is refused in every
            row with `missing_column`.
        columns: The table's columns.
        rows: Number of rows.
    """
    parts = []
    for column in signature.inputs:
        given = columns.get(column.name)
        dtype = signature.tensor_dtypes[column.tensor]
        found = missing(column, rows, dtype) if given is None else read_typed_column(column, given, dtype)
        parts.append((column, *found))
    return collect(signature, rows, parts)


def read_typed_column(column: Column, given: TypedColumn, tensor_dtype: str) -> tuple[Array, list[CellError]]:
    """Read one column of a typed table; see `read_typed`."""
    values, nulls = given.values, given.nulls
    if values.dtype.kind == "f":
        nulls = nulls | np.isnan(values)  # type: ignore[call-overload]
    if values.dtype.kind == "M":
        nulls = nulls | np.isnat(values)  # type: ignore[call-overload]
    checked, wrong, code = _READERS[column.dtype](values)
    kind = _KINDS.get(values.dtype.kind, "a value")
    bad: dict[int, tuple[Code, str]] = dict.fromkeys(np.flatnonzero(wrong & ~nulls).tolist(), (code, kind))
    return finish(column, Reading(checked, nulls, bad), tensor_dtype)


def _all(values: Array) -> NDArray[np.bool_]:
    return np.ones(len(values), dtype=np.bool_)


def _none(values: Array) -> NDArray[np.bool_]:
    return np.zeros(len(values), dtype=np.bool_)


def _float(values: Any) -> tuple[Array, NDArray[np.bool_], Code]:
    if values.dtype.kind not in "iuf":
        return values, _all(values), "not_a_number"
    return values.astype(np.float64), _none(values), "not_a_number"


def _float32(values: Any) -> tuple[Array, NDArray[np.bool_], Code]:
    if values.dtype.kind not in "iuf":
        return values, _all(values), "not_a_number"
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return narrow, np.isinf(narrow) & ~np.isinf(values.astype(np.float64)), "out_of_range"


def _int(values: Any) -> tuple[Array, NDArray[np.bool_], Code]:
    match values.dtype.kind:
        case "i":
            return values, _none(values), "not_an_integer"
        case "u":
            return values, values > np.iinfo(np.int64).max, "out_of_range"
        case "f":
            wide = values.astype(np.float64)
            broken = ~np.isfinite(wide) | (wide != np.floor(wide)) | (wide >= 2.0**63) | (wide < -(2.0**63))
            return np.where(broken, 0.0, wide), broken, "not_an_integer"
        case _:
            return values, _all(values), "not_a_number"


def _bool(values: Any) -> tuple[Array, NDArray[np.bool_], Code]:
    match values.dtype.kind:
        case "b":
            return values, _none(values), "not_a_bool"
        case "i" | "u":
            return values, (values != 0) & (values != 1), "not_a_bool"
        case _:
            return values, _all(values), "not_a_bool"


def _string(values: Any) -> tuple[Array, NDArray[np.bool_], Code]:
    return values, _none(values) if values.dtype.kind == "O" else _all(values), "not_a_string"


def _datetime(values: Any) -> tuple[Array, NDArray[np.bool_], Code]:
    return values, _none(values) if values.dtype.kind == "M" else _all(values), "not_a_date"


def _date(values: Any) -> tuple[Array, NDArray[np.bool_], Code]:
    if values.dtype.kind != "M":
        return values, _all(values), "not_a_date"
    days = values.astype("datetime64[D]")
    return days, days.astype(values.dtype) != values, "not_a_date"  # a time of day is no date


_READERS = {
    "float64": _float,
    "float32": _float32,
    "int64": _int,
    "bool": _bool,
    "string": _string,
    "category": _string,
    "datetime": _datetime,
    "date": _date,
}
