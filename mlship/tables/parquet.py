"""Parquet: chunks are slices of rows, values have types.

Polars tells nothing of row groups, and a slice costs it the same wherever it lies (measured: files of one row
group and of many), so that chunks are slices of one number of rows, chosen so that one takes about the chunk
size in memory.

Polars 2 has no way to append to a Parquet file that it calls stable. A sink therefore writes each chunk to a
part in Arrow's format, and at the end has Polars stream all parts into one file; row groups have a fixed number
of rows, so that the file's bytes do not depend on the chunks.
"""

from __future__ import annotations

import glob
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars import selectors

from mlship.errors import InputRefused
from mlship.model.signature import Output, Signature
from mlship.model.values.codes import Array, Coerced
from mlship.model.values.typed import read_typed
from mlship.tables import outputs
from mlship.tables.contract import Chunk
from mlship.tables.typed import typed_column

_SAMPLES = 8
_SAMPLE_ROWS = 256
_GROUP_ROWS = 1 << 17
_GROUP_BYTES = 1 << 26
_T = TypeVar("_T")


class ParquetSource:
    """A Parquet file to read; see `tables.contract.Source`.

    Args:
        path: The file.
        chunk_size: About how many bytes the rows of a chunk take in memory.
    """

    def __init__(self, path: Path, chunk_size: int) -> None:
        self._path = path
        with path.open("rb") as stream:  # a file that cannot be opened is told as any other
            if not stream.read(1):
                raise InputRefused(
                    f"'{path}' is empty; a Parquet file was expected.",
                    hint="Check what should have written it.",
                    code="empty_input",
                )
        # a name with brackets or stars, or a folder such as a=1, means nothing special
        self._lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        self._schema = self._collected(self._lazy.collect_schema)
        self.columns = tuple(self._schema.names())
        self._places = {name: place for place, name in enumerate(self.columns)}
        self.total = int(self._collected(self._lazy.select(pl.len()).collect).item())
        self._chunk_rows = max(1, chunk_size // self._row_bytes())

    def _row_bytes(self) -> int:
        """About how many bytes a row takes, the most that is found at some places of the file."""
        most = 1
        for start in sorted({self.total * index // _SAMPLES for index in range(_SAMPLES)}):
            frame = self._collected(self._lazy.slice(start, _SAMPLE_ROWS).collect)
            if frame.height:
                most = max(most, int(frame.estimated_size()) // frame.height)
        return most

    def plan(self) -> Iterator[Chunk]:
        """Yield the chunks."""
        for index, start in enumerate(range(0, self.total, self._chunk_rows)):
            yield Chunk(index, start, min(start + self._chunk_rows, self.total))

    def read(self, chunk: Chunk, columns: Sequence[str]) -> ParquetRows:
        """Read some of the columns of a chunk."""
        rows = chunk.stop - chunk.start
        # by place, because a name may be a pattern to Polars, such as `*`
        places = selectors.by_index(*(self._places[name] for name in columns))
        lazy = self._lazy.select(places).slice(chunk.start, rows)
        frame = self._collected(lazy.collect)
        if frame.height != rows:
            raise self._damaged(f"{frame.height} rows were found from row {chunk.start + 1} on where {rows} should be")
        return ParquetRows(frame)

    def none_of(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return columns of their dtypes without rows."""
        return pl.DataFrame(schema={name: self._schema[name] for name in columns})

    def _collected(self, collect: Callable[[], _T]) -> _T:
        try:
            return collect()
        except pl.exceptions.PolarsError as error:
            raise self._damaged((str(error).strip() or type(error).__name__).splitlines()[0][:200]) from error
        except pl.exceptions.PanicException as error:  # what damage that Polars did not foresee ends in
            raise self._damaged("its content contradicts itself") from error

    def _damaged(self, why: str) -> InputRefused:
        return InputRefused(
            f"'{self._path}' is no Parquet file, or it is damaged: {why}.",
            hint="Check that it was copied whole, or write it again.",
            code="damaged_input",
        )


class ParquetRows:
    """The rows of one chunk; see `tables.contract.Rows`.

    Args:
        frame: The columns read.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._frame.height

    def coerced(self, signature: Signature, null: tuple[str, ...]) -> Coerced:  # noqa: ARG002 - values have types
        """Return the model's columns."""
        columns = {name: typed_column(self._frame.get_column(name)) for name in signature.names}
        return read_typed(signature, columns, self._frame.height)

    def kept(self, columns: Sequence[str], accepted: NDArray[np.bool_]) -> pl.DataFrame:
        """Return columns with their dtypes, of the accepted rows."""
        frame = pl.DataFrame([self._frame.get_column(name) for name in columns])
        return frame if accepted.all() or not columns else frame.filter(pl.Series(accepted))

    def byte(self, row: int) -> None:  # noqa: ARG002 - as the protocol has it
        """Return None: a row of a Parquet file has no place of its own."""
        return


class ParquetSink:
    """A Parquet file in the making; see `tables.contract.Sink`.

    Args:
        path: The file to make; its parts lie in a folder of the same name with `.parts` added.
        kept: The kept columns, without rows.
        columns: The output columns.

    Raises:
        OSError: The system could not write.
    """

    def __init__(self, path: Path, kept: pl.DataFrame, columns: Sequence[Output]) -> None:
        self._path = path
        self._columns = columns
        self._folder = path.with_name(path.name + ".parts")
        self._folder.mkdir()
        self._parts: list[Path] = []
        self._rows = 0
        self._empty = outputs.joined_empty(kept, columns)
        self._append(self._empty)

    def write(self, kept: pl.DataFrame, arrays: Mapping[str, Array]) -> None:
        """Append rows."""
        frame = outputs.joined(kept, self._columns, arrays)
        if frame.height:
            self._append(frame)

    def _append(self, frame: pl.DataFrame) -> None:
        part = self._folder / f"{len(self._parts):08d}.arrow"
        _written(lambda: frame.write_ipc(part))
        self._parts.append(part)
        self._rows += frame.height

    def finish(self) -> None:
        """Stream the parts into one file, and look whether all rows are in it."""
        group = max(1024, min(_GROUP_ROWS, _GROUP_BYTES // (16 * max(1, self._empty.width))))
        # escaped, because older versions of Polars have no way to say that a name is no pattern
        parts = pl.scan_ipc([glob.escape(str(part)) for part in self._parts], hive_partitioning=False)
        _written(lambda: parts.sink_parquet(self._path, row_group_size=group))
        there = pl.scan_parquet(self._path, glob=False, hive_partitioning=False).select(pl.len())
        if _written(there.collect).item() != self._rows:
            raise OSError(None, "not all rows arrived in the file")
        self.close()

    def close(self) -> None:
        """Remove the parts."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _written(write: Callable[[], _T]) -> _T:
    """Call what writes; Polars tells a failure of the system as one of its own."""
    try:
        return write()
    except pl.exceptions.PolarsError as error:
        raise OSError(None, (str(error).strip() or type(error).__name__).splitlines()[0][:200]) from error
