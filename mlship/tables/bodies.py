"""Tables that are whole in memory, as bodies of requests and answers: read and written as files are.

What a small body may unpack to is bounded before it is unpacked: by `tables.pages` and `tables.messages`, which look
at what Parquet and Arrow say of their own sizes, and by the length of texts before they are made.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import polars as pl
from numpy.typing import NDArray

from mlship.errors import InputRefused
from mlship.model.signature import Output, Signature
from mlship.model.values.codes import Array, Coerced
from mlship.model.values.text import missing
from mlship.tables import messages, outputs, pages
from mlship.tables.contract import Rows, Wanted
from mlship.tables.csv import CsvSource
from mlship.tables.csv_encoder import CsvEncoder
from mlship.tables.dialect import NOTHING_TOLD, Told
from mlship.tables.ndjson import NdjsonEncoder, NdjsonSource
from mlship.tables.parquet import ParquetEncoder
from mlship.tables.slices import TypedRows
from mlship.tables.texts import NUMBERS

_NAME = "body"
_CHUNK = 1 << 18
"""Bytes of text that are read at once: what can be refused in them is bounded with it."""


@dataclass(frozen=True)
class Bounds:
    """The most that a body may hold.

    Attributes:
        rows: Rows.
        memory: Bytes, unpacked.
        at_once: Rows of typed columns that are read at once.
    """

    rows: int
    memory: int
    at_once: int


class TooLarge(InputRefused):
    """A body holds more than it may."""

    default_code = "too_large"


class Memory:
    """Bytes in memory; see `contract.ByteInput`.

    Args:
        data: The bytes.
    """

    name = _NAME
    seekable = True

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size: int | None = len(data)

    def open(self, start: int = 0) -> BinaryIO:
        """Return a stream of the bytes from a position on."""
        stream = io.BytesIO(self._data)
        stream.seek(start)
        return stream


@dataclass(frozen=True)
class Table:
    """A table to read.

    Attributes:
        columns: Names of its columns.
        parts: Its rows, some at a time, read when they are asked for; InputRefused when that shows what is no table.
    """

    columns: tuple[str, ...]
    parts: Iterator[Rows]


def opened(
    kind: str, data: bytes, signature: Signature, bounds: Bounds, header: bool, told: Told = NOTHING_TOLD
) -> Table:
    """Open a table.

    Args:
        kind: `csv`, `ndjson`, `arrow` or `parquet`.
        data: Its bytes.
        signature: The columns wanted.
        bounds: The most that it may hold.
        header: Whether CSV begins with the names of its columns.
        told: What is known of how CSV is written.

    Raises:
        InputRefused: It cannot be understood as a table.
        TooLarge: It holds more than it may.
    """
    wanted = Wanted(signature)
    if kind == "csv":
        return _csv(CsvSource(Memory(data), _CHUNK, _told(signature, header, told)), signature)
    if kind == "ndjson":
        source = NdjsonSource(Memory(data), _CHUNK)
        return Table(source.columns, (source.read(chunk, wanted) for chunk in source.plan()))
    if not data:
        raise _damaged(kind, "it is empty")
    try:
        names, frame = (_parquet if kind == "parquet" else _arrow)(data, signature, bounds)
    except (pl.exceptions.PolarsError, OSError):  # whatever the system has to do with bytes in memory
        raise _damaged(kind, "it cannot be read") from None
    except pl.exceptions.PanicException:  # what damage that Polars did not foresee ends in
        raise _damaged(kind, "its content contradicts itself") from None
    _check_texts(frame, bounds)
    return Table(names, _slices(frame, wanted, bounds))


def _csv(source: CsvSource, signature: Signature) -> Table:
    """A table of CSV, which batch would not begin to read where a column is missing: here each row is told so."""
    there = tuple(column for column in signature.inputs if column.name in source.columns)
    wanted = Wanted(replace(signature, inputs=there))
    parts: Iterator[Any] = (source.read(chunk, wanted) for chunk in source.plan())
    if len(there) < len(signature.inputs):
        parts = (_Lacking(rows, signature) for rows in parts)
    return Table(source.columns, parts)


class _Lacking:
    """Rows that lack columns of the model, which is refused in each that is a row at all; see `contract.Rows`."""

    def __init__(self, rows: Rows, signature: Signature) -> None:
        self._rows = rows
        self._signature = signature
        self.count = rows.count

    def coerced(self) -> Coerced:
        """Return the model's columns."""
        found, signature = self._rows.coerced(), self._signature
        broken = {error.row for error in found.errors if error.column is None}
        columns: dict[str, Array] = {}
        errors = found.errors
        for column in signature.inputs:
            if column.name in found.columns:
                columns[column.name] = found.columns[column.name]
                continue
            columns[column.name], more = missing(column, self.count, signature.tensor_dtypes[column.tensor])
            errors = errors + [error for error in more if error.row not in broken]
        place = {name: index for index, name in enumerate(signature.names)}
        return Coerced(self.count, columns, sorted(errors, key=lambda e: (e.row, place.get(e.column or "", -1))))


def _told(signature: Signature, header: bool, told: Told) -> Told:
    """What batch is told of a CSV file by its model."""
    names = signature.names
    numbers = frozenset(column.name for column in signature.inputs if column.dtype in NUMBERS)
    return replace(told, names=None if header else names, sought=frozenset(names), numbers=numbers)


def _parquet(data: bytes, signature: Signature, bounds: Bounds) -> tuple[tuple[str, ...], pl.DataFrame]:
    lazy = pl.scan_parquet(io.BytesIO(data), glob=False, hive_partitioning=False)
    schema = lazy.collect_schema()
    names = tuple(schema.names())
    flat = [name for name in signature.names if name in schema and not schema[name].is_nested()]
    _bounded(pages.weighed(data, frozenset(flat)), "parquet", bounds)
    places = {name: place for place, name in enumerate(names)}
    rows = int(lazy.select(pl.len()).collect().item())
    if rows > bounds.rows:
        raise _too_many(rows, bounds)
    picked = lazy.select(pl.selectors.by_index(*(places[name] for name in flat))).collect() if flat else pl.DataFrame()
    if flat and picked.height != rows:
        raise _damaged("parquet", "its content contradicts itself")
    return names, _with_nested(picked, [name for name in signature.names if name in schema], rows)


def _arrow(data: bytes, signature: Signature, bounds: Bounds) -> tuple[tuple[str, ...], pl.DataFrame]:
    _bounded(messages.weighed(data), "arrow", bounds)
    frame = pl.read_ipc_stream(io.BytesIO(data))
    there = [name for name in signature.names if name in frame.columns]
    flat = [name for name in there if not frame.schema[name].is_nested()]
    picked = outputs.framed([frame.get_column(name) for name in flat])
    return tuple(frame.columns), _with_nested(picked, there, frame.height)


def _with_nested(flat: pl.DataFrame, names: list[str], rows: int) -> pl.DataFrame:
    """The columns by name, with bytes for those of lists, which are never looked into: every dtype refuses both."""
    none = pl.Series([b""], dtype=pl.Binary).new_from_index(0, rows)
    return outputs.framed([flat.get_column(name) if name in flat.columns else none.alias(name) for name in names])


def _slices(frame: pl.DataFrame, wanted: Wanted, bounds: Bounds) -> Iterator[Rows]:
    for start in range(0, frame.height, bounds.at_once):
        part = frame.slice(start, bounds.at_once)
        yield TypedRows(part, part.height, wanted)


def _bounded(weight: tuple[int, int] | None, kind: str, bounds: Bounds) -> None:
    """Check rows and unpacked bytes as the bytes themselves tell them, None when they tell nothing."""
    if weight is None:
        raise _damaged(kind, "its content contradicts itself")
    rows, size = weight
    if rows > bounds.rows:
        raise _too_many(rows, bounds)
    if size > bounds.memory:
        raise TooLarge(f"The body unpacks to more than {bounds.memory:,} bytes, the most that this server takes.")


def _check_texts(frame: pl.DataFrame, bounds: Bounds) -> None:
    """Check how long texts are in all: a dictionary says a long one many times in few bytes."""
    size = 0
    for series in frame.get_columns():
        if isinstance(series.dtype, pl.Categorical | pl.Enum):
            counts = series.rename("").value_counts(name="count")
            texts, times = counts.get_columns()
            size += int((texts.cast(pl.String).str.len_bytes().cast(pl.Int64) * times.cast(pl.Int64)).sum() or 0)
        elif series.dtype == pl.String:
            size += int(series.str.len_bytes().cast(pl.Int64).sum() or 0)
        elif series.dtype == pl.Binary:
            size += int(series.bin.size().cast(pl.Int64).sum() or 0)
    if size > bounds.memory:
        raise TooLarge(f"The body has texts of more than {bounds.memory:,} bytes, the most that this server takes.")


def _too_many(rows: int, bounds: Bounds) -> TooLarge:
    return TooLarge(
        f"The request has {rows:,} rows; this server takes up to {bounds.rows:,} at once.", code="too_many_rows"
    )


def _damaged(kind: str, why: str) -> InputRefused:
    what = {"parquet": "Parquet", "arrow": "stream of Arrow IPC"}[kind]
    return InputRefused(f"The body is no {what}, or it is damaged: {why}.", code="damaged_input")


def written(
    kind: str,
    columns: tuple[Output, ...],
    arrays: Mapping[str, Array],
    accepted: NDArray[Any] | None,
    header: bool,
) -> bytes:
    """Return output columns as a table.

    Args:
        kind: As for `opened`.
        columns: The output columns.
        arrays: An array [accepted rows] for each.
        accepted: Mask of the rows asked for, False where all outputs are null; None when all were accepted.
        header: Whether CSV begins with the names of the columns.
    """
    frame = outputs.joined(pl.DataFrame(), columns, arrays)
    if accepted is not None and not accepted.all():
        left = iter(range(frame.height))
        places = pl.Series([next(left) if taken else None for taken in accepted.tolist()], dtype=pl.UInt32)
        frame = outputs.framed([series.gather(places) for series in frame.get_columns()])
    if kind == "arrow":
        stream = io.BytesIO()
        frame.write_ipc_stream(stream, compat_level=pl.CompatLevel.oldest())
        return stream.getvalue()
    encoder: Any = {"csv": CsvEncoder, "ndjson": NdjsonEncoder, "parquet": ParquetEncoder}[kind](frame.clear(), ())
    data: bytes = (encoder.file if header else encoder.rows)(frame, {})
    return data
