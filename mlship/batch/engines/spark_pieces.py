"""From the batches that Spark gives a task to pieces that the scorer takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from mlship.batch.engines.spark_work import FILE, START, VALUE, WHOLE_FILES, Counted, Work
from mlship.batch.score import Piece
from mlship.errors import InputRefused
from mlship.tables.contract import Chunk, Rows, Source, Wanted

_HEAD_LINES = 1000
"""How many lines of a file's beginning are looked at together; `tables.header` looks at 200 of them."""


@dataclass(frozen=True)
class Given:
    """A piece to score.

    Attributes:
        piece: The piece.
        rows_before: How many rows of its input come before it, or None where other tasks may have seen some of them.
    """

    piece: Piece
    rows_before: int | None


class Block:
    """Rows that are there already, as a source of one chunk; see `tables.contract.Source`.

    Args:
        columns: Their columns.
        rows: Reads them.
        none: Gives columns without rows, or None where nobody asks.
    """

    total: int | None = None

    def __init__(
        self, columns: tuple[str, ...], rows: Callable[[Wanted], Rows], none: Callable[[Any], Any] | None = None
    ) -> None:
        self.columns = columns
        self._rows = rows
        self._none = none

    def plan(self, start: int | None = None, index: int = 0) -> Iterator[Chunk]:
        """Yield the one chunk."""
        yield Chunk(index, start or 0, 1)

    def read(self, chunk: Chunk, wanted: Wanted) -> Rows:  # noqa: ARG002 - there is one
        """Read it."""
        return self._rows(wanted)

    def none_of(self, columns: Any) -> Any:
        """Return columns without rows."""
        assert self._none is not None
        return self._none(columns)

    def close(self) -> None:
        """Hold nothing."""


def pieces(work: Work, batches: Iterator[Any], counted: Counted) -> Iterator[Given]:
    """Yield what a task has to score.

    Args:
        work: What to do.
        batches: pyarrow.RecordBatch.
        counted: Told what came.

    Raises:
        InputRefused: A file is not what the driver planned with; with the code `WHOLE_FILES` where reading it as a
            whole would mend that.
    """
    from mlship.batch.engines.spark_plan import plan_of

    reader = {"lines": _of_lines, "files": _of_files, "typed": _of_columns}[work.reading]
    for place, source in reader(work, batches, counted):
        whole = _with_folders(work, place, source)
        if work.reading == "files":
            plan_of(work).check_columns(place, whole.columns)
        for chunk in whole.plan():
            before = counted.tally.of_input[place] if work.reading == "files" else None
            yield Given(Piece(0, place, whole, chunk), before)


def _with_folders(work: Work, place: int, source: Source) -> Source:
    """The source with the columns that its folders' names give."""
    from mlship.tables.partitions import PartitionedSource

    keys = work.job.inputs[place].keys
    return PartitionedSource(source, keys) if keys else source


def _place(work: Work, path: str) -> int:
    found = work.places.get(path_of(path))
    if found is None:
        raise InputRefused(
            f"Spark gave rows of '{path}', which is none of the inputs.", hint="Run the command again.", code="no_input"
        )
    return found


def path_of(uri: str) -> str:
    """Return the path, or URI, of a file that Spark names by a URI."""
    text = unquote(uri)
    return "/" + text.removeprefix("file:").lstrip("/") if text.startswith("file:") else text


def _of_columns(work: Work, batches: Iterator[Any], counted: Counted) -> Iterator[tuple[int, Source]]:
    from mlship.tables.arrow import runs_of, typed_rows, unpacked_frame

    types = unpacked_frame(work.types)
    for batch in batches:
        for (path,), run in runs_of(batch, [FILE]):
            place = _place(work, path)
            counted.lines[place] += run.num_rows
            columns = run.drop_columns([FILE]).rename_columns(list(work.own))
            yield place, Block(work.columns, lambda wanted, columns=columns: typed_rows(columns, wanted, types))  # type: ignore[misc]


def _of_files(work: Work, batches: Iterator[Any], counted: Counted) -> Iterator[tuple[int, Source]]:
    from mlship.tables.csv import CsvSource
    from mlship.tables.memory import Memory

    for batch in batches:
        for row in range(batch.num_rows):
            place = _place(work, batch.column(FILE)[row].as_py())
            data = batch.column(VALUE)[row].as_py()
            counted.taken[place] += len(data)
            counted.begun[place] += 1
            yield place, CsvSource(Memory(work.job.inputs[place].name, data), work.job.chunk_size, work.told)


def _of_lines(work: Work, batches: Iterator[Any], counted: Counted) -> Iterator[tuple[int, Source]]:
    from mlship.tables.csv import CsvReader
    from mlship.tables.ndjson import NdjsonReader

    for stretch in _stretches(work, batches, counted):
        place, data = stretch.place, stretch.data
        name = work.job.inputs[place].name
        if work.dialect is None:
            data = data[_json_mark(data, name) if stretch.begins else 0 :]
            rows: Callable[[bytes, int | None, Wanted], Rows] = NdjsonReader(name, work.columns).rows
        else:
            data = data[_header_end(work, place, data) if stretch.begins else 0 :]
            _check_lines(work, name, data)
            rows = CsvReader(work.columns, work.dialect).rows
        yield place, Block(work.columns, lambda wanted, rows=rows, data=data: rows(data, None, wanted))  # type: ignore[misc]


@dataclass(frozen=True)
class _Stretch:
    """Lines of one file that follow each other."""

    place: int
    begins: bool
    data: bytes


def _stretches(work: Work, batches: Iterator[Any], counted: Counted) -> Iterator[_Stretch]:
    """Join lines; the first ones of a file come together, since they tell how it is written."""
    from mlship.tables.arrow import joined_lines, runs_of

    before: tuple[str, int] | None = None
    held: list[bytes] = []
    held_lines = 0
    place = 0
    for batch in batches:
        for (path, start), run in runs_of(batch, [FILE, START]):
            if (path, start) != before:
                if held:
                    yield _Stretch(place, begins=True, data=b"".join(held))
                    held = []
                before, place = (path, start), _place(work, path)
                counted.begun[place] += start == 0
                held_lines = 0 if start == 0 else -1
            data = joined_lines(run.column(VALUE))
            counted.taken[place] += len(data)
            counted.lines[place] += run.num_rows
            if held_lines < 0:
                yield _Stretch(place, begins=False, data=data)
                continue
            held.append(data)
            held_lines += run.num_rows
            if held_lines >= _HEAD_LINES:
                yield _Stretch(place, begins=True, data=b"".join(held))
                held, held_lines = [], -1
    if held:
        yield _Stretch(place, begins=True, data=b"".join(held))


def _json_mark(data: bytes, name: str) -> int:
    import io

    from mlship.tables.lines import Lines, opening

    return opening(Lines(io.BytesIO(data), name), name)


def _header_end(work: Work, place: int, data: bytes) -> int:
    """Where the first record begins; the beginning must say what that of the first file says."""
    from mlship.tables.blocks import Cutter
    from mlship.tables.header import read_header
    from mlship.tables.memory import Memory

    assert work.dialect is not None
    name, first = work.job.inputs[place].name, work.job.inputs[0].name
    header = read_header(Cutter(Memory(name, data), len(data)), name, work.told)
    if header.dialect.encoding != "utf-8":
        raise InputRefused(f"'{name}' is in {header.dialect.encoding}.", code=WHOLE_FILES)
    if header.columns != work.columns or header.dialect != work.dialect:
        raise InputRefused(f"'{name}' is written in another way than '{first}'.", code=WHOLE_FILES)
    return header.body


def _check_lines(work: Work, name: str, data: bytes) -> None:
    """Refuse records of several lines: a piece of them may lie in another task."""
    from mlship.tables import records

    assert work.dialect is not None
    if not records.has_quotes(data, work.dialect):
        return
    found = records.survey(data, work.dialect)
    if found.open or len(found.ends) != data.count(b"\n"):
        raise InputRefused(f"'{name}' has line breaks within quotes.", code=WHOLE_FILES)
