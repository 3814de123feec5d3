"""Doing a run: source, typed columns, model, sink, chunk by chunk. Knows no format."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlship.batch.job import BatchReport, Tally, describe_model
from mlship.batch.plan import BatchPlan, changed
from mlship.batch.rejects import RejectsFile
from mlship.batch.stop import Stop
from mlship.batch.work import FileState
from mlship.errors import InputRefused, MlshipError, OutputFailed
from mlship.files import file_digest
from mlship.model.session import Session
from mlship.model.values.codes import MEANINGS, CellError
from mlship.tables.contract import Chunk, Rows, Sink
from mlship.tables.registry import open_sink

Advance = Callable[[int, int, int], None]
"""Called with (units of the source's total done, rows read, rows rejected) after each chunk."""


def run(plan: BatchPlan, session: Session, advance: Advance, stop: Stop) -> BatchReport:
    """Score a file.

    Args:
        plan: What to do.
        session: The model.
        advance: Told of progress.
        stop: Asked before each chunk whether to go on.

    Raises:
        InputRefused: The input turned out unreadable, changed meanwhile, or has too many rejected rows.
        OutputFailed: Reading or writing failed in the system.
        OutputLocked: Another run holds the output.
        Stopped: A signal came.
        ModelRefused: The runtime failed on rows that the signature accepts.

    Every error carries in its facts what had been reached. Nothing then stands under the output's name but what
    stood there before.
    """
    return _Run(plan, session).result(advance, stop)


class _Run:
    """One run and what it has reached so far."""

    def __init__(self, plan: BatchPlan, session: Session) -> None:
        self._plan = plan
        self._session = session
        self._tally = Tally()
        self._first_error: tuple[int, CellError] | None = None
        self._rejects = RejectsFile(plan.work.rejects_part, plan.job.input)
        self._rejects_published = False
        self._started = time.monotonic()

    def result(self, advance: Advance, stop: Stop) -> BatchReport:
        try:
            with self._plan.work.held():
                with stop.interrupted():
                    self._score(advance, stop)
                self._publish()
        except MlshipError as error:
            error.facts = {**self._report(done=False).to_json(), **error.facts}
            raise
        return self._report(done=True)

    def _report(self, *, done: bool) -> BatchReport:
        return BatchReport(
            model=describe_model(self._session),
            tally=self._tally,
            outputs=(self._plan.output,) if done else (),
            rejects_file=self._plan.rejects if self._rejects_published else None,
            seconds=time.monotonic() - self._started,
        )

    def _score(self, advance: Advance, stop: Stop) -> None:
        plan = self._plan
        with self._watched_input(), contextlib.ExitStack() as closing:
            with _system_errors(plan.output, "written"):
                kept = plan.source.none_of(plan.keep)
                sink = open_sink(plan.format, plan.work.part, kept, self._session.signature.outputs)
                closing.callback(_let_go, sink.close)
                closing.callback(_let_go, self._rejects.close)
            for chunk in self._chunks():
                stop.check()
                self._score_chunk(chunk, sink)
                advance(chunk.stop, self._tally.read, self._tally.rejected)
                if plan.job.limit.passed_already(self._tally.rejected):
                    break
            stop.check()
            with _system_errors(plan.output, "written"):
                self._rejects.close()
            self._check_limit()
            with _system_errors(plan.output, "written"):
                sink.finish()

    def _check_limit(self) -> None:
        plan, tally = self._plan, self._tally
        if tally.rejected <= plan.job.limit.allowed(tally.read):
            return
        self._check_unchanged()
        plan.work.publish_rejects()
        self._rejects_published = True
        raise self._too_many()

    def _chunks(self) -> Iterator[Chunk]:
        with _system_errors(self._plan.job.input, "read"):
            yield from self._plan.source.plan()

    def _score_chunk(self, chunk: Chunk, sink: Sink) -> None:
        plan, tally = self._plan, self._tally
        with _system_errors(plan.job.input, "read"):
            rows = plan.source.read(chunk, plan.needed)
        coerced = rows.coerced(self._session.signature, plan.job.null)
        outputs = self._session.predict(coerced.accepted_columns())
        accepted = coerced.accepted
        written = int(accepted.sum())
        with _system_errors(plan.output, "written"):
            rejected = self._reject(rows, coerced.errors)
            sink.write(rows.kept(plan.keep, accepted), outputs)
        tally.read += rows.count
        tally.written += written
        tally.rejected += rejected
        if rows.count != written + rejected or any(len(values) != written for values in outputs.values()):
            raise MlshipError(
                f"Rows do not add up in chunk {chunk.index}: {rows.count} in, {written} out, {rejected} rejected.",
                hint="This is a bug of mlship. Please report it.",
            )

    def _reject(self, rows: Rows, errors: list[CellError]) -> int:
        if not errors:
            return 0
        first_row = self._tally.read + 1
        if self._first_error is None:
            self._first_error = (first_row + errors[0].row, errors[0])
        self._tally.count_errors(errors)
        return self._rejects.add(first_row, rows, errors)

    @contextlib.contextmanager
    def _watched_input(self) -> Iterator[None]:
        """Tell a changed input before whatever else went wrong with it."""
        path, state = self._plan.job.input, self._plan.input_state
        try:
            yield
        except (InputRefused, OutputFailed) as error:
            if FileState.of(path) != state:
                raise changed(path) from error
            raise

    def _check_unchanged(self) -> None:
        if FileState.of(self._plan.job.input) != self._plan.input_state:
            raise changed(self._plan.job.input)

    def _publish(self) -> None:
        plan = self._plan
        with _system_errors(plan.job.input, "read"):
            digest = file_digest(plan.job.input)
        self._check_unchanged()
        with _system_errors(plan.output, "written"):
            plan.work.publish_output(self._record(digest), rejects=self._rejects.exists)
        self._rejects_published = self._rejects.exists

    def _record(self, digest: str) -> dict[str, Any]:
        job, tally = self._plan.job, self._tally
        return {
            "record": 1,
            "model": describe_model(self._session),
            "input": {"path": str(job.input), "size": self._plan.input_state.size, "sha256": digest},
            "options": {"format": self._plan.format.name, "keep": list(self._plan.keep), "null": list(job.null)},
            "rows": {"in": tally.read, "out": tally.written, "rejected": tally.rejected},
            "rejects": dict(sorted(tally.codes.items())),
        }

    def _too_many(self) -> InputRefused:
        plan, tally = self._plan, self._tally
        assert self._first_error is not None
        row, error = self._first_error
        where = f"row {row}" if error.column is None else f"row {row}, column '{error.column}'"
        kind = f" ({error.kind} found)" if error.kind else ""
        return InputRefused(
            f"{tally.rejected} of the {tally.read} rows read from '{plan.job.input}' were rejected, more than the "
            f"{plan.job.limit.allowed(tally.read)} allowed ({plan.job.limit}). First: {where}: {error.code}, "
            f"{MEANINGS[error.code]}{kind}. No output was written; '{plan.rejects}' lists them all.",
            hint="Mend them, or raise --max-rejects"
            + ("." if plan.job.limit.percent is None else f", which {tally.rejected} would do."),
            code="too_many_rejects",
        )


def _let_go(close: Callable[[], None]) -> None:
    """Close after success or failure; what has to arrive was closed, and its failure told, before."""
    with contextlib.suppress(OSError):
        close()


@contextlib.contextmanager
def _system_errors(path: Path, done: str) -> Iterator[None]:
    """Tell a failure of the system with the path that the user knows."""
    try:
        yield
    except OSError as error:
        raise OutputFailed(
            f"'{path}' could not be {done}: {error.strerror or error}.",
            hint="Check the disk and its free space: df -h" if done == "written" else None,
        ) from error
