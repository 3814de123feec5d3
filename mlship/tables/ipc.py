"""Arrow IPC, the file format, also known as Feather 2: chunks are slices of rows, values have types.

The stream format, which has no table of contents, is refused: a chunk in it cannot be read without all before it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl

from mlship.errors import InputRefused
from mlship.tables.assembled import AssemblingEncoder
from mlship.tables.slices import SlicedSource

_MAGIC = b"ARROW1"
_STREAM = b"\xff\xff\xff\xff"
_OLD = b"FEA1"
_READ_STREAM = "import polars; polars.read_ipc_stream('{name}').write_ipc('NEW.arrow')"
_READ_OLD = "import pyarrow.feather as f; f.write_feather(f.read_table('{name}'), 'NEW.arrow')"


class IpcSource(SlicedSource):
    """An Arrow IPC file to read; see `tables.slices.SlicedSource`."""

    what = "Arrow IPC"

    def _look_at(self, start: bytes) -> None:
        super()._look_at(start)
        if start.startswith(_STREAM):
            raise self._other("in the stream format", _READ_STREAM)
        if start.startswith(_OLD):
            raise self._other("in the first version of Feather", _READ_OLD)
        if not start.startswith(_MAGIC):
            raise self._damaged(f"it does not begin with {_MAGIC.decode()}")

    def _other(self, what: str, code: str) -> InputRefused:
        return InputRefused(
            f"'{self._name}' is {what}; the Arrow IPC file format was expected.",
            hint=f'Write it again: python -c "{code.format(name=self._name)}"',
            code="not_ipc_file",
        )

    def _scan(self, name: str, storage: dict[str, Any] | None) -> pl.LazyFrame:
        return pl.scan_ipc(name, glob=False, hive_partitioning=False, storage_options=storage)


class IpcEncoder(AssemblingEncoder):
    """Writes Arrow IPC files that all versions of Arrow read; see `tables.assembled.AssemblingEncoder`."""

    def _write(self, rows: pl.LazyFrame, to: Path | io.BytesIO) -> None:
        rows.sink_ipc(to, compat_level=pl.CompatLevel.oldest(), record_batch_size=self._group_rows)

    def _count(self, path: Path) -> int:
        there = pl.scan_ipc(path, glob=False, hive_partitioning=False).select(pl.len())
        return int(there.collect().item())
