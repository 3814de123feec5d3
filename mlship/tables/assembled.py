"""Files that are no sum of their chunks: chunks are parts in Arrow's format, of which one file is made at the end.

Polars has no way to append to such files that it calls stable. Row groups have a fixed number of rows, so that a
file's bytes depend neither on the chunks nor on the number of threads.
"""

from __future__ import annotations

import glob
import io
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from mlship.model.signature import Output
from mlship.model.values.codes import Array
from mlship.tables import jsons, outputs
from mlship.tables.slices import first_line

_OF_SYSTEM = re.compile(r"\(os error ([0-9]+)\)")
"""How Polars tells which error of the system it met."""

_GROUP_ROWS = 1 << 17
_GROUP_BYTES = 1 << 26
_T = TypeVar("_T")


class AssemblingEncoder(ABC):
    """Writes files of typed columns; see `tables.contract.Encoder`.

    Args:
        kept: The kept columns, without rows.
        columns: The output columns.
    """

    appends = False

    def __init__(self, kept: pl.DataFrame, columns: Sequence[Output]) -> None:
        self._columns = columns
        self._empty = outputs.joined_empty(jsons.plain(kept), columns)
        self._group_rows = max(1024, min(_GROUP_ROWS, _GROUP_BYTES // (16 * max(1, self._empty.width))))

    def head(self) -> bytes:
        """Return nothing: what begins such a file is made with it."""
        return b""

    def rows(self, kept: pl.DataFrame, arrays: Mapping[str, Array]) -> bytes:
        """Return rows as a file in Arrow's format."""
        part = io.BytesIO()
        self._joined(kept, arrays).write_ipc(part)
        return part.getvalue()

    def file(self, kept: pl.DataFrame, arrays: Mapping[str, Array]) -> bytes:
        """Return a whole file of some rows."""
        whole = io.BytesIO()
        self._write(self._joined(kept, arrays).lazy(), whole)
        return whole.getvalue()

    def _joined(self, kept: pl.DataFrame, arrays: Mapping[str, Array]) -> pl.DataFrame:
        return outputs.joined(jsons.plain(kept), self._columns, arrays)

    def assemble(self, parts: Sequence[Path], path: Path) -> None:
        """Stream the parts into one file, and look whether all rows are in it."""
        frames = [self._empty.lazy()]
        if parts:
            # escaped, because older versions of Polars have no way to say that a name is no pattern
            frames.append(pl.scan_ipc([glob.escape(str(part)) for part in parts], hive_partitioning=False))
        whole = pl.concat(frames)
        written(lambda: self._write(whole, path))
        expected = written(lambda: whole.select(pl.len()).collect().item())
        if written(lambda: self._count(path)) != expected:
            raise OSError(None, "not all rows arrived in the file")

    @abstractmethod
    def _write(self, rows: pl.LazyFrame, to: Path | io.BytesIO) -> None:
        """Stream rows into a file."""

    @abstractmethod
    def _count(self, path: Path) -> int:
        """How many rows a file has."""


def written(write: Callable[[], _T]) -> _T:
    """Call what writes; Polars tells a failure of the system as one of its own.

    Raises:
        OSError: It failed.
    """
    try:
        return write()
    except pl.exceptions.PolarsError as error:
        found = _OF_SYSTEM.search(str(error))
        if found is not None:
            raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
        raise OSError(None, f"a write was refused ({first_line(error)})") from error
