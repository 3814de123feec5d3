"""One chunk: read, scored, encoded; without a look at any other, so that several may be scored at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlship.batch.content import content_of
from mlship.batch.plan import FILE, ROW, BatchPlan
from mlship.errors import MlshipError
from mlship.model.session import Session
from mlship.model.signature import Signature
from mlship.model.values.codes import Array, CellError, Coerced
from mlship.monitor.contract import Monitor, Seen

if TYPE_CHECKING:
    from mlship.tables.contract import Chunk, Encoder, Kept, Rows, Source


REFUSED = "refused_by_the_other"


@dataclass(frozen=True)
class Piece:
    """A chunk of one of the inputs.

    Attributes:
        index: Its place among the chunks of the run, from 0.
        rows_before: How many rows of its input come before it in chunks that are somebody else's to score.
        place: Place of its input, from 0.
        source: That input, open.
        chunk: The chunk.
    """

    index: int
    place: int
    source: Source
    chunk: Chunk
    rows_before: int = 0


@dataclass(frozen=True)
class Scored:
    """What came of a chunk.

    Attributes:
        piece: The chunk.
        rows: How many rows it has.
        written: How many of them were scored.
        errors: What was refused, ordered by row.
        bytes_of: For each rejected row where it begins in its file, or None.
        records: For each rejected row its record, where records are wanted.
        data: What it is in the output, given the chunk's first row in its file, from 1.
        counts: What monitors counted.
        content: What `content_of` gave for it, or empty.
        seconds: CPU time by stage.
    """

    piece: Piece
    rows: int
    written: int
    errors: list[CellError]
    bytes_of: dict[int, int | None]
    records: dict[int, Any]
    data: Callable[[int], bytes]
    counts: dict[str, Any]
    content: str
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Versus:
    """Another model, scored on the same rows.

    Attributes:
        session: The other model.
        signature: Its columns, by the inputs' names.
        rename: The inputs' names of its columns.
        same_columns: Whether it reads the very columns by the very rules of the first model.
        monitor: What counts the differences.
    """

    session: Session
    signature: Signature
    rename: Mapping[str, str]
    same_columns: bool
    monitor: Monitor

    def counts(self, rows: Rows, accepted: NDArray[np.bool_], seen: Seen) -> dict[str, Any]:
        """Count the differences on the rows that both models accept, and those that only the first does."""
        if self.same_columns:
            return {self.monitor.name: self.monitor.count(replace(seen, other=self.session.predict(seen.columns)))}
        found = rows.other(self.signature)
        both = found.accepted[accepted]
        columns = {name: values[accepted][both] for name, values in found.columns.items()}
        both_seen = Seen(
            seen.rows[both],
            {name: values[both] for name, values in seen.columns.items()},
            {name: values[both] for name, values in seen.outputs.items()},
            self.session.predict(by_model(self.session.signature, self.rename, columns)),
        )
        return {self.monitor.name: self.monitor.count(both_seen), REFUSED: {"rows": int((~both).sum())}}


@dataclass(frozen=True)
class Scorer:
    """Scores chunks; may be called from several threads.

    Attributes:
        plan: What to read and write of each row.
        session: The model.
        encoder: Makes the output.
        whole_files: Whether a chunk is a file of its own.
        monitors: What is counted.
        versus: The comparison with another model, or None.
        actual: How the column that came true is read, or None.
    """

    plan: BatchPlan
    session: Session
    encoder: Encoder
    whole_files: bool = False
    monitors: Sequence[Monitor] = ()
    versus: Versus | None = None
    actual: Signature | None = None

    @property
    def all_monitors(self) -> tuple[Monitor, ...]:
        """All that counts."""
        return (*self.monitors, *(() if self.versus is None else (self.versus.monitor,)))

    def score(self, piece: Piece) -> Scored:
        """Score a chunk.

        Raises:
            InputRefused: Its bytes cannot be understood.
            ModelRefused: The runtime failed on rows that the signature accepts.
            OSError: The system could not read it.
        """
        clock = _Clock()
        rows = piece.source.read(piece.chunk, self.plan.wanted)
        coerced = rows.coerced()
        accepted = coerced.accepted
        clock.note("read")
        columns = self._columns(coerced)
        outputs = self.session.predict(columns)
        clock.note("score")
        counts = self._counts(rows, accepted, Seen(np.flatnonzero(accepted), columns, outputs))
        clock.note("watch")
        written = int(accepted.sum())
        rejected = len({error.row for error in coerced.errors})
        if rows.count != written + rejected or any(len(values) != written for values in outputs.values()):
            raise MlshipError(
                f"Rows do not add up in chunk {piece.index}: {rows.count} in, {written} out, {rejected} rejected.",
                hint="This is a bug of mlship. Please report it.",
            )
        data = self._encoded(piece, rows.kept(accepted), outputs, accepted)
        content = "" if piece.chunk.data is None else content_of(piece.source.columns, piece.chunk.data)
        clock.note("write")
        wrong = sorted({error.row for error in coerced.errors})
        return Scored(
            piece=piece,
            rows=rows.count,
            written=written,
            errors=coerced.errors,
            bytes_of={row: rows.byte(row) for row in wrong},
            records={row: rows.record(row) for row in wrong} if self.plan.job.rejects is not None else {},
            data=data,
            counts=counts,
            content=content,
            seconds=dict(clock.seconds),
        )

    def _columns(self, coerced: Coerced) -> dict[str, Array]:
        """The accepted rows by the model's names."""
        return by_model(self.plan.signature, self.plan.job.rename, coerced.accepted_columns())

    def _counts(self, rows: Rows, accepted: NDArray[np.bool_], seen: Seen) -> dict[str, Any]:
        if self.actual is not None:
            seen = replace(seen, actual=_came_true(rows, self.actual, accepted))
        counts: dict[str, Any] = {monitor.name: monitor.count(seen) for monitor in self.monitors}
        if self.versus is not None:
            counts |= self.versus.counts(rows, accepted, seen)
        return counts

    def _encoded(
        self, piece: Piece, kept: Kept, outputs: Mapping[str, Array], accepted: NDArray[np.bool_]
    ) -> Callable[[int], bytes]:
        encode = self.encoder.file if self.whole_files else self.encoder.rows
        if not self.plan.job.row_numbers:
            data = encode(kept, outputs)
            return lambda _first_row: data

        def numbered(first_row: int) -> bytes:
            numbers: dict[str, Any] = {ROW: np.flatnonzero(accepted) + first_row}
            if len(self.plan.job.inputs) > 1:
                name = self.plan.job.inputs[piece.place].name
                numbers[FILE] = np.array([name] * len(numbers[ROW]), dtype=object)
            return encode(kept, {**numbers, **outputs})

        return numbered


def by_model(signature: Signature, rename: Mapping[str, str], columns: Mapping[str, Array]) -> dict[str, Array]:
    """Return columns by a model's names for them."""
    return {name: columns[rename.get(name, name)] for name in signature.names}


def _came_true(rows: Rows, signature: Signature, accepted: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """What came true of the accepted rows, and a mask of those of which it is known."""
    found = rows.other(signature)
    values = next(iter(found.columns.values()))
    known = found.accepted
    if values.dtype.kind == "f":
        known &= ~np.isnan(values)
    elif values.dtype.kind == "O":
        known &= np.fromiter((value is not None for value in values), dtype=np.bool_, count=len(values))
    return values[accepted], known[accepted]


class _Clock:
    """CPU time of this thread by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.thread_time()

    def note(self, stage: str) -> None:
        now = time.thread_time()
        self.seconds[stage] = now - self._last
        self._last = now


def reasons(errors: Sequence[CellError]) -> Counter[str]:
    """Return for each reason the number of rows that have it."""
    return Counter(code for _, code in {(error.row, error.code) for error in errors})
