"""CSV to read: chunks are byte ranges cut at record borders.

A chunk is parsed by Polars when a look at its special characters shows that it is regular; otherwise it is
read record by record, which gives the same texts and finds the rows that are no records. Columns of numbers
that nobody wants as texts are parsed to numbers at once (`tables.csv_typed`) where that is certain to give what
`model.values.text` makes of the texts. An empty field, quoted or not, is null in a frame of texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from mlship.errors import InputRefused
from mlship.tables import csv_typed, records
from mlship.tables.blocks import Cutter, Endless
from mlship.tables.contract import ByteInput, Chunk, Wanted
from mlship.tables.csv_rows import CsvRows
from mlship.tables.dialect import NOTHING_TOLD, Dialect, Told
from mlship.tables.header import read_header


class CsvSource:
    """A CSV file to read; see `tables.contract.Source`.

    Args:
        given: The file.
        chunk_size: Chunks end at the last record border within this many bytes; a longer record makes one alone.
        told: What the user said of the file.
    """

    def __init__(self, given: ByteInput, chunk_size: int, told: Told = NOTHING_TOLD) -> None:
        self._given = given
        self._cutter = Cutter(given, chunk_size)
        try:
            header = read_header(self._cutter, given.name, told)
        except BaseException:
            self._cutter.close()
            raise
        self.columns = header.columns
        self.dialect = header.dialect
        self.total = given.size if not self._cutter.recoded else None
        self._body = header.body
        self._reader = CsvReader(header.columns, header.dialect)

    def plan(self, start: int | None = None, index: int = 0) -> Iterator[Chunk]:
        """Yield the chunks with their bytes.

        Raises:
            InputRefused: A quote is never closed, a record is longer than 32 MiB and the chunk size, or the
                file became shorter.
        """
        self._cutter.go_to(self._body if start is None else start)
        try:
            yield from self._cutter.chunks(
                index,
                lambda data: records.last_border(data, self.dialect),
                lambda data: not records.survey(data, self.dialect).open,
            )
        except Endless as found:
            raise self._endless(found.start) from None

    def _endless(self, start: int) -> InputRefused:
        where = f"'{self._given.name}'"
        if self._given.seekable:
            row = 1
            chunks = self.plan()
            done = self._body
            while done < start:  # planning further would come back here
                chunk = next(chunks)
                row += self.read(chunk, Wanted(csv_typed.NO_SIGNATURE)).count
                done = chunk.stop
            where += f", row {row}"
        return InputRefused(
            f"{where}: the record that begins at byte {start} does not end; a quote in it may never be closed.",
            hint="Check the quotes from that byte on; where records are really so long, give more: --chunk-size 256MiB",
            code="unclosed_quote",
        )

    def read(self, chunk: Chunk, wanted: Wanted) -> CsvRows:
        """Read a chunk."""
        place = None if self._cutter.recoded else chunk.start
        return self._reader.rows(self._bytes(chunk), place, wanted)

    def _bytes(self, chunk: Chunk) -> bytes:
        if chunk.data is not None:
            return chunk.data
        with self._given.open(chunk.start) as stream:
            data = stream.read(chunk.stop - chunk.start)
        if len(data) < chunk.stop - chunk.start:
            raise InputRefused(
                f"'{self._given.name}' became shorter while it was read.",
                hint="Run the command again when nothing writes to the file.",
                code="input_changed",
            )
        return data

    def close(self) -> None:
        """Let go of the stream."""
        self._cutter.close()

    def none_of(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return columns of String without rows."""
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


class CsvReader:
    """Reads blocks of whole records of one CSV file, wherever they come from.

    Args:
        columns: The file's columns.
        dialect: How it is written.
    """

    def __init__(self, columns: tuple[str, ...], dialect: Dialect) -> None:
        self._columns = columns
        self._places = {name: place for place, name in enumerate(columns)}
        self._dialect = dialect
        self._typed = csv_typed.Typed(columns, dialect)

    def rows(self, data: bytes, place: int | None, wanted: Wanted) -> CsvRows:
        """Read a block.

        Args:
            data: Its bytes in UTF-8; the last record need not be ended.
            place: Where it begins in the file, or None where its rows have no place.
            wanted: What of it is wanted.
        """
        if not data.endswith(b"\n"):
            data += b"\n"
        frame = self._typed.frame(data, wanted)
        if frame is not None:
            return CsvRows(frame, data, wanted, place, self._dialect)
        found = records.survey(data, self._dialect)
        if not wanted.names and found.tidy and found.has_shape(len(self._columns)):
            return CsvRows(pl.DataFrame(), data, wanted, place, self._dialect)
        frame = self._texts(data, found, wanted.names)
        if frame is not None:
            return CsvRows(frame, data, wanted, place, self._dialect)
        split = records.split(data, found.ends.tolist(), len(self._columns), self._dialect)
        rows = CsvRows(self._frame(split, wanted.names), data, wanted, place, self._dialect)
        rows.found_one_by_one(split)
        return rows

    def _texts(self, data: bytes, found: records.Survey, columns: Sequence[str]) -> pl.DataFrame | None:
        """The chunk as Polars reads it, or None when it has anything of which Polars makes something else."""
        rows = len(found.ends)
        quoted = records.has_quotes(data, self._dialect)
        if not (
            found.tidy
            and found.has_shape(len(self._columns))
            and (not quoted or data.count(b"\n") == rows)  # where a text has lines, Polars may split in it
            and (b"\r" not in data or data.count(b"\r") == data.count(b"\r\n"))
            and not data.startswith(records.BOM)  # which Polars would take off a chunk's first text
            and records.is_utf8(data)
        ):
            return None
        try:
            frame = pl.read_csv(
                data,
                has_header=False,
                schema=dict.fromkeys(self._columns, pl.String),
                columns=[self._places[name] for name in columns],
                separator=self._dialect.delimiter,
                quote_char=self._dialect.quote if quoted else None,
            )
        except pl.exceptions.PolarsError:
            return None
        if frame.height != rows and columns:
            return None
        empty = 2 * self._dialect.quote.encode()
        return frame.select(pl.all().replace("", None)) if quoted and empty in data else frame

    def _frame(self, split: records.Records, columns: Sequence[str]) -> pl.DataFrame:
        """Records as columns of texts; a row that is no record is null throughout."""
        places = [(name, self._places[name]) for name in columns]
        texts = {name: [fields[at] or None if fields else None for fields in split.fields] for name, at in places}
        return pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String))
