"""The rules that hold for a value however it arrived: null, infinity, range, exactness, category."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.model.signature import NULL_TEXT, Column, Signature
from mlship.model.values.codes import Array, CellError, Code, Coerced, array_dtype


@dataclass
class Reading:
    """A column on its way from raw values to an array.

    Attributes:
        values: One value a row: Python values, or an array; what stands at nulls and bad rows is ignored.
        nulls: Mask [rows] of the nulls.
        bad: Refused rows, with the code and the kind found.
    """

    values: Sequence[Any] | Array
    nulls: NDArray[np.bool_]
    bad: dict[int, tuple[Code, str]] = field(default_factory=dict)


def finish(column: Column, reading: Reading, tensor_dtype: str) -> tuple[Array, list[CellError]]:
    """Apply the rules that do not depend on the source and make the column's array.

    Args:
        column: The column.
        reading: Its values as read.
        tensor_dtype: Element type of the graph tensor that it feeds, for `precision_loss`.

    Returns:
        The array [rows] of `array_dtype`, and the refused values.
    """
    rows = len(reading.nulls)
    bad = reading.bad
    if not reading.nulls.any():
        if not bad and _passes(column, reading.values, tensor_dtype):
            return np.asarray(reading.values), []
    elif not column.nullable:
        for row in np.flatnonzero(reading.nulls).tolist():
            bad.setdefault(row, ("null_not_allowed", "null"))
    skip = reading.nulls.copy()
    skip[list(bad)] = True
    values = _array(column, reading.values, skip, rows)
    for code, rows_refused in _refused(column, values, skip, tensor_dtype):
        for row in rows_refused:
            bad.setdefault(row, (code, _kind(values[row])))
    errors = [CellError(row, column.name, *bad[row]) for row in sorted(bad)]
    return _to_storage(column, values, reading.nulls, list(bad)), errors


def collect(signature: Signature, rows: int, parts: Iterable[tuple[Column, Array, list[CellError]]]) -> Coerced:
    """Put finished columns together, with the refused values ordered by row, then by column."""
    columns: dict[str, Array] = {}
    errors: list[CellError] = []
    for column, array, found in parts:
        columns[column.name] = array
        errors.extend(found)
    place = {name: index for index, name in enumerate(signature.names)}
    errors.sort(key=lambda error: (error.row, place.get(error.column or "", -1)))
    return Coerced(rows, columns, errors)


def _passes(column: Column, values: Sequence[Any] | Array, tensor_dtype: str) -> bool:
    """Whether float64 values need no further look, which is what most columns of most models are."""
    return (
        isinstance(values, np.ndarray)
        and values.dtype == np.float64
        and column.dtype == tensor_dtype == "float64"
        and not column.exact
        and (column.unknown or column.categories is None)
        and _within(column, values)
    )


def _within(column: Column, values: Any) -> bool:
    """Whether float64 values obey a column's bounds; False where some are not a number, which then has to be told."""
    bound = np.inf if column.limit is None else column.limit
    if not len(values):
        return True
    if bound == np.inf and column.low is None:
        return not column.finite or all_finite(values)
    low, high = values.min(), values.max()  # not a number is its own extreme
    if column.finite and not (np.isfinite(low) and np.isfinite(high)):
        return False
    return bool(-bound <= low and high <= bound and (column.low is None or column.low <= low))


def all_finite(values: Any) -> bool:
    """Tell whether an array holds neither infinities nor what is not a number."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.add.reduce(values, axis=None))  # of numbers one of which is not finite, none is
    return math.isfinite(total) or bool(np.isfinite(values).all())


def _array(column: Column, values: Sequence[Any] | Array, skip: NDArray[np.bool_], rows: int) -> Array:
    """All values as an array of the column's dtype, with a harmless stand-in at the skipped rows."""
    if column.dtype in ("string", "category"):
        texts = np.empty(rows, dtype=object)
        texts[:] = values
        texts[skip] = None
        return texts
    dtype: Any = {"datetime": "datetime64[us]", "date": "datetime64[D]"}.get(column.dtype, column.dtype)
    if isinstance(values, np.ndarray) and not skip.any():
        with np.errstate(over="ignore"):  # a float64 too large for float32 becomes infinite: out_of_range below
            return values.astype(dtype, copy=False)
    out = np.zeros(rows, dtype=dtype)
    keep = ~skip
    if isinstance(values, np.ndarray):
        with np.errstate(over="ignore"):
            out[keep] = values[keep].astype(dtype)
    elif keep.any():
        with np.errstate(over="ignore"):
            out[keep] = np.array([value for value, ok in zip(values, keep.tolist(), strict=True) if ok], dtype=dtype)
    return out


def _refused(
    column: Column, values: Array, skip: NDArray[np.bool_], tensor_dtype: str
) -> Iterable[tuple[Code, list[int]]]:
    if values.dtype.kind in "if":
        for code, mask in _wrong_numbers(column, values, tensor_dtype):
            if mask.any():
                yield code, _rows(mask, skip)
    if values.dtype.kind == "O":
        reserved = np.fromiter((value == NULL_TEXT for value in values), dtype=np.bool_, count=len(values))
        if reserved.any():
            yield "bad_encoding", _rows(reserved, skip)
    if column.categories is not None and not column.unknown:
        known = column.known
        unseen = np.fromiter((value not in known for value in values.tolist()), dtype=np.bool_, count=len(values))
        yield "unknown_category", _rows(unseen, skip)


def _wrong_numbers(column: Column, values: Any, tensor_dtype: str) -> Iterable[tuple[Code, NDArray[np.bool_]]]:
    if column.finite and values.dtype.kind == "f":
        yield "not_finite", np.isinf(values)
    if column.limit is not None:
        magnitudes = np.abs(values.astype(np.float64))
        yield "out_of_range", (magnitudes > column.limit) & np.isfinite(magnitudes)
    if column.low is not None:
        yield "out_of_range", np.asarray((values < column.low) & np.isfinite(values))
    yield "out_of_range", _past_tensor(values, tensor_dtype)
    if column.exact:
        yield "precision_loss", _lost(values, tensor_dtype)


def _past_tensor(values: Any, tensor_dtype: str) -> NDArray[np.bool_]:
    """Finite numbers that the tensor cannot hold even rounded, and would turn into infinities or other numbers."""
    target = np.dtype(tensor_dtype)
    if target.kind in "iu" and target != np.int64:
        limits = np.iinfo(target)
        return np.asarray((values < limits.min) | (values > limits.max))
    if target.kind == "f" and target.itemsize < values.dtype.itemsize:
        with np.errstate(over="ignore"):
            return np.asarray(np.isinf(values.astype(target)) & np.isfinite(values))
    return np.zeros(len(values), dtype=np.bool_)


def _lost(values: Any, tensor_dtype: str) -> NDArray[np.bool_]:
    """Numbers that the tensor holds only rounded."""
    with np.errstate(over="ignore"):
        held = values.astype(tensor_dtype)
    if values.dtype.kind == "i" and held.dtype.kind == "f":
        past = held >= 2.0**63  # what turning these back into int64 gives depends on the processor
        return np.asarray(past | (np.where(past, 0, held).astype(np.int64) != values))
    unequal: NDArray[np.bool_] = held.astype(values.dtype) != values
    return unequal & ~np.isnan(values) if values.dtype.kind == "f" else unequal


def _rows(mask: NDArray[np.bool_], skip: NDArray[np.bool_]) -> list[int]:
    found: list[int] = np.flatnonzero(mask & ~skip).tolist()
    return found


def _to_storage(column: Column, values: Array, nulls: NDArray[np.bool_], bad: list[int]) -> Array:
    dtype = array_dtype(column)
    stored: Array = values if values.dtype == dtype else values.astype(dtype)
    if not (nulls.any() or bad):
        return stored
    out: Any = stored.copy() if stored is values else stored
    stand_in: Any = 0
    match dtype.kind:
        case "O":
            stand_in, out[nulls] = None, None
        case "M":
            stand_in, out[nulls] = np.datetime64(0, "D"), np.datetime64("NaT")
        case "f":
            out[nulls] = np.nan
    out[bad] = stand_in  # also over a null that is not allowed: the other dtypes have none
    return np.asarray(out)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return text_kind(value)
    return "a number" if np.isscalar(value) else "a value"


def text_kind(text: str) -> str:
    """Describe a text without showing it."""
    return f"text, {len(text)} character{'' if len(text) == 1 else 's'}"
