"""What a run is asked to do, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mlship.batch.limit import DEFAULT, RejectLimit
from mlship.model.session import Session
from mlship.model.values.codes import CellError

CHUNK_SIZE = 8 << 20

Keep = Literal["all", "none"] | tuple[str, ...]
"""The input columns carried along: all, none, or these."""


@dataclass(frozen=True)
class BatchJob:
    """One file to score.

    Attributes:
        input: The file.
        output: The file to write, or None for `<stem>.scored.<ext>` beside the input.
        format: Name of the output's format, or None for what the output's name says, else the input's own.
        keep: The input columns carried along.
        chunk_size: About how many bytes are read at a time.
        limit: How many rejected rows there may be.
        null: Further texts that mean null.
        overwrite: Whether an output that mlship did not write may be replaced.
    """

    input: Path
    output: Path | None = None
    format: str | None = None
    keep: Keep = "all"
    chunk_size: int = CHUNK_SIZE
    limit: RejectLimit = DEFAULT
    null: tuple[str, ...] = ()
    overwrite: bool = False


@dataclass
class Tally:
    """Rows counted while work goes on.

    Attributes:
        read: Rows read.
        written: Rows scored and given to the output.
        rejected: Rows rejected.
        codes: For each reason, the number of rows that have it; a row can have several.
    """

    read: int = 0
    written: int = 0
    rejected: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    def count_errors(self, errors: Iterable[CellError]) -> None:
        """Count the reasons of a chunk's rejected rows."""
        self.codes.update(code for _, code in {(error.row, error.code) for error in errors})


@dataclass(frozen=True)
class BatchReport:
    """What a run did, or had done when it ended.

    Attributes:
        model: Name, version and digest of the model, or None when none was opened.
        tally: Rows read, written and rejected.
        outputs: The files written; none when it failed.
        rejects_file: The file of rejected rows, when there is one.
        seconds: How long it took.
    """

    model: dict[str, str] | None = None
    tally: Tally = field(default_factory=Tally)
    outputs: tuple[Path, ...] = ()
    rejects_file: Path | None = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "model": self.model,
            "rows": {"in": self.tally.read, "out": self.tally.written, "rejected": self.tally.rejected},
            "rejects": dict(sorted(self.tally.codes.items())),
            "outputs": [str(path) for path in self.outputs],
            "rejects_file": None if self.rejects_file is None else str(self.rejects_file),
            "seconds": round(self.seconds, 3),
        }


def describe_model(session: Session) -> dict[str, str]:
    """Return name, version and digest of an open model."""
    return {"name": session.card.name, "version": session.card.version, "digest": session.digest}
