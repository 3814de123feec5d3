"""What runs in the Python workers of Spark: rows in, parts of the output, rejected rows and counts out.

A worker opens the model once, which replays its golden rows, and keeps it for all tasks that it is given. Rows are
read, scored and encoded by the very code of the local engine (`batch.score.Scorer`); only where they come from
differs. What a task counted travels with its rows, so that only attempts that Spark took count.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlship.batch.engines.spark_work import COUNTS, REJECTS, SCORED, Counted, Work, WorkerFailed, add_counts
from mlship.errors import MlshipError

if TYPE_CHECKING:
    from mlship.batch.engines.spark_parts import Files, Lines
    from mlship.batch.engines.spark_pieces import Given
    from mlship.batch.score import Scorer
    from mlship.model.session import Session, SessionSpec

_OPEN: dict[str, Session] = {}
"""The sessions of this worker by digest."""


class Scoring:
    """Scores batches of Arrow; what `DataFrame.mapInArrow` is given.

    Args:
        work: What to do.
    """

    def __init__(self, work: Work) -> None:
        self._work = work

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yield rows of a kind and a payload for the rows of one task.

        Args:
            batches: pyarrow.RecordBatch, as `spark_pieces` reads them.
        """
        try:
            _prepare(self._work)
            yield from _Task(self._work).done(batches)
        except MlshipError as error:
            raise WorkerFailed.of(error) from None


def _prepare(work: Work) -> None:
    """Set what libraries read when they are first imported, and what the model's opening reads."""
    if "polars" not in sys.modules:  # one task is one core's work
        os.environ.setdefault("POLARS_MAX_THREADS", "1")
    os.environ["MLSHIP_GOLDEN"] = work.golden


def _session(spec: SessionSpec, digest: str) -> Session:
    from mlship.model.session import open_session

    if digest not in _OPEN:
        _OPEN[digest] = open_session(spec)
    return _OPEN[digest]


class _Task:
    """One task and what it counted."""

    def __init__(self, work: Work) -> None:
        from mlship.batch.engines.spark_parts import Files, Lines
        from mlship.batch.engines.spark_plan import scorer_of, versions

        other = None if work.other is None else _session(work.other, work.digests[1] or "")
        session = _session(work.model, work.digests[0])
        self._work = work
        self._scorer: Scorer = scorer_of(work, session, other)
        self._monitors = {monitor.name: monitor for monitor in self._scorer.all_monitors}
        self._counted = Counted(versions=versions(), warning=session.replay.warning)
        appends = self._scorer.encoder.appends
        self._parts: Lines | Files = Lines(self._scorer.encoder) if appends else Files(self._scorer.encoder)

    def done(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yield what came of the batches, then the counts."""
        from mlship.batch.engines.spark_pieces import pieces
        from mlship.tables.arrow import tagged

        with self._parts as parts:
            for given in pieces(self._work, batches, self._counted):
                data, rejects = self._scored(given)
                yield from (tagged(SCORED, part) for part in parts.add(data))
                if rejects:
                    yield tagged(REJECTS, rejects.removesuffix(b"\n"))
            yield from (tagged(SCORED, part) for part in parts.rest())
        self._counted.given = parts.given
        yield tagged(COUNTS, self._counted.to_bytes())

    def _scored(self, given: Given) -> tuple[bytes, bytes]:
        from mlship.batch.rejects import reject_lines
        from mlship.batch.score import REFUSED, reasons

        counted = self._counted
        scored = self._scorer.score(given.piece)
        place = given.piece.place
        tally = counted.tally
        tally.read += scored.rows
        tally.written += scored.written
        tally.rejected += scored.rows - scored.written
        tally.codes.update(reasons(scored.errors))
        tally.of_input[place] += scored.rows
        counted.seconds.update(scored.seconds)
        placed = {
            name: found if name == REFUSED else self._monitors[name].place(found, place, given.rows_before)
            for name, found in scored.counts.items()
        }
        add_counts(counted.monitors, placed, self._monitors)
        if scored.errors and counted.first is None:
            error = scored.errors[0]
            counted.first = (place, error.column, error.code, error.kind)
        name = self._work.job.inputs[place].name
        return (scored.data(1) if scored.written else b""), reject_lines(scored, name, None, records=True)
