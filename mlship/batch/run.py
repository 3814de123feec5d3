"""Doing a run: pieces of the inputs are scored and go to the output in order. Knows no format and no kind of output."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mlship.batch.content import Contents
from mlship.batch.findings import findings, of_record, too_many
from mlship.batch.job import BatchReport, Tally, describe_model
from mlship.batch.outputs.contract import Done, Output
from mlship.batch.pipeline import in_order
from mlship.batch.plan import BatchPlan, unreadable
from mlship.batch.rejects import reject_lines
from mlship.batch.score import REFUSED, Piece, Scored, Scorer, reasons
from mlship.batch.shards import Share
from mlship.errors import InputRefused, MlshipError, OutputFailed
from mlship.model.values.codes import CellError

Advance = Callable[[int, int, int], None]
"""Called with (units of the work done, rows read, rows rejected) after each chunk."""


class Check(Protocol):
    """What is asked before each chunk whether to go on; raises to stop the run."""

    def check(self) -> None:
        """Return when the run may go on."""
        ...


@dataclass(frozen=True)
class Setting:
    """What a run works with.

    Attributes:
        plan: What is read and written of each row.
        scorer: Scores chunks.
        output: Where they go.
        key: What decides the output's bytes, as plain JSON values.
        say: Tells the user something.
    """

    plan: BatchPlan
    scorer: Scorer
    output: Output
    key: dict[str, Any]
    say: Callable[[str], None]


def run(setting: Setting, advance: Advance, checks: tuple[Check, ...]) -> BatchReport:
    """Score files.

    Args:
        setting: What to work with.
        advance: Told of progress.
        checks: Asked before each chunk whether to go on.

    Raises:
        InputRefused: An input turned out unreadable, changed meanwhile, or has too many rejected rows.
        OutputFailed: Reading or writing failed in the system.
        OutputLocked: Another run holds the output.
        Stopped: A signal came.
        ModelRefused: The runtime failed on rows that the signature accepts.

    Every error carries in its facts what had been reached. Nothing then stands under the output's name but what
    stood there before.
    """
    return _Run(setting).result(advance, checks)


class _Run:
    """One run and what it has reached so far."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._plan = setting.plan
        self._output = setting.output
        self._done: list[Done] = []
        self._tally = Tally()
        self._totals: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        self._first_error: tuple[str, int, CellError] | None = None
        self._rejects_published: str | None = None
        self._more: dict[str, Any] | None = None
        self._started = time.monotonic()

    def result(self, advance: Advance, checks: tuple[Check, ...]) -> BatchReport:
        setting = self._setting
        try:
            finished = self._output.check(setting.key, overwrite=self._plan.job.overwrite)
            if finished is not None and not self._plan.job.restart:
                return self._known(finished)
            with self._output.held():
                self._take_up()
                self._score(advance, checks)
                return self._published()
        except MlshipError as error:
            error.facts = {**self._report().to_json(), **self._findings(), **error.facts}
            raise
        finally:
            self._plan.first.close()

    def _known(self, finished: dict[str, Any]) -> BatchReport:
        """What a run that did it all told, judged by the limit of today."""
        report = of_record(finished)
        self._tally, self._more = report.tally, report.more
        if self._tally.rejected > self._plan.job.limit.allowed(self._tally.read):
            self._rejects_published = report.rejects_file
            raise too_many(self._plan.job, self._tally, None, report.rejects_file)
        return report

    def _report(self) -> BatchReport:
        return BatchReport(
            model=describe_model(self._setting.scorer.session),
            tally=self._tally,
            rejects_file=self._rejects_published,
            seconds=time.monotonic() - self._started,
        )

    def _findings(self) -> dict[str, Any]:
        """What was found so far, or in the run that did it all."""
        if self._more is not None:
            return self._more
        return findings(self._setting.scorer, self._totals, self._tally, self._seconds)

    def _take_up(self) -> None:
        """Go on where an unfinished run of this job stood."""
        for done in self._output.resume(
            self._setting.key, restart=self._plan.job.restart, same=Contents(self._plan).same
        ):
            self._note(done)
        if self._output.dropped is not None:
            self._setting.say(
                f"An unfinished run for '{self._output.name}' was dropped: {self._output.dropped}. Starting over."
            )
        if self._done:
            self._setting.say(f"Going on after {self._tally.read:,} rows that an earlier run scored.")
        else:
            self._output.begin(b"" if self._setting.scorer.whole_files else self._head())

    def _head(self) -> bytes:
        encoder = self._setting.scorer.encoder
        if encoder.appends:
            return encoder.head()
        return encoder.rows(self._plan.none, self._plan.no_outputs)

    def _note(self, done: Done) -> None:
        self._done.append(done)
        self._tally.count(done)
        monitors = {monitor.name: monitor for monitor in self._setting.scorer.all_monitors}
        for name, counts in done.counts.items():
            total = self._totals.get(name, {})
            if name == REFUSED:
                self._totals[name] = {"rows": total.get("rows", 0) + counts["rows"]}
            else:
                self._totals[name] = monitors[name].add(total, counts)

    def _score(self, advance: Advance, checks: tuple[Check, ...]) -> None:
        plan = self._plan
        with self._watched_inputs():
            for check in checks:
                check.check()
            pieces = iter(()) if plan.job.limit.passed_already(self._tally.rejected) else self._pieces()
            for scored in in_order(pieces, self._setting.scorer.score, plan.job.workers):
                self._take(scored)
                advance(self._units(scored), self._tally.read, self._tally.rejected)
                if plan.job.limit.passed_already(self._tally.rejected):
                    break
                for check in checks:
                    check.check()
            if self._setting.scorer.whole_files and not self._done and plan.job.tells_columns:
                self._take_nothing()
            self._check_limit()

    def _pieces(self) -> Iterator[Piece]:
        """The pieces that are not done yet."""
        last = self._done[-1] if self._done else None
        index = last.index + 1 if last else 0
        share = Share(self._plan.job.shard)
        for place in self._plan.job.places:
            if last is not None and place < last.input:
                continue
            with self._reading(place), contextlib.closing(self._plan.open(place)) as source:
                here = last if last is not None and last.input == place else None
                for piece in share.pieces(place, source, here, index):
                    yield piece
                    index = piece.index + 1

    def _take(self, scored: Scored) -> None:
        """Give a chunk to the output."""
        piece, job = scored.piece, self._plan.job
        before = self._tally.of_input[piece.place] + piece.rows_before
        name = job.inputs[piece.place].name
        data = scored.data(before + 1)
        rejects = reject_lines(scored, name, before, records=job.rejects is not None)
        if scored.errors and self._first_error is None:
            self._first_error = (name, before + scored.errors[0].row + 1, scored.errors[0])
        monitors = {monitor.name: monitor for monitor in self._setting.scorer.all_monitors}
        counts = {
            key: found if key == REFUSED else monitors[key].place(found, job.places.index(piece.place), before)
            for key, found in scored.counts.items()
        }
        done = Done(
            index=piece.index,
            input=piece.place,
            number=piece.chunk.index,
            start=piece.chunk.start,
            stop=piece.chunk.stop,
            content=scored.content,
            rows=scored.rows,
            written=scored.written,
            rejected=scored.rows - scored.written,
            codes=dict(reasons(scored.errors)),
            counts=counts,
            size=len(data),
            digest=hashlib.sha256(data).hexdigest(),
            rejects_size=len(rejects),
            rejects_digest=hashlib.sha256(rejects).hexdigest(),
        )
        self._output.add(done, data, rejects)
        self._note(done)
        for stage, seconds in scored.seconds.items():
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def _take_nothing(self) -> None:
        """Give the output one part without rows, so that there is a file that tells its columns."""
        data = self._setting.scorer.encoder.file(self._plan.none, self._plan.no_outputs)
        digest = hashlib.sha256(data).hexdigest()
        empty = hashlib.sha256(b"").hexdigest()
        done = Done(0, 0, 0, 0, 0, "", 0, 0, 0, size=len(data), digest=digest, rejects_digest=empty)
        self._output.add(done, data, b"")
        self._note(done)

    def _units(self, scored: Scored) -> int:
        """How many bytes of the inputs are done, about, for telling progress."""
        piece, inputs, places = scored.piece, self._plan.job.inputs, self._plan.job.places
        done = sum(inputs[place].state.get("size", 0) for place in places if place < piece.place)
        size = inputs[piece.place].state.get("size", 0)
        total = piece.source.total
        return int(done + (size * piece.chunk.stop / total if total else 0))

    @contextlib.contextmanager
    def _reading(self, place: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unreadable(self._plan.job.inputs[place], error) from error

    @contextlib.contextmanager
    def _watched_inputs(self) -> Iterator[None]:
        """Tell a changed input before whatever else went wrong with it."""
        try:
            yield
        except OSError as error:  # from a worker's thread
            self._check_unchanged()
            raise OutputFailed(f"An input could not be read: {error.strerror or error}.") from error
        except (InputRefused, OutputFailed):
            self._check_unchanged()
            raise
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        for given in (self._plan.job.inputs[place] for place in self._plan.job.places):
            if given.now() != given.state:
                raise InputRefused(
                    f"'{given.name}' changed while it was read, so that nothing was written.",
                    hint="Run the command again when nothing writes to the file.",
                    code="input_changed",
                )

    def _check_limit(self) -> None:
        plan, tally = self._plan, self._tally
        if tally.rejected <= plan.job.limit.allowed(tally.read):
            return
        self._rejects_published = self._output.publish_rejects()
        raise too_many(plan.job, self._tally, self._first_error, self._rejects_published)

    def _published(self) -> BatchReport:
        more = self._findings()
        report = BatchReport(
            model=describe_model(self._setting.scorer.session),
            tally=self._tally,
            seconds=time.monotonic() - self._started,
            more=more,
        )
        published = self._output.publish({"job": self._setting.key, "report": report.to_json()}, self._done)
        return replace(
            report,
            outputs=published.outputs,
            rejects_file=published.rejects,
            seconds=time.monotonic() - self._started,
            more={**more, "digests": published.digests},
        )
