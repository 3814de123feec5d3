"""The rows of one chunk of CSV."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlship.model.signature import Signature
from mlship.model.values.codes import CellError, Code, Coerced
from mlship.tables import records
from mlship.tables.contract import Wanted
from mlship.tables.dialect import Dialect
from mlship.tables.outputs import framed
from mlship.tables.texts import read_frame


class CsvRows:
    """The rows of one chunk; see `tables.contract.Rows`.

    Args:
        frame: Columns of String, null for an empty field; columns of numbers may be Float64 already.
        data: The chunk's bytes, the last record ended.
        wanted: What was asked for.
        place: Where the chunk begins in the file, or None where its rows have no place.
        dialect: How the file is written.
    """

    def __init__(self, frame: pl.DataFrame, data: bytes, wanted: Wanted, place: int | None, dialect: Dialect) -> None:
        self._frame = frame
        self._data = data
        self._wanted = wanted
        self._place = place
        self._dialect = dialect
        self._split: records.Records | None = None

    def found_one_by_one(self, split: records.Records) -> None:
        """Take over where rows begin and which of them are no records."""
        self._split = split

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where each row begins in the chunk."""
        if self._split is not None:
            return np.array(self._split.starts, dtype=np.int64)
        ends = records.survey(self._data, self._dialect).ends
        return np.concatenate((np.zeros(min(1, len(ends)), dtype=np.int64), ends[:-1] + 1))

    @property
    def refused(self) -> Mapping[int, Code]:
        """The rows that are no records, with the reason."""
        return self._split.bad if self._split is not None else {}

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._frame.height if self._frame.width else len(self._starts)

    def coerced(self) -> Coerced:
        """Return the model's columns; a row that is no record has that as its only reason."""
        return self.other(self._wanted.signature)

    def other(self, signature: Signature) -> Coerced:
        """Return columns by the rules of another signature."""
        frame = self._frame
        if self._dialect.decimal_comma:
            frame = _with_points(frame, signature)
        found = read_frame(signature, frame, self._wanted.null)
        found.rows = self.count
        if self.refused:
            errors = [error for error in found.errors if error.row not in self.refused]
            errors += [CellError(row, None, code) for row, code in self.refused.items()]
            found.errors = sorted(errors, key=lambda error: error.row)
        return found

    def kept(self, accepted: NDArray[np.bool_]) -> pl.DataFrame:
        """Return the kept columns as texts, of the accepted rows."""
        columns = self._wanted.keep
        frame = self._frame
        if frame.columns != [*columns]:
            frame = framed([frame.get_column(name) for name in columns])
        return frame if accepted.all() or not columns else frame.filter(pl.Series(accepted))

    def byte(self, row: int) -> int | None:
        """Return where a row begins in the file."""
        return None if self._place is None else self._place + int(self._starts[row])

    def record(self, row: int) -> str:
        """Return a row as it is written, without its end; what is not UTF-8 is shown as replacement characters."""
        start = int(self._starts[row])
        stop = int(self._starts[row + 1]) if row + 1 < len(self._starts) else len(self._data)
        return self._data[start:stop].rstrip(b"\r\n").decode(errors="replace")


def _with_points(frame: pl.DataFrame, signature: Signature) -> pl.DataFrame:
    """Write the numbers of the signature's columns with a point; one that had a point already is none."""
    numbers = {column.name for column in signature.inputs if column.dtype in ("float64", "float32", "int64")}
    columns = []
    for series in frame.get_columns():
        if series.name in numbers and series.dtype == pl.String:
            texts = pl.DataFrame([series.alias("0")]).select(
                pl.when(pl.col("0").str.contains(".", literal=True))
                .then(pl.col("0") + ",")  # a point is no part of such a number, and neither is what this gives
                .otherwise(pl.col("0").str.replace(",", ".", literal=True))
            )
            series = texts.to_series().alias(series.name)  # noqa: PLW2901
        columns.append(series)
    return framed(columns)
