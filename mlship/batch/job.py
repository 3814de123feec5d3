"""What a run is asked to do, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlship.batch.limit import DEFAULT, RejectLimit
from mlship.model.session import Session
from mlship.tables.dialect import NOTHING_TOLD, Told

if TYPE_CHECKING:
    from mlship.batch.inputs import Input
    from mlship.batch.outputs.contract import Done

CHUNK_SIZE = 8 << 20

Keep = Literal["all", "none"] | tuple[str, ...]
"""The input columns carried along: all, none, or these."""


@dataclass(frozen=True)
class Shard:
    """A part of a run.

    What comes after `of` is known once the listing of the run is; see `batch.listing`.

    Attributes:
        index: Its number, from 0.
        of: How many there are.
        submission: What the children of one array job have in common and those of the next one have not, or None.
        run: The digest of the listing that all shards of the run go by; empty where there is none yet.
        places: Places of the inputs that are its own; None where every `of`-th chunk of the only one is, from `index`.
        awaited: The shards that have something to do.
    """

    index: int
    of: int
    submission: str | None = None
    run: str = ""
    places: tuple[int, ...] | None = None
    awaited: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return it as --shard takes it."""
        return f"{self.index}/{self.of}"

    @property
    def name(self) -> str:
        """What it is called in names."""
        return f"{self.index}-of-{self.of}"


@dataclass(frozen=True)
class Gates:
    """What the published scores must not exceed.

    Attributes:
        max_drift: The largest population stability index of a column, or None.
        max_changed: The share of rows whose answer may differ from the other model's, or None.
    """

    max_drift: float | None = None
    max_changed: float | None = None


@dataclass(frozen=True)
class BatchJob:
    """Files to score into one output.

    Attributes:
        inputs: The files, in order.
        output: The file or folder to write (a name that ends in `/`), a URI that ends in `/`, `-`, or None for
            `<stem>.scored.<ext>` beside the only input.
        format: Name of the output's format, or None for what the output's name says, else the input's own.
        keep: The input columns carried along.
        row_numbers: Whether each row gets its number in its file as first column, and the file if there are several.
        rename: The input's name of a column for the model's.
        chunk_size: About how many bytes are read at a time.
        workers: How many chunks are scored at a time.
        limit: How many rejected rows there may be.
        rejects: Where rejected rows go with their records, or None for a file beside the output without them.
        report: Where what the run found will be written, or None.
        null: Further texts that mean null.
        told: What is known of files of text.
        no_header: Whether files of text have no header, their columns being the model's in order.
        restart: Whether to begin anew where an unfinished run could go on.
        overwrite: Whether an output that mlship did not write may be replaced.
        shard: The part of the work that is asked for, or None for all.
        compare: Another model to compare with, or None.
        actual: The column that tells what came true, or None.
        gates: What must not be exceeded.
    """

    inputs: tuple[Input, ...]
    output: str | None = None
    format: str | None = None
    keep: Keep = "all"
    row_numbers: bool = False
    rename: Mapping[str, str] = field(default_factory=dict)
    chunk_size: int = CHUNK_SIZE
    workers: int = 1
    limit: RejectLimit = DEFAULT
    rejects: Path | None = None
    report: Path | None = None
    null: tuple[str, ...] = ()
    told: Told = NOTHING_TOLD
    no_header: bool = False
    restart: bool = False
    overwrite: bool = False
    shard: Shard | None = None
    compare: Path | None = None
    actual: str | None = None
    gates: Gates = Gates()

    @property
    def places(self) -> tuple[int, ...]:
        """Places of the inputs that this run reads."""
        if self.shard is None or self.shard.places is None:
            return tuple(range(len(self.inputs)))
        return self.shard.places

    @property
    def tells_columns(self) -> bool:
        """Whether it is this run that makes a part without rows where none comes of the first input."""
        return 0 in self.places and (self.shard is None or self.shard.places is not None or self.shard.index == 0)


@dataclass
class Tally:
    """Rows counted while work goes on.

    Attributes:
        read: Rows read.
        written: Rows scored and given to the output.
        rejected: Rows rejected.
        codes: For each reason, the number of rows that have it; a row can have several.
        of_input: Rows read of each input, by its place.
    """

    read: int = 0
    written: int = 0
    rejected: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    of_input: Counter[int] = field(default_factory=Counter)

    def count(self, done: Done) -> None:
        """Count a chunk."""
        self.read += done.rows
        self.written += done.written
        self.rejected += done.rejected
        self.codes.update(done.codes)
        self.of_input[done.input] += done.rows

    @classmethod
    def of(cls, done: Iterable[Done]) -> Tally:
        """Count chunks."""
        tally = cls()
        for chunk in done:
            tally.count(chunk)
        return tally


@dataclass(frozen=True)
class BatchReport:
    """What a run did, or had done when it ended.

    Attributes:
        model: Name, version and digest of the model, or None when none was opened.
        tally: Rows read, written and rejected.
        outputs: The files written; none when it failed.
        rejects_file: The file of rejected rows, when there is one.
        seconds: How long it took.
        already: Whether an earlier run had done it all.
        more: What monitors found, and how time was spent, as plain JSON values.
    """

    model: dict[str, str] | None = None
    tally: Tally = field(default_factory=Tally)
    outputs: tuple[str, ...] = ()
    rejects_file: str | None = None
    seconds: float = 0.0
    already: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "model": self.model,
            "rows": {"in": self.tally.read, "out": self.tally.written, "rejected": self.tally.rejected},
            "rejects": dict(sorted(self.tally.codes.items())),
            "outputs": list(self.outputs),
            "rejects_file": self.rejects_file,
            "seconds": round(self.seconds, 3),
            **self.more,
        }


def describe_model(session: Session) -> dict[str, str]:
    """Return name, version and digest of an open model."""
    return {"name": session.card.name, "version": session.card.version, "digest": session.digest}
