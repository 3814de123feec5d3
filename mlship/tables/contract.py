"""What a format has to offer: a source plans and reads chunks of rows, a sink takes them in order.

A chunk is fixed by the input's bytes and the chunk size alone, and can be read without any other, so that
chunks may be read again, elsewhere, or at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from mlship.model.signature import Signature
from mlship.model.values.codes import Array, Coerced

if TYPE_CHECKING:
    import polars as pl

    Kept = pl.DataFrame
    """Columns carried along from an input to an output; only sources and sinks look inside."""


@dataclass(frozen=True)
class Chunk:
    """One piece of an input.

    Attributes:
        index: Its place among the chunks, from 0.
        start: Where it begins, in the source's own unit: bytes or rows.
        stop: Where the next one begins.
    """

    index: int
    start: int
    stop: int


class Rows(Protocol):
    """The rows of one chunk."""

    @property
    def count(self) -> int:
        """How many there are, refused ones included."""
        ...

    def coerced(self, signature: Signature, null: tuple[str, ...]) -> Coerced:
        """Return the model's columns, and what was refused in them.

        Args:
            signature: The columns wanted; all were among those read.
            null: Further texts that mean null, where values are texts.
        """
        ...

    def kept(self, columns: Sequence[str], accepted: NDArray[np.bool_]) -> Kept:
        """Return columns as they came, of the rows where the mask [count] is True."""
        ...

    def byte(self, row: int) -> int | None:
        """Return where in the file a row of this chunk (from 0) begins; None where rows have no place of their own."""
        ...


class Source(Protocol):
    """An input file, opened with its path and the chunk size in bytes.

    Attributes:
        columns: Names of its columns, in order; none occurs twice.
        total: Where the last chunk stops, for telling progress.

    Raises:
        InputRefused: On opening, planning or reading, when the file cannot be understood as a table.
        OSError: The system could not read it.
    """

    columns: tuple[str, ...]
    total: int

    def plan(self) -> Iterator[Chunk]:
        """Yield the chunks in order, the same ones every time."""
        ...

    def read(self, chunk: Chunk, columns: Sequence[str]) -> Rows:
        """Read some of the columns of a chunk."""
        ...

    def none_of(self, columns: Sequence[str]) -> Kept:
        """Return columns of the right types without rows, from which a sink learns what will come."""
        ...


class Sink(Protocol):
    """An output file in the making, opened with its path, the kept columns without rows, and the output columns.

    Raises:
        UsageError: On opening, when the format cannot hold a kept column.
        OSError: On any call, when the system could not write.
    """

    def write(self, kept: Kept, outputs: Mapping[str, Array]) -> None:
        """Append rows: the kept columns, then an array [rows] for each output column."""
        ...

    def finish(self) -> None:
        """Complete the file; it can be published afterwards."""
        ...

    def close(self) -> None:
        """Let go of everything that is open; a file that is not finished is left as it is."""
        ...
