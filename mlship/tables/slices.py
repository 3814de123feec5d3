"""What formats of typed columns have in common: chunks are slices of rows, values have dtypes.

Reading a slice costs at least the pages that it touches, of each column (measured: 28 ms for one row of 31
columns). So a whole block of rows is read at once, and its chunks are views into it. Both have a power of two
of rows, because writers make row groups of so many: then a block seldom touches a page that another one needs.
"""

from __future__ import annotations

import datetime as dt
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars import selectors

from mlship.errors import InputRefused
from mlship.model.signature import Signature
from mlship.model.values.codes import Coerced
from mlship.model.values.typed import read_typed
from mlship.tables.contract import Chunk, Wanted
from mlship.tables.outputs import framed
from mlship.tables.typed import typed_column

_SAMPLES = 8
_SAMPLE_ROWS = 256
_BLOCK_SIZE = 1 << 27
_T = TypeVar("_T")


class SlicedSource(ABC):
    """A table of typed columns to read; see `tables.contract.Source`.

    Chunks are read by several threads; two blocks at most are held for them.

    Args:
        path: The file, or the URI of an object in a store.
        chunk_size: About how many bytes the rows of a chunk take in memory.
        storage: Options for the store, as Polars names them.

    Raises:
        InputRefused: It is empty or damaged, or of another format.
        OSError: The system could not read it.
    """

    what: ClassVar[str]

    def __init__(self, path: Path | str, chunk_size: int, storage: Mapping[str, Any] | None = None) -> None:
        self._name = str(path)
        if isinstance(path, Path) or "://" not in path:  # a file that cannot be opened is told as any other
            with Path(path).open("rb") as stream:
                self._look_at(stream.read(16))
        self._lazy = self._scan(self._name, dict(storage) if storage else None)
        self._schema = self._collected(self._lazy.collect_schema)
        self.columns = tuple(self._schema.names())
        self._places = {name: place for place, name in enumerate(self.columns)}
        self._rows = int(self._collected(self._lazy.select(pl.len()).collect).item())
        self.total: int | None = self._rows
        row_bytes = self._row_bytes()
        self._chunk_rows = _power_of_two(chunk_size // row_bytes)
        self._block_rows = max(self._chunk_rows, _power_of_two(_BLOCK_SIZE // row_bytes))
        self._blocks: dict[tuple[int, tuple[str, ...]], tuple[pl.DataFrame, int]] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def _scan(self, name: str, storage: dict[str, Any] | None) -> pl.LazyFrame:
        """Return the table; a name with brackets or stars, or a folder such as a=1, means nothing special."""

    def _look_at(self, start: bytes) -> None:
        """Refuse a file by how it begins."""
        if not start:
            article = "an" if self.what[0] in "AEIOU" else "a"
            raise InputRefused(
                f"'{self._name}' is empty; {article} {self.what} file was expected.",
                hint="Check what should have written it.",
                code="empty_input",
            )

    def _row_bytes(self) -> int:
        """About how many bytes a row takes, the most that is found at some places of the file."""
        fixed, varying = 1, []
        for place, dtype in enumerate(self._schema.dtypes()):
            if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean:
                fixed += 16 if dtype.is_decimal() else 8
            else:
                varying.append(place)
        most = 0
        if varying:
            lazy = self._lazy.select(selectors.by_index(*varying))
            for start in sorted({self._rows * index // _SAMPLES for index in range(_SAMPLES)}):
                frame = self._collected(lazy.slice(start, _SAMPLE_ROWS).collect)
                if frame.height:
                    most = max(most, int(frame.estimated_size()) // frame.height)
        return fixed + most

    def plan(self, start: int | None = None, index: int = 0) -> Iterator[Chunk]:
        """Yield the chunks."""
        for place, begin in enumerate(range(start or 0, self._rows, self._chunk_rows)):
            yield Chunk(index + place, begin, min(begin + self._chunk_rows, self._rows))

    def read(self, chunk: Chunk, wanted: Wanted) -> TypedRows:
        """Read a chunk."""
        rows = chunk.stop - chunk.start
        names = tuple(name for name in wanted.names if name in self._places)
        if not names:
            return TypedRows(pl.DataFrame(), rows, wanted)
        block, offset = divmod(chunk.start, self._block_rows)
        if offset + rows > self._block_rows:
            frame = self._slice(chunk.start, rows, names)
        else:
            frame = self._block(block, names, rows).slice(offset, rows)
        if frame.height != rows:
            raise self._damaged(f"{frame.height} rows were found from row {chunk.start + 1} on where {rows} should be")
        return TypedRows(frame, rows, wanted)

    def _block(self, block: int, names: tuple[str, ...], rows: int) -> pl.DataFrame:
        """The block, of which so many rows will be used; it is let go of when all were."""
        key = (block, names)
        with self._lock:  # whoever comes second finds what the first one read
            if key not in self._blocks:
                start = block * self._block_rows
                frame = self._slice(start, min(self._block_rows, self._rows - start), names)
                self._blocks = {**dict(list(self._blocks.items())[-1:]), key: (frame, frame.height)}
            frame, unused = self._blocks.pop(key)
            if unused > rows:
                self._blocks[key] = (frame, unused - rows)
        return frame

    def _slice(self, start: int, rows: int, names: tuple[str, ...]) -> pl.DataFrame:
        # by place, because a name may be a pattern to Polars, such as `*`
        places = selectors.by_index(*(self._places[name] for name in names))
        return self._collected(self._lazy.select(places).slice(start, rows).collect)

    def close(self) -> None:
        """Let go of the blocks that are held; who still reads reads them again."""
        with self._lock:
            self._blocks = {}

    def none_of(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return columns of their dtypes without rows."""
        return pl.DataFrame(schema={name: self._schema[name] for name in columns})

    def _collected(self, collect: Callable[[], _T]) -> _T:
        try:
            return collect()
        except pl.exceptions.PolarsError as error:
            raise self._damaged(first_line(error)) from error
        except pl.exceptions.PanicException as error:  # what damage that Polars did not foresee ends in
            raise self._damaged("its content contradicts itself") from error

    def _damaged(self, why: str) -> InputRefused:
        return InputRefused(
            f"'{self._name}' is no {self.what} file, or it is damaged: {why}.",
            hint="Check that it was copied whole, or write it again.",
            code="damaged_input",
        )


def _power_of_two(most: int) -> int:
    return 1 << max(0, most.bit_length() - 1)


def first_line(error: BaseException) -> str:
    """Return the first line of an error of Polars, which may tell a whole plan after it."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


class TypedRows:
    """The rows of one chunk; see `tables.contract.Rows`.

    Args:
        frame: The columns read.
        count: How many rows there are.
        wanted: What was wanted of them.
    """

    def __init__(self, frame: pl.DataFrame, count: int, wanted: Wanted) -> None:
        self._frame = frame
        self._wanted = wanted
        self.count = count

    def coerced(self) -> Coerced:
        """Return the model's columns."""
        return self.other(self._wanted.signature)

    def other(self, signature: Signature) -> Coerced:
        """Return columns by the rules of another signature."""
        there = [name for name in signature.names if name in self._frame.columns]
        columns = {name: typed_column(self._frame.get_column(name)) for name in there}
        return read_typed(signature, columns, self.count)

    def kept(self, accepted: NDArray[np.bool_]) -> pl.DataFrame:
        """Return the kept columns with their dtypes, of the accepted rows."""
        keep = self._wanted.keep
        frame = framed([self._frame.get_column(name) for name in keep])
        return frame if accepted.all() or not keep else frame.filter(pl.Series(accepted))

    def byte(self, row: int) -> int | None:  # noqa: ARG002 - as the protocol has it
        """Return None: a row has no place of its own."""
        return None

    def record(self, row: int) -> dict[str, Any]:
        """Return the columns read of a row as JSON values; what JSON has no form for is a text."""
        return {name: json_value(self._frame.get_column(name)[row]) for name in self._frame.columns}


def json_value(value: Any) -> Any:
    """Return a value of a typed table as JSON values: times by ISO 8601, bytes and decimals as texts."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if np.isfinite(value) else str(value)
        case dt.date() | dt.time():  # a time with date is a date too
            return value.isoformat()
        case bytes():
            return value.decode(errors="backslashreplace")
        case Decimal():
            return str(value)
        case pl.Series():
            return [json_value(item) for item in value.to_list()]
        case dict():
            return {name: json_value(item) for name, item in value.items()}
        case list():
            return [json_value(item) for item in value]
        case _:
            return str(value)
