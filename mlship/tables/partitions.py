"""Trees of folders such as `year=2024/month=1`: what their names say is columns of every file below them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlship.errors import InputRefused
from mlship.model.signature import Signature
from mlship.model.values.codes import Array, CellError, Coerced
from mlship.model.values.text import read_texts
from mlship.tables.contract import Chunk, Rows, Source, Wanted
from mlship.tables.outputs import framed

_NULL = "__HIVE_DEFAULT_PARTITION__"


def partition_values(inside: PurePath) -> dict[str, str | None]:
    """Return what the folders of a file say: the text of each column, None for null.

    Args:
        inside: The file's path within the tree, such as `year=2024/part-0.parquet`.

    Raises:
        InputRefused: Two folders say the same column.
    """
    values: dict[str, str | None] = {}
    for folder in inside.parent.parts:
        key, sign, text = folder.partition("=")
        if not sign or not key:
            continue
        name = unquote(key)
        if name in values:
            raise InputRefused(
                f"'{inside}' lies in two folders that say the column '{name}'.",
                hint="Let one folder of each path say a column.",
                code="duplicate_columns",
            )
        values[name] = None if text == _NULL else unquote(text)
    return values


class PartitionedSource:
    """A source with further columns, each of one text; see `tables.contract.Source`.

    The file's own column wins over one of the same name. The texts are read as those of a CSV file are, whatever
    the format; kept, they are texts.

    Args:
        source: The file.
        values: The text of each further column, None for null.
    """

    def __init__(self, source: Source, values: Mapping[str, str | None]) -> None:
        self._source = source
        self._values = {name: text for name, text in values.items() if name not in source.columns}
        self.columns = (*source.columns, *self._values)
        self.total = source.total

    def plan(self, start: int | None = None, index: int = 0) -> Iterator[Chunk]:
        """Yield the chunks of the file."""
        return self._source.plan(start, index)

    def read(self, chunk: Chunk, wanted: Wanted) -> PartitionedRows:
        """Read a chunk."""
        inner = replace(
            wanted,
            signature=_only(wanted.signature, lambda name: name not in self._values),
            keep=tuple(name for name in wanted.keep if name not in self._values),
            others=tuple(name for name in wanted.others if name not in self._values),
        )
        if not inner.names:  # so that the rows are seen at all
            inner = replace(inner, others=self._source.columns[:1])
        return PartitionedRows(self._source.read(chunk, inner), self._values, wanted)

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    def none_of(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return columns without rows: those of folders are String."""
        inner = self._source.none_of([name for name in columns if name not in self._values])
        return _with_texts(inner, columns, self._values, 0)


class PartitionedRows:
    """The rows of one chunk; see `tables.contract.Rows`.

    Args:
        rows: The file's own.
        values: The text of each further column.
        wanted: What is wanted of them.
    """

    def __init__(self, rows: Rows, values: Mapping[str, str | None], wanted: Wanted) -> None:
        self._rows = rows
        self._values = values
        self._wanted = wanted

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._rows.count

    def coerced(self) -> Coerced:
        """Return the model's columns."""
        return self._joined(self._wanted.signature, self._rows.coerced())

    def other(self, signature: Signature) -> Coerced:
        """Return columns by the rules of another signature."""
        return self._joined(signature, self._rows.other(_only(signature, lambda name: name not in self._values)))

    def _joined(self, signature: Signature, inner: Coerced) -> Coerced:
        """The file's columns and those of folders, each of which is read once."""
        own = _only(signature, lambda name: name in self._values)
        once = read_texts(own, {name: [self._values[name]] for name in own.names}, 1, self._wanted.null)
        columns: dict[str, Array] = {
            name: np.repeat(once.columns[name], inner.rows) if name in self._values else inner.columns[name]
            for name in signature.names
        }
        errors = list(inner.errors)
        if once.errors:
            no_rows = {error.row for error in inner.errors if error.column is None}
            errors += [
                CellError(row, error.column, error.code, error.kind)
                for row in range(inner.rows)
                if row not in no_rows
                for error in once.errors
            ]
            place = {name: index for index, name in enumerate(signature.names)}
            errors.sort(key=lambda error: (error.row, place.get(error.column or "", -1)))
        return Coerced(inner.rows, columns, errors)

    def kept(self, accepted: NDArray[np.bool_]) -> pl.DataFrame:
        """Return the kept columns, those of folders as texts, of the accepted rows."""
        return _with_texts(self._rows.kept(accepted), self._wanted.keep, self._values, int(accepted.sum()))

    def byte(self, row: int) -> int | None:
        """Return where a row begins in the file."""
        return self._rows.byte(row)

    def record(self, row: int) -> Any:
        """Return a row as it came; where it is no text, with what the folders say."""
        found = self._rows.record(row)
        return {**found, **self._values} if isinstance(found, Mapping) else found


def _only(signature: Signature, wanted: Callable[[str], bool]) -> Signature:
    return replace(signature, inputs=tuple(column for column in signature.inputs if wanted(column.name)))


def _with_texts(frame: pl.DataFrame, names: Sequence[str], values: Mapping[str, str | None], rows: int) -> pl.DataFrame:
    """Return columns in order: those of a frame, and others that hold one text throughout."""
    return framed(
        [
            pl.Series(name, [values[name]], dtype=pl.String).new_from_index(0, rows)
            if name in values
            else frame.get_column(name)
            for name in names
        ]
    )
