"""CSV to write."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from mlship.errors import UsageError
from mlship.model.signature import Output
from mlship.model.values.codes import Array
from mlship.tables import jsons, outputs

_UNWRITABLE = (pl.Binary, pl.Duration, pl.List, pl.Array, pl.Struct, pl.Object)


class CsvEncoder:
    """Makes CSV files; see `tables.contract.Encoder`.

    Texts are written as they came and quoted only where they must be, floats in the shortest form that reads
    back as the same number, NaN as `NaN`, null as an empty field; lines end in LF, in UTF-8.

    Args:
        kept: The kept columns, without rows.
        columns: The output columns.
        delimiter: The character between fields.

    Raises:
        UsageError: A kept column holds lists, structures, bytes or durations, which CSV has no form for.
    """

    appends = True

    def __init__(self, kept: pl.DataFrame, columns: Sequence[Output], delimiter: str = ",") -> None:
        for name, dtype in jsons.plain(kept).schema.items():
            if isinstance(dtype, _UNWRITABLE):
                raise UsageError(
                    f"The column '{name}' holds {dtype}, for which CSV has no form.",
                    hint="Name the columns to carry along with --keep, or write Parquet with --format parquet.",
                )
        self._kept = kept
        self._columns = columns
        self._delimiter = delimiter

    def head(self) -> bytes:
        """Return the header."""
        return self._written(outputs.joined_empty(self._kept, self._columns), header=True)

    def rows(self, kept: pl.DataFrame, arrays: Mapping[str, Array]) -> bytes:
        """Return lines."""
        return self._written(outputs.joined(kept, self._columns, arrays), header=False)

    def file(self, kept: pl.DataFrame, arrays: Mapping[str, Array]) -> bytes:
        """Return header and lines."""
        return self._written(outputs.joined(kept, self._columns, arrays), header=True)

    def assemble(self, parts: Sequence[Path], path: Path) -> None:
        """Nothing calls this: files of CSV are appended to."""
        raise AssertionError(parts, path)

    def _written(self, frame: pl.DataFrame, *, header: bool) -> bytes:
        text = io.BytesIO()
        jsons.plain(frame).write_csv(text, include_header=header, separator=self._delimiter)
        return text.getvalue()
