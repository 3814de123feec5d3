"""Columns of Polars become the typed columns that `model.values.typed` reads."""

from __future__ import annotations

import polars as pl

from mlship.model.values.typed import TypedColumn

_NARROW = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)


def typed_column(series: pl.Series) -> TypedColumn:
    """Return a column of any dtype as an array and a mask of its nulls.

    Decimals become the nearest float64, dictionaries texts, zoned times UTC; what is no value of a model, such
    as a list, becomes an object that every dtype refuses.
    """
    nulls = series.is_null().to_numpy()
    dtype = series.dtype
    if dtype.is_decimal():
        series = series.cast(pl.String).cast(pl.Float64)  # older versions of Polars round twice on the straight way
    elif isinstance(dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    elif isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    elif dtype.is_integer() and dtype not in _NARROW:  # numpy has no wider ones
        whole = series.cast(pl.Int64, strict=False)
        lost = whole.null_count() > series.null_count()
        series = (series.cast(pl.Float64) if lost else whole).fill_null(0)
    elif dtype.is_integer() or dtype == pl.Boolean:
        series = series.fill_null(strategy="zero") if dtype.is_integer() else series.fill_null(value=False)
    elif dtype.is_nested():
        series = pl.Series([b""] * len(series), dtype=pl.Binary)
    return TypedColumn(series.to_numpy(), nulls)
