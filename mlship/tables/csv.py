"""CSV in UTF-8 with commas: chunks are byte ranges cut at record borders, all values are texts.

A chunk is parsed by Polars when a look at its special characters shows that it is regular; otherwise it is
read record by record, which gives the same texts and finds the rows that are no records. An empty field, quoted
or not, is null in a frame of texts, and is written as an empty field.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlship.errors import InputRefused, UsageError
from mlship.model.signature import Output, Signature
from mlship.model.values.codes import Array, CellError, Code, Coerced
from mlship.tables import outputs, records
from mlship.tables.contract import Chunk
from mlship.tables.header import BOM, read_header
from mlship.tables.texts import read_frame

_LONGEST_RECORD = 1 << 25
_UNWRITABLE = (pl.Binary, pl.Duration, pl.List, pl.Array, pl.Struct, pl.Object)


class CsvSource:
    """A CSV file to read; see `tables.contract.Source`.

    Args:
        path: The file.
        chunk_size: Chunks end at the last record border within this many bytes; a longer record makes one alone.
    """

    def __init__(self, path: Path, chunk_size: int) -> None:
        header = read_header(path)
        self.columns = header.columns
        self.total = path.stat().st_size
        self._places = {name: place for place, name in enumerate(header.columns)}
        self._path = path
        self._body = header.body
        self._chunk_size = chunk_size

    def plan(self) -> Iterator[Chunk]:
        """Yield the chunks, found from the start of the file on.

        Raises:
            InputRefused: A quote is never closed, a record is longer than 32 MiB and the chunk size, or the
                file became shorter.
        """
        start = self._body
        index = 0
        with self._path.open("rb") as stream:
            while start < self.total:
                length = self._length(stream, start)
                yield Chunk(index, start, start + length)
                start += length
                index += 1

    def _length(self, stream: io.BufferedReader, start: int) -> int:
        """How many bytes the chunk has that begins at a record's start."""
        size = self._chunk_size
        while True:
            data = self._bytes(stream, start, min(size, self.total - start))
            border = records.last_border(data)
            if border:
                return border
            at_end = start + len(data) >= self.total
            if at_end and not records.survey(data).open:
                return len(data)
            if at_end or size >= max(_LONGEST_RECORD, self._chunk_size):
                raise self._endless(start)
            size *= 2

    def _bytes(self, stream: io.BufferedReader, start: int, size: int) -> bytes:
        stream.seek(start)
        data = stream.read(size)
        if len(data) < size:
            raise InputRefused(
                f"'{self._path}' became shorter while it was read.",
                hint="Run the command again when nothing writes to the file.",
                code="input_changed",
            )
        return data

    def _endless(self, start: int) -> InputRefused:
        row = 1
        chunks = self.plan()
        done = self._body
        while done < start:  # planning further would come back here
            chunk = next(chunks)
            row += self.read(chunk, self.columns[:1]).count
            done = chunk.stop
        return InputRefused(
            f"'{self._path}', row {row}: the record that begins at byte {start} does not end; "
            "a quote in it may never be closed.",
            hint="Check the quotes from that byte on.",
            code="unclosed_quote",
        )

    def read(self, chunk: Chunk, columns: Sequence[str]) -> CsvRows:
        """Read some of the columns of a chunk, as texts."""
        with self._path.open("rb") as stream:
            data = self._bytes(stream, chunk.start, chunk.stop - chunk.start)
        if not data.endswith(b"\n"):
            data += b"\n"
        found = records.survey(data)
        frame = self._parsed(data, found, columns)
        if frame is not None:
            ends = found.ends
            return CsvRows(frame, np.concatenate(([0], ends[:-1] + 1)) + chunk.start, {})
        split = records.split(data, found.ends.tolist(), len(self.columns))
        return CsvRows(self._frame(split, columns), np.array(split.starts, dtype=np.int64) + chunk.start, split.bad)

    def _parsed(self, data: bytes, found: records.Survey, columns: Sequence[str]) -> pl.DataFrame | None:
        """The chunk as Polars reads it, or None when it has anything of which Polars makes something else."""
        rows = len(found.ends)
        quoted = b'"' in data
        if not (
            found.tidy
            and found.has_shape(len(self.columns))
            and (not quoted or data.count(b"\n") == rows)  # where a text has lines, Polars may split in it
            and (b"\r" not in data or data.count(b"\r") == data.count(b"\r\n"))
            and not data.startswith(BOM)  # which Polars would take off a chunk's first text
            and _is_utf8(data)
        ):
            return None
        try:
            frame = pl.read_csv(
                data,
                has_header=False,
                schema=dict.fromkeys(self.columns, pl.String),
                columns=[self._places[name] for name in columns],
                quote_char='"' if quoted else None,
            )
        except pl.exceptions.PolarsError:
            return None
        if frame.height != rows:
            return None
        return frame.select(pl.all().replace("", None)) if b'""' in data else frame

    def _frame(self, split: records.Records, columns: Sequence[str]) -> pl.DataFrame:
        """Records as columns of texts; a row that is no record is null throughout."""
        places = [(name, self._places[name]) for name in columns]
        texts = {name: [fields[at] or None if fields else None for fields in split.fields] for name, at in places}
        return pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String))

    def none_of(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return columns of String without rows."""
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class CsvRows:
    """The rows of one chunk; see `tables.contract.Rows`.

    Args:
        frame: Columns of String, null for an empty field.
        starts: Where each row begins in the file.
        refused: The rows that are no records, with the reason.
    """

    def __init__(self, frame: pl.DataFrame, starts: NDArray[np.int64], refused: Mapping[int, Code]) -> None:
        self._frame = frame
        self._starts = starts
        self.refused = refused

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self._starts)

    def coerced(self, signature: Signature, null: tuple[str, ...]) -> Coerced:
        """Return the model's columns; a row that is no record has that as its only reason."""
        found = read_frame(signature, self._frame, null)
        if self.refused:
            errors = [error for error in found.errors if error.row not in self.refused]
            errors += [CellError(row, None, code) for row, code in self.refused.items()]
            found.errors = sorted(errors, key=lambda error: error.row)
        return found

    def kept(self, columns: Sequence[str], accepted: NDArray[np.bool_]) -> pl.DataFrame:
        """Return columns as texts, of the accepted rows."""
        frame = pl.DataFrame([self._frame.get_column(name) for name in columns])
        return frame if accepted.all() or not columns else frame.filter(pl.Series(accepted))

    def byte(self, row: int) -> int:
        """Return where a row begins in the file."""
        return int(self._starts[row])


class CsvSink:
    """A CSV file in the making; see `tables.contract.Sink`.

    Texts are written as they came and quoted only where they must be, floats in the shortest form that reads
    back as the same number, NaN as `NaN`, null as an empty field; lines end in LF.

    Args:
        path: The file to make.
        kept: The kept columns, without rows.
        columns: The output columns.

    Raises:
        UsageError: A kept column holds lists, structures, bytes or durations, which CSV has no form for.
        OSError: The system could not write.
    """

    def __init__(self, path: Path, kept: pl.DataFrame, columns: Sequence[Output]) -> None:
        for name, dtype in kept.schema.items():
            if isinstance(dtype, _UNWRITABLE):
                raise UsageError(
                    f"The column '{name}' holds {dtype}, for which CSV has no form.",
                    hint="Name the columns to carry along with --keep, or write Parquet with --format parquet.",
                )
        self._columns = columns
        self._stream = path.open("xb")
        self._write(outputs.joined_empty(kept, columns), header=True)

    def write(self, kept: pl.DataFrame, arrays: Mapping[str, Array]) -> None:
        """Append rows."""
        self._write(outputs.joined(kept, self._columns, arrays), header=False)

    def _write(self, frame: pl.DataFrame, *, header: bool) -> None:
        text = io.BytesIO()
        frame.write_csv(text, include_header=header)
        self._stream.write(text.getbuffer())

    def finish(self) -> None:
        """Complete the file."""
        self._stream.close()

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()
