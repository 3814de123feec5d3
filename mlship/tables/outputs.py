"""What both kinds of sink write: the kept columns and, after them, the output columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from mlship.model.signature import Output, OutputDtype
from mlship.model.values.codes import Array

_DTYPES: dict[OutputDtype, type[pl.DataType]] = {
    "bool": pl.Boolean,
    "int64": pl.Int64,
    "float64": pl.Float64,
    "string": pl.String,
}


def joined(kept: pl.DataFrame, outputs: Sequence[Output], arrays: Mapping[str, Array]) -> pl.DataFrame:
    """Return the kept columns, then the output columns, each of its dtype.

    Args:
        kept: Columns carried along, with as many rows as the arrays or no columns at all.
        outputs: The output columns.
        arrays: An array [rows] for each.
    """
    return framed([*kept.get_columns(), *(_series(output, arrays[output.name]) for output in outputs)])


def joined_empty(kept: pl.DataFrame, outputs: Sequence[Output]) -> pl.DataFrame:
    """Return the same columns without rows."""
    none = [pl.Series(output.name, [], dtype=_DTYPES[output.dtype]) for output in outputs]
    return framed([*kept.clear().get_columns(), *none])


def framed(columns: Sequence[pl.Series]) -> pl.DataFrame:
    """Return a frame of columns under their own names, the empty one included, which a list of them would lose."""
    frame = pl.DataFrame({series.name: series for series in columns})
    if frame.width < len(columns):
        raise pl.exceptions.DuplicateError("two columns have the same name")
    return frame


def _series(output: Output, values: Array) -> pl.Series:
    dtype = _DTYPES[output.dtype]
    return pl.Series(output.name, values.tolist() if output.dtype == "string" else values, dtype=dtype)
