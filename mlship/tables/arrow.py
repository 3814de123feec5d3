"""Arrow's columns, as engines give them, become rows to score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from mlship.tables.contract import Wanted
from mlship.tables.slices import TypedRows


def joined_lines(lines: Any) -> bytes:
    """Return an array of lines as one text, each line ended by a line feed.

    Args:
        lines: A pyarrow.BinaryArray [n], without nulls.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(lines) == 0:
        return b""
    grouped = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    joined: bytes = pc.binary_join(grouped, pa.scalar(b"\n", lines.type))[0].as_py()
    return joined + b"\n"


def runs_of(batch: Any, names: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the stretches of a batch in which some columns stay the same, with their values.

    Args:
        batch: A pyarrow.RecordBatch [n].
        names: The columns, in which nothing is null.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    ends: set[int] = {batch.num_rows} if batch.num_rows else set()
    for name in names:
        encoded = pc.run_end_encode(batch.column(name), run_end_type=pa.int32())
        ends.update(encoded.run_ends.to_pylist())
    start = 0
    for end in sorted(ends):
        values = tuple(batch.column(name)[start].as_py() for name in names)
        yield values, batch.slice(start, end - start)
        start = end


def typed_rows(batch: Any, wanted: Wanted, types: pl.DataFrame) -> TypedRows:
    """Return typed columns as rows to score.

    Args:
        batch: A pyarrow.RecordBatch [n] with the columns that are wanted.
        wanted: What of it is wanted.
        types: Columns without rows, whose dtypes these have in their file. An engine may have others for the same
            values: Spark has 64-bit integers for durations, and decimals for unsigned integers of 64 bits.
    """
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return TypedRows(frame.cast(types.schema), batch.num_rows, wanted)


def other_kind(given: pl.DataFrame, types: pl.DataFrame) -> str | None:
    """Return the first column that `typed_rows` cannot give its dtype, None where it can give all.

    Args:
        given: Columns without rows, as an engine gives them.
        types: The same, as they are in the file.
    """
    for name, dtype in types.schema.items():
        try:
            given.get_column(name).cast(dtype)
        except pl.exceptions.PolarsError:
            return name
    return None


def no_rows(schema: Any, names: Sequence[str]) -> pl.DataFrame:
    """Return columns of the dtypes of a pyarrow.Schema without rows."""
    frame = pl.from_arrow(schema.empty_table())
    assert isinstance(frame, pl.DataFrame)
    return pl.DataFrame({name: frame.get_column(name) for name in names})


def packed_frame(frame: pl.DataFrame) -> bytes:
    """Return a frame in Arrow's format, such as `unpacked_frame` takes."""
    import io

    data = io.BytesIO()
    frame.write_ipc(data)
    return data.getvalue()


def unpacked_frame(data: bytes) -> pl.DataFrame:
    """Return what `packed_frame` was given."""
    return pl.read_ipc(data)


def tagged(kind: int, payload: bytes) -> Any:
    """Return a pyarrow.RecordBatch of one row: `kind` as int8 and `payload` as binary."""
    import pyarrow as pa

    return pa.RecordBatch.from_arrays(
        [pa.array([kind], pa.int8()), pa.array([payload], pa.binary())], names=["kind", "payload"]
    )
