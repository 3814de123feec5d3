"""What a format has to offer: a source plans and reads chunks of rows, an encoder turns rows into bytes.

A chunk is fixed by the input's bytes and the chunk size alone, and can be read without any other, so that
chunks may be read again, elsewhere, or at the same time. An encoder keeps no state, so that chunks may be
encoded at the same time too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from mlship.model.signature import Signature
from mlship.model.values.codes import Array, Coerced

if TYPE_CHECKING:
    import polars as pl

    Kept = pl.DataFrame
    """Columns carried along from an input to an output; only sources and encoders look inside."""


class ByteInput(Protocol):
    """Bytes to read: a file, what is packed in one, a pipe, an object of a store.

    Attributes:
        name: What the user calls it, for messages.
        size: How many bytes `open` gives in all, or None when only the end tells.
        seekable: Whether a position in them is a position in the file itself.
    """

    name: str
    size: int | None
    seekable: bool

    def open(self, start: int = 0) -> BinaryIO:
        """Return a stream of the bytes from a position on.

        Raises:
            InputRefused: They are packed and damaged, here or on reading.
            OSError: The system could not read them.
        """
        ...


@dataclass(frozen=True)
class Chunk:
    """One piece of an input.

    Attributes:
        index: Its place among the input's chunks, from 0.
        start: Where it begins, in the source's own unit: bytes or rows.
        stop: Where the next one begins.
        data: Its bytes where planning has read them anyway.
    """

    index: int
    start: int
    stop: int
    data: bytes | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Wanted:
    """What to read of each row.

    Attributes:
        signature: The model's columns, by the names that the input has for them.
        keep: The columns carried along, in the input's order.
        others: Further columns that somebody will ask for by `Rows.other`.
        null: Further texts that mean null, where values are texts.
        all: Whether what is carried along was to be all that the input has, so that nothing may be passed over.
    """

    signature: Signature
    keep: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    null: tuple[str, ...] = ()
    all: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All columns to read, each once."""
        return tuple(dict.fromkeys((*self.keep, *self.signature.names, *self.others)))


class Rows(Protocol):
    """The rows of one chunk."""

    @property
    def count(self) -> int:
        """How many there are, refused ones included."""
        ...

    def coerced(self) -> Coerced:
        """Return the columns of the signature that was wanted, and what was refused in them."""
        ...

    def other(self, signature: Signature) -> Coerced:
        """Return columns by the rules of another signature; all were among `Wanted.others`."""
        ...

    def kept(self, accepted: NDArray[np.bool_]) -> Kept:
        """Return the kept columns as they came, of the rows where the mask [count] is True."""
        ...

    def byte(self, row: int) -> int | None:
        """Return where in the file a row of this chunk (from 0) begins; None where rows have no place of their own."""
        ...

    def record(self, row: int) -> Any:
        """Return a row of this chunk as it came: a text, or a mapping of names to JSON values."""
        ...


class Source(Protocol):
    """An input, opened for reading in chunks.

    Attributes:
        columns: Names of its columns, in order; none occurs twice.
        total: Where the last chunk stops, for telling progress; None when only the end tells.

    Raises:
        InputRefused: On opening, planning or reading, when the input cannot be understood as a table.
        OSError: The system could not read it.
    """

    columns: tuple[str, ...]
    total: int | None

    def plan(self, start: int | None = None, index: int = 0) -> Iterator[Chunk]:
        """Yield the chunks in order, the same ones every time.

        Args:
            start: Where to go on: the `stop` of an earlier chunk; by default the input's beginning.
            index: The number of the first chunk yielded.
        """
        ...

    def read(self, chunk: Chunk, wanted: Wanted) -> Rows:
        """Read a chunk."""
        ...

    def none_of(self, columns: Sequence[str]) -> Kept:
        """Return columns of the right types without rows, from which an encoder learns what will come."""
        ...

    def close(self) -> None:
        """Let go of what is open for planning; chunks that carry their bytes can still be read."""
        ...


class Encoder(Protocol):
    """Makes files of one format, built with the kept columns without rows and the output columns.

    A file of a format that `appends` is `head()` and after it what `rows` gave for each chunk, in order. For the
    others `rows` gives parts, out of which `assemble` makes the file.

    Attributes:
        appends: Whether files are their chunks, one after the other.

    Raises:
        UsageError: When built, when the format cannot hold a kept column.
    """

    appends: bool

    def head(self) -> bytes:
        """Return what a file begins with."""
        ...

    def rows(self, kept: Kept, outputs: Mapping[str, Array]) -> bytes:
        """Return rows in bytes: the kept columns, then an array [rows] for each output column."""
        ...

    def file(self, kept: Kept, outputs: Mapping[str, Array]) -> bytes:
        """Return a whole file of some rows."""
        ...

    def assemble(self, parts: Sequence[Path], path: Path) -> None:
        """Make a file of parts, each of which holds what `rows` gave; only where the format does not append.

        Raises:
            OSError: The system could not write.
        """
        ...
