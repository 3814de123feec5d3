"""Parquet: chunks are slices of rows, values have types; what is written is made of parts at the end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl

from mlship.tables.assembled import AssemblingEncoder
from mlship.tables.slices import SlicedSource


class ParquetSource(SlicedSource):
    """A Parquet file to read; see `tables.slices.SlicedSource`."""

    what = "Parquet"

    def _scan(self, name: str, storage: dict[str, Any] | None) -> pl.LazyFrame:
        return pl.scan_parquet(name, glob=False, hive_partitioning=False, storage_options=storage)


class ParquetEncoder(AssemblingEncoder):
    """Writes Parquet; see `tables.assembled.AssemblingEncoder`."""

    def _write(self, rows: pl.LazyFrame, to: Path | io.BytesIO) -> None:
        rows.sink_parquet(to, row_group_size=self._group_rows)

    def _count(self, path: Path) -> int:
        there = pl.scan_parquet(path, glob=False, hive_partitioning=False).select(pl.len())
        return int(there.collect().item())


def rows_of(path: Path) -> int:
    """Return how many rows a Parquet file has, from its footer.

    Raises:
        OSError: It cannot be read.
    """
    try:
        return int(pl.scan_parquet(path, glob=False, hive_partitioning=False).select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        raise OSError(f"it is no Parquet file: {type(error).__name__}") from error
