"""CSV straight to numbers, where that is certain to give what reading texts gives.

Polars reads a number out of bytes twice as fast as by way of a text, and to the same bits, but it takes short rows
for rows with nulls, `nan` for a number, a number past float64 for an infinity and spaces for null. So a chunk is
taken only when every record has its number of fields, and none of that occurs; else the texts are read.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlship.model.signature import Signature
from mlship.model.values.rules import all_finite
from mlship.tables import records
from mlship.tables.contract import Wanted
from mlship.tables.dialect import Dialect
from mlship.tables.outputs import framed
from mlship.tables.texts import NUMBERS, numeric_tokens

NO_SIGNATURE = Signature((), (), ())
_INEXACT = 2.0**53  # which the integer after it is read as too


class Typed:
    """Reads chunks of one file.

    Args:
        columns: The file's columns.
        dialect: How it is written.
    """

    def __init__(self, columns: tuple[str, ...], dialect: Dialect) -> None:
        self._columns = columns
        self._places = {name: place for place, name in enumerate(columns)}
        self._dialect = dialect
        # Whether null tokens such as NA were seen among numbers: only how soon a chunk is read depends on it.
        self._tokens_seen = False
        self._asked: tuple[Wanted | None, dict[str, str]] = (None, {})

    def frame(self, data: bytes, wanted: Wanted) -> pl.DataFrame | None:
        """Return a chunk's columns, those of numbers as Float64 and the others as String, or None when in doubt.

        Args:
            data: The chunk; its last record is ended.
            wanted: What is wanted of it.
        """
        numbers = self._numbers(wanted)
        if not numbers or len(self._columns) < 2:
            return None
        rows = self._regular(data)
        if rows is None:
            return None
        texts = [name for name in wanted.names if name not in numbers]
        frame = None if self._tokens_seen else self._read(data, (numbers, texts), ())
        if frame is None:
            frame = self._read_with_tokens(data, (numbers, texts), wanted)
            self._tokens_seen = self._tokens_seen or frame is not None
        if frame is None or frame.height != rows or not self._certain(data, frame, numbers):
            return None
        return framed([frame.get_column(name) for name in wanted.names])

    def _numbers(self, wanted: Wanted) -> dict[str, str]:
        """The columns that only the model wants, and of which every text is a number, null or refused, with dtypes."""
        last, numbers = self._asked
        if last is not wanted:  # which is the same one for all chunks of a run
            asked = {*wanted.keep, *wanted.others}
            numbers = {
                column.name: column.dtype
                for column in wanted.signature.inputs
                if column.dtype in NUMBERS
                and column.name not in asked
                and not numeric_tokens(wanted.signature, column, wanted.null)
                and not column.known
            }
            self._asked = wanted, numbers
        return numbers

    def _regular(self, data: bytes) -> int | None:
        """The number of records when all are regular and their fields add up, else None."""
        if records.has_quotes(data, self._dialect) or data.startswith(records.BOM):
            return None
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            return None
        if self._dialect.decimal_comma and b"." in data:  # with which Polars takes a number too
            return None
        rows, fields = records.counted(data, records.NEWLINE, self._dialect.separator)
        if fields != rows * (len(self._columns) - 1) or not records.is_utf8(data):
            return None
        return rows

    def _read(
        self, data: bytes, columns: tuple[dict[str, str], list[str]], null: tuple[str, ...]
    ) -> pl.DataFrame | None:
        """Numbers and texts, and the last column, whose nulls tell of short rows."""
        numbers, texts = columns
        last = self._columns[-1]
        names = [name for name in self._columns if name in numbers or name in texts or name == last]
        try:
            frame = pl.read_csv(
                data,
                has_header=False,
                schema={name: pl.Float64 if name in numbers else pl.String for name in self._columns},
                columns=[self._places[name] for name in names],
                separator=self._dialect.delimiter,
                quote_char=None,
                decimal_comma=self._dialect.decimal_comma,
                null_values=list(null) or None,
            )
        except pl.exceptions.PolarsError:
            return None
        frame = frame.rechunk()  # Polars' threads read a part each, which every later look would put together
        # A short row lacks its last field. Where none is short and fields add up, none is long either.
        if frame.get_columns()[-1].null_count() and not records.survey(data, self._dialect).has_shape(
            len(self._columns)
        ):
            return None
        return frame

    def _read_with_tokens(
        self, data: bytes, columns: tuple[dict[str, str], list[str]], wanted: Wanted
    ) -> pl.DataFrame | None:
        """The same where null is also written as `NA` and the like, which in a text would be just that."""
        numbers, texts = columns
        tokens = (*wanted.signature.null_tokens, *wanted.null)
        frame = self._read(data, (numbers, []), tuple(token for token in tokens if token))
        if frame is None or not texts:
            return frame
        others = self._read(data, ({}, texts), ())
        if others is None or others.height != frame.height:
            return None
        return framed([*map(frame.get_column, numbers), *map(others.get_column, texts)])

    def _certain(self, data: bytes, frame: pl.DataFrame, numbers: dict[str, str]) -> bool:
        """Whether the numbers are what their texts say."""
        nulls = False
        for name, dtype in numbers.items():
            series = frame.get_column(name)
            missing = series.null_count()
            nulls = nulls or missing > 0
            if not _holds((series.fill_null(0.0) if missing else series).to_numpy(), dtype):
                return False
        return not (nulls and self._has_blank_fields(data))

    def _has_blank_fields(self, data: bytes) -> bool:
        """Whether a field may consist of spaces or tabs, which Polars takes for null in a column of numbers."""
        starts = (self._dialect.delimiter.encode(), b"\n")
        return any(start + blank in data for start in starts for blank in (b" ", b"\t")) or data.startswith(
            (b" ", b"\t")
        )


def _holds(values: NDArray[np.float64], dtype: str) -> bool:
    """Whether a dtype holds all of the numbers, integers exactly."""
    if dtype == "float64":
        return all_finite(values)
    # The extremes tell of all: not a number is its own extreme.
    low, high = values.min(initial=0.0), values.max(initial=0.0)
    if dtype == "int64":
        return bool(low > -_INEXACT and high < _INEXACT and (values == np.rint(values)).all())
    if dtype == "float32":
        with np.errstate(over="ignore"):
            low, high = np.float32(low), np.float32(high)
    return bool(np.isfinite(low) and np.isfinite(high))
