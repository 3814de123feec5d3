"""What the driver gives each task of a Spark job, and what comes back; nothing here is heavy to import."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlship import errors
from mlship.batch.job import BatchJob, Tally
from mlship.batch.score import REFUSED
from mlship.errors import MlshipError
from mlship.model.session import SessionSpec
from mlship.model.signature import Output, Signature
from mlship.model.values.codes import CellError
from mlship.monitor.contract import Monitor
from mlship.tables.contract import Wanted
from mlship.tables.dialect import Dialect, Told
from mlship.tables.registry import Kind

Reading = Literal["lines", "files", "typed"]
"""How Spark gives rows: lines of texts, files of text as a whole, or typed columns."""

COUNTS, REJECTS, SCORED = 0, 1, 2
"""The kinds of what a task gives: one row of counts, lines of rejected rows, and parts of the output."""

VALUE, FILE, START = "value", "mlship file", "mlship start"
"""Columns that tasks are given: a line or a file, where it comes from, and where the piece of that file begins."""

WHOLE_FILES = "needs_whole_files"
"""The code of the refusal that reading files as a whole would mend."""

_MARK = "mlship-worker-failed:"


@dataclass(frozen=True)
class Work:
    """What each task is given; picklable, and without anything of a heavy library.

    Attributes:
        job: What was asked for.
        model: The model.
        other: The model to compare with, or None.
        digests: The digests of both, by which a worker finds the sessions that it has open already.
        signature: The model's columns, by its own names.
        wanted: What is read of each row, by the inputs' names.
        outputs: The output columns.
        none: The kept columns without rows, as `tables.arrow.packed_frame` gives them.
        types: The columns that are read out of files of typed ones, without rows, as `none`.
        columns: The inputs' columns, less those of folders.
        all_columns: The inputs' columns.
        reading: How rows come.
        told: What is known of files of text.
        dialect: How the first file is written, where files are CSV.
        kind: The output's format, not packed.
        places: The place of each input by its path as Spark tells it, see `path_of`.
        golden: What MLSHIP_GOLDEN says.
    """

    job: BatchJob
    model: SessionSpec
    other: SessionSpec | None
    digests: tuple[str, str | None]
    signature: Signature
    wanted: Wanted
    outputs: tuple[Output, ...]
    none: bytes
    types: bytes
    columns: tuple[str, ...]
    all_columns: tuple[str, ...]
    reading: Reading
    told: Told
    dialect: Dialect | None
    kind: Kind
    places: Mapping[str, int]
    golden: str

    @property
    def own(self) -> tuple[str, ...]:
        """The columns that are read out of files, and not out of the names of folders."""
        return tuple(name for name in self.wanted.names if name in self.columns)


@dataclass
class Counted:
    """What a task counted, or several.

    Attributes:
        tally: Rows.
        monitors: What monitors counted.
        seconds: CPU time by stage.
        taken: By the place of the input, the bytes of it that came to the task, each line with one line feed.
        lines: The number of such lines, or of rows where they are typed.
        begun: How many times the beginning of an input was seen.
        given: Bytes given to the output, each part with the line feed that ends it.
        first: The first row that was refused: place of its input, column, reason and kind.
        versions: What decided the bits, other than the driver's.
        warning: What opening the model warned of.
    """

    tally: Tally = field(default_factory=Tally)
    monitors: dict[str, Any] = field(default_factory=dict)
    seconds: Counter[str] = field(default_factory=Counter)
    taken: Counter[int] = field(default_factory=Counter)
    lines: Counter[int] = field(default_factory=Counter)
    begun: Counter[int] = field(default_factory=Counter)
    given: int = 0
    first: tuple[int, str | None, str, str] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    warning: str | None = None

    def to_bytes(self) -> bytes:
        """Return it as JSON."""
        tally = self.tally
        data = {
            **{name: getattr(self, name) for name in ("monitors", "seconds", "given", "first", "versions", "warning")},
            **{name: list(getattr(self, name).items()) for name in _BY_PLACE},
            "rows": [tally.read, tally.written, tally.rejected],
            "codes": tally.codes,
            "of_input": list(tally.of_input.items()),
        }
        return json.dumps(data, ensure_ascii=False).encode()

    @classmethod
    def of(cls, found: Iterable[bytes], monitors: Iterable[Monitor]) -> Counted:
        """Return what tasks counted, added up in an order that does not depend on which came first."""
        total = cls()
        by_name = {monitor.name: monitor for monitor in monitors}
        for one in sorted(found):
            total._add(json.loads(one), by_name)
        return total

    def _add(self, data: dict[str, Any], monitors: Mapping[str, Monitor]) -> None:
        rows = data["rows"]
        self.tally.read += rows[0]
        self.tally.written += rows[1]
        self.tally.rejected += rows[2]
        self.tally.codes.update(data["codes"])
        self.tally.of_input.update(dict(data["of_input"]))
        for name in _BY_PLACE:
            getattr(self, name).update(dict(data[name]))
        self.seconds.update(data["seconds"])
        self.given += data["given"]
        add_counts(self.monitors, data["monitors"], monitors)
        first = tuple(data["first"]) if data["first"] else None
        if first is not None and (self.first is None or first[0] < self.first[0]):
            self.first = first
        self.versions |= data["versions"]
        self.warning = self.warning or data["warning"]

    def first_error(self, job: BatchJob) -> tuple[str, int | None, CellError] | None:
        """Return the first refused row as `findings.too_many` takes it."""
        if self.first is None:
            return None
        place, column, code, kind = self.first
        return job.inputs[place].name, None, CellError(0, column, code, kind)  # type: ignore[arg-type]


_BY_PLACE = ("taken", "lines", "begun")


def add_counts(total: dict[str, Any], more: Mapping[str, Any], monitors: Mapping[str, Monitor]) -> None:
    """Add what monitors counted to what they had counted before."""
    for name, counts in more.items():
        before = total.get(name, {})
        if name == REFUSED:
            total[name] = {"rows": before.get("rows", 0) + counts["rows"]}
        else:
            total[name] = monitors[name].add(before, counts)


class WorkerFailed(Exception):
    """An error of ours on its way from a worker to the driver, which sees nothing but its text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)

    @classmethod
    def of(cls, error: MlshipError) -> WorkerFailed:
        """Wrap an error."""
        data = {"type": type(error).__name__, "message": error.message, "hint": error.hint, "code": error.code}
        return cls(_MARK + base64.urlsafe_b64encode(json.dumps(data).encode()).decode() + ";")


def error_in(text: str) -> MlshipError | None:
    """Return the error of a worker that a text of Spark's holds, or None."""
    _, found, rest = text.partition(_MARK)
    packed, ended, _ = rest.partition(";")
    if not found or not ended:
        return None
    data = json.loads(base64.urlsafe_b64decode(packed))
    kind = getattr(errors, data["type"], MlshipError)
    error: MlshipError = kind(data["message"], hint=data["hint"], code=data["code"])
    return error
