"""NDJSON: one JSON object a line; chunks are byte ranges cut at line ends, values obey the rules of JSON.

A value is accepted or refused as it is in a request to a server: `model.values.records` says so in both cases.
Where an object has a key twice, the last one counts, there as here. A line that is no object is a row that is
refused; a blank line is no row.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlship.errors import InputRefused
from mlship.model.signature import Output, Signature
from mlship.model.values.codes import Array, CellError, Coerced
from mlship.model.values.records import read_json_columns, read_records
from mlship.tables import jsons, objects, outputs
from mlship.tables.contract import ByteInput, Chunk, Wanted
from mlship.tables.lines import Lines, opening

_LOOK = 1 << 23


class NdjsonSource:
    """NDJSON to read; see `tables.contract.Source`.

    The columns are the keys of the lines in the first 8 MiB, in order of appearance. A line need not have all of
    them: a kept column that it lacks is null in it. Keys that appear only further on are no columns; the model's
    own are read all the same, and others are passed over unless all was to be carried along.

    Args:
        given: The bytes.
        chunk_size: Chunks end at the last line end within this many bytes; a longer line makes one alone.

    Raises:
        InputRefused: There is no line, none is an object, or the bytes are of another kind or encoding.
    """

    def __init__(self, given: ByteInput, chunk_size: int) -> None:
        self._given = given
        self._chunk_size = chunk_size
        self.total = given.size
        lines = Lines(given.open(), given.name)
        self._opened: Lines | None = None
        try:
            self._body = opening(lines, given.name)
            look = lines.piece(_LOOK, self._body)
            self.columns = _columns(look, given.name)
            self._reader = NdjsonReader(given.name, self.columns)
            if not given.seekable:  # what cannot be opened again, or only at the price of unpacking it again
                lines.unread(look)
                self._opened = lines
        finally:
            if self._opened is None:
                lines.close()

    def plan(self, start: int | None = None, index: int = 0) -> Iterator[Chunk]:
        """Yield the chunks, each with its bytes.

        Raises:
            InputRefused: A line is longer than 32 MiB and the chunk size.
            UsageError: The bytes can be read only once, and have been.
        """
        at = self._body if start is None else start
        opened, self._opened = self._opened, None
        if opened is None or start is not None:
            opened = Lines(self._given.open(at), self._given.name)
        try:
            while data := opened.piece(self._chunk_size, at):
                yield Chunk(index, at, at + len(data), data)
                at += len(data)
                index += 1
        finally:
            opened.close()

    def read(self, chunk: Chunk, wanted: Wanted) -> NdjsonRows:
        """Read a chunk.

        Raises:
            InputRefused: All columns are to be carried along, and a line has one that nothing announced.
        """
        data = self._bytes(chunk) if chunk.data is None else chunk.data
        return self._reader.rows(data, chunk.start, wanted)

    def _bytes(self, chunk: Chunk) -> bytes:
        size = chunk.stop - chunk.start
        with self._given.open(chunk.start) as stream:
            data = _exactly(stream, size)
        if len(data) < size:
            raise InputRefused(
                f"'{self._given.name}' became shorter while it was read.",
                hint="Run the command again when nothing writes to the file.",
                code="input_changed",
            )
        return data

    def close(self) -> None:
        """Let go of a stream that was not planned from."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def none_of(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return columns of JSON texts without rows."""
        return pl.DataFrame(schema=dict.fromkeys(columns, jsons.JSON))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    parts: list[bytes] = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _columns(look: bytes, name: str) -> tuple[str, ...]:
    """The keys of all objects, in order of appearance."""
    found = objects.parsed(look)
    if not found.lines:
        raise InputRefused(
            f"'{name}' is empty; NDJSON was expected, one object a line.",
            hint="Check what should have written it.",
            code="empty_input",
        )
    if len(found.refused) == len(found.lines) or found.lines[0].strip(objects.SPACE) == b"[":
        raise InputRefused(
            f"'{name}' is no NDJSON: one JSON object a line was expected.",
            hint=f"Turn a JSON array into lines with: jq -c '.[]' '{name}' > lines.ndjson",
            code="not_ndjson",
        )
    return tuple(dict.fromkeys(key for record in found.records for key in record))


class NdjsonReader:
    """Reads blocks of whole lines of one NDJSON file, wherever they come from.

    Args:
        name: What the user calls the file.
        columns: Its columns.
    """

    def __init__(self, name: str, columns: tuple[str, ...]) -> None:
        self._name = name
        self._known = frozenset(columns)

    def rows(self, data: bytes, place: int | None, wanted: Wanted) -> NdjsonRows:
        """Read a block.

        Args:
            data: Its bytes; the last line need not be ended.
            place: Where it begins in the file, or None where its rows have no place.
            wanted: What of it is wanted.

        Raises:
            InputRefused: All columns are to be carried along, and a line has one that nothing announced.
        """
        found = objects.parsed(data)
        if wanted.all:
            self._check_keys(found, place)
        return NdjsonRows(found, place, wanted)

    def _check_keys(self, found: objects.Objects, place: int | None) -> None:
        for row, record in enumerate(found.records):
            if not record.keys() <= self._known:
                new = next(key for key in record if key not in self._known)
                where = "a line" if place is None else f"the line that begins at byte {place + int(found.starts[row])}"
                raise InputRefused(
                    f"'{self._name}': {where} has the key '{new}', which no line in the first {_LOOK >> 20} MiB has, "
                    "so that it is no column.",
                    hint="Name the columns to carry along with --keep COLUMN,COLUMN (or: --keep none).",
                    code="late_column",
                )


class NdjsonRows:
    """The rows of one chunk; see `tables.contract.Rows`.

    Args:
        parsed: Its lines.
        start: Where it begins, or None where its lines have no place.
        wanted: What of it is wanted.
    """

    def __init__(self, parsed: objects.Objects, start: int | None, wanted: Wanted) -> None:
        self._parsed = parsed
        self._start = start
        self._wanted = wanted
        self._members: dict[int, dict[str, str]] = {}

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self._parsed.lines)

    def coerced(self) -> Coerced:
        """Return the model's columns; a line that is no object has that as its only reason."""
        return self.other(self._wanted.signature)

    def other(self, signature: Signature) -> Coerced:
        """Return columns by the rules of another signature."""
        records, refused = self._parsed.records, self._parsed.refused
        columns = self._columns
        found = (
            read_records(signature, records) if columns is None else read_json_columns(signature, columns, len(records))
        )
        if refused:
            errors = [error for error in found.errors if error.row not in refused]
            errors += [CellError(row, None, *why) for row, why in refused.items()]
            found.errors = sorted(errors, key=lambda error: error.row)
        return found

    @cached_property
    def _columns(self) -> dict[str, Sequence[Any]] | None:
        """The values by column, or None when a row lacks one."""
        try:
            return {name: [record[name] for record in self._parsed.records] for name in self._wanted.names}
        except KeyError:
            return None

    def kept(self, accepted: NDArray[np.bool_]) -> pl.DataFrame:
        """Return the kept columns as JSON texts, of the accepted rows."""
        rows: list[int] = np.flatnonzero(accepted).tolist()
        return outputs.framed([self._kept(name, rows) for name in self._wanted.keep])

    def _kept(self, name: str, rows: list[int]) -> pl.Series:
        if self._columns is None:
            records = self._parsed.records
            values: Sequence[Any] = [records[row].get(name) for row in rows]
        else:
            values = self._columns[name]
            if len(rows) < len(values):
                values = [values[row] for row in rows]
        return jsons.column(name, values, lambda place: self._raw(rows[place], name))

    def _raw(self, row: int, name: str) -> str:
        """How the file writes a value."""
        if row not in self._members:
            self._members[row] = objects.members(self._parsed.lines[row].decode())
        return self._members[row][name]

    def byte(self, row: int) -> int | None:
        """Return where a line begins; in what was packed or piped, as if it had not been packed."""
        return None if self._start is None else self._start + int(self._parsed.starts[row])

    def record(self, row: int) -> str:
        """Return a line; bytes that are no text stand in it as their hexadecimal digits."""
        return self._parsed.lines[row].removesuffix(b"\r").decode(errors="backslashreplace")


class NdjsonEncoder:
    """Writes NDJSON; see `tables.contract.Encoder`.

    Args:
        kept: The kept columns, without rows.
        columns: The output columns.

    Raises:
        UsageError: A kept column holds bytes or durations.
    """

    appends = True

    def __init__(self, kept: pl.DataFrame, columns: Sequence[Output]) -> None:
        jsons.refuse_unwritable(kept.schema)
        self._columns = columns

    def head(self) -> bytes:
        """Return nothing: NDJSON has no header."""
        return b""

    def rows(self, kept: pl.DataFrame, arrays: Mapping[str, Array]) -> bytes:
        """Return a line for each row; NaN is null."""
        return jsons.lines(outputs.joined(kept, self._columns, arrays))

    def file(self, kept: pl.DataFrame, arrays: Mapping[str, Array]) -> bytes:
        """Return a whole file."""
        return self.rows(kept, arrays)

    def assemble(self, parts: Sequence[Path], path: Path) -> None:
        """Put files of lines one after the other."""
        with path.open("wb") as whole:
            for part in parts:
                with part.open("rb") as stream:
                    shutil.copyfileobj(stream, whole, 1 << 20)
