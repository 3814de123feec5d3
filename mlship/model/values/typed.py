"""Arrays, as typed tables hold them, become typed columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.model.signature import Column, Signature
from mlship.model.values.codes import Array, CellError, Code, Coerced
from mlship.model.values.rules import Reading, collect, finish, text_kind
from mlship.model.values.text import missing

Mask = NDArray[np.bool_]
_Read = tuple[Array, dict[Code, Mask]]
"""What a reader returns: values, and masks of the rows refused, the first that holds being the reason."""

_FINE_UNITS = ("ns", "ps", "fs", "as")
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
    if values.dtype.kind in "UT":  # numpy's own texts
        values = values.astype(object)
    if values.dtype.kind == "f":
        nulls = nulls | np.isnan(values)
    if values.dtype.kind == "M":
        nulls = nulls | np.isnat(values)
    if values.dtype.kind == "O" and nulls.any():  # what stands at a null is nobody's text
        values = values.copy()
        values[nulls] = ""
    read, refused = _READERS[column.dtype](values)
    bad: dict[int, tuple[Code, str]] = {}
    for code, wrong in refused.items():
        for row in np.flatnonzero(wrong & ~nulls).tolist():
            bad.setdefault(row, (code, _kind(values, row)))
    return finish(column, Reading(read, nulls, bad), tensor_dtype)


def _kind(values: Array, row: int) -> str:
    if values.dtype.kind != "O":
        return _KINDS.get(values.dtype.kind, "a value")
    value: Any = values[row]
    return text_kind(value) if isinstance(value, str) else "a value"


def _none_of(values: Array, code: Code) -> _Read:
    """An array of a kind that the column does not take at all, with a stand-in that any dtype can be made of."""
    return np.zeros(len(values), dtype=np.int8), {code: np.ones(len(values), dtype=np.bool_)}


def _float(values: Any) -> _Read:
    if values.dtype.kind not in "iuf":
        return _none_of(values, "not_a_number")
    with np.errstate(over="ignore"):
        wide = values.astype(np.float64, copy=False)
    # numbers wider than float64 can be too large for it
    return wide, {"out_of_range": np.isinf(wide) & np.isfinite(values)} if values.dtype.itemsize > 8 else {}


def _float32(values: Any) -> _Read:
    wide, refused = _float(values)  # by way of float64, as text and JSON go: rounding twice can differ from once
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.float32)
    past = np.isinf(narrow) & np.isfinite(wide)
    return narrow, {**refused, "out_of_range": past | refused.get("out_of_range", False)}


def _int(values: Any) -> _Read:
    match values.dtype.kind:
        case "i":
            return values, {}
        case "u":
            return values, {"out_of_range": values > np.iinfo(np.int64).max}
        case "f":
            wide: Any = _float(values)[0]
            broken: dict[Code, Mask] = {
                "not_finite": ~np.isfinite(values),
                "not_an_integer": wide != np.floor(wide),
                "out_of_range": (wide >= 2.0**63) | (wide < -(2.0**63)),
            }
            return wide, broken
        case _:
            return _none_of(values, "not_a_number")


def _bool(values: Any) -> _Read:
    match values.dtype.kind:
        case "b":
            return values, {}
        case "i" | "u":
            return values, {"not_a_bool": (values != 0) & (values != 1)}
        case _:
            return _none_of(values, "not_a_bool")


def _string(values: Any) -> _Read:
    if values.dtype.kind != "O":
        return _none_of(values, "not_a_string")
    try:
        "".join(values.tolist()).encode()
    except (TypeError, UnicodeEncodeError):  # rare: only now is it worth looking at each
        kinds = [_string_code(value) for value in values.tolist()]
        return values, {
            "not_a_string": np.array([code == "not_a_string" for code in kinds], dtype=np.bool_),
            "bad_encoding": np.array([code == "bad_encoding" for code in kinds], dtype=np.bool_),
        }
    return values, {}


def _string_code(value: Any) -> Code | None:
    if not isinstance(value, str):
        return "not_a_string"
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return "bad_encoding"
    return None


def _datetime(values: Any) -> _Read:
    """Times within the years 1 to 9999, which are all that text and JSON can say."""
    unit = np.datetime_data(values.dtype)[0] if values.dtype.kind == "M" else "generic"
    if unit == "generic":
        return _none_of(values, "not_a_date")
    if unit in _FINE_UNITS:  # these hold fewer years
        return values, {}
    first, last = (np.datetime64(text).astype(values.dtype) for text in ("0001-01-01", "9999-12-31T23:59:59.999999"))
    return values, {"out_of_range": (values < first) | (values > last)}


def _date(values: Any) -> _Read:
    read, refused = _datetime(values)
    if read is not values:
        return read, refused
    days = values.astype("datetime64[D]")
    return days, {**refused, "not_a_date": days.astype(values.dtype) != values}  # a time of day is no date


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
