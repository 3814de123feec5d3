"""From the options of `mlship batch` to runs and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship.batch.choose import check_apart, check_report_apart
from mlship.batch.find_model import find_model
from mlship.batch.freeze import Asked, frozen
from mlship.batch.inputs import find_inputs
from mlship.batch.job import BatchJob, BatchReport, describe_model
from mlship.batch.stop import Stop, stop_on_signals
from mlship.batch.window import WINDOW_CLOSED
from mlship.cli.batch_engine import spark_engine
from mlship.cli.batch_given import Given, check, job_of
from mlship.cli.batch_told import has_begun, of_failed, summary, summed
from mlship.errors import (
    GateExceeded,
    InputRefused,
    MlshipError,
    OutputFailed,
    OutputLocked,
    Stopped,
    UsageError,
    exit_code_of,
)

if TYPE_CHECKING:
    from mlship.batch.window import StopAt
    from mlship.cli.console import Console
    from mlship.model.session import Session


def score(console: Console, given: Given) -> None:
    """Do what the options ask for, once or on schedule.

    Raises:
        MlshipError: It failed; the error's facts tell what had been reached.
    """
    check(console, given)
    job = job_of(given)
    stop_at = _stop_at(given)
    with stop_on_signals() as stop:
        go = _Go(console, given, job, stop)
        if given.schedule is None:
            go.once(stop_at)
        else:
            _on_schedule(go, stop_at)


def _on_schedule(go: _Go, stop_at: StopAt | None) -> None:
    from mlship.batch.schedule import Schedule, repeat

    assert go.given.schedule is not None
    schedule = Schedule(go.given.schedule, go.given.timezone)
    repeat(schedule, lambda due: go.once(stop_at, due), go.console.say, go.stop.wait)


def _stop_at(given: Given) -> StopAt | None:
    if given.stop_at is None:
        return None
    from mlship.batch.window import StopAt

    return StopAt(given.stop_at, given.timezone)


def _of_one_input(error: MlshipError) -> bool:
    """Whether the other inputs are none the worse for what is wrong with one."""
    if error.code == WINDOW_CLOSED:
        return False
    return isinstance(error, (InputRefused, OutputFailed, OutputLocked)) or error.code == "output_exists"


@dataclass(frozen=True)
class _Go:
    """What runs have in common."""

    console: Console
    given: Given
    job: BatchJob
    stop: Stop

    def once(self, stop_at: StopAt | None, due: datetime | None = None) -> str:
        """Score what there is now, tell what came of it, and return it in a line."""
        with self.stop.interrupted():
            session, model = self._session()
            checks: tuple[Any, ...] = (self.stop,)
            if stop_at is not None:
                checks += (stop_at.window(due or datetime.now(UTC)),)
            run = self._on_spark if self.given.engine == "spark" else self._runs
            try:
                reports = run(session, model, checks)
            except MlshipError as error:
                error.facts = {**BatchReport(model=describe_model(session)).to_json(), **error.facts}
                self._report_of(error)
                raise
            return self._told(reports)

    def _session(self) -> tuple[Session, Path]:
        from mlship.model.session import SessionSpec, open_session

        console = self.console
        found = find_model(self.given.model, Path())
        session = open_session(SessionSpec(found.path, "bulk"))
        if found.guessed:
            console.say(f"The model is '{found.path}', the only one here (digest {session.digest[:12]}).")
        if not session.proven:
            console.warn(f"'{found.path}' carries no proof that it answers as an original model does.")
        if session.replay.warning is not None:
            console.warn(session.replay.warning)
        return session, found.path

    def _runs(self, session: Session, model: Path, checks: tuple[Any, ...]) -> list[BatchReport]:
        """Do the jobs: one for all inputs where the output has a name, else one for each."""
        whole = self._whole(session)
        if self.job.report is not None:
            check_report_apart(self.job.report, whole.inputs)
        if not whole.places:
            self.console.say(f"Nothing to do for shard {whole.shard}: its run has {len(whole.inputs)} inputs.")
            return [BatchReport(model=describe_model(session))]
        apart = self.given.output is None and len(whole.inputs) > 1
        jobs = self._apart(whole) if apart else [whole]
        reports: list[BatchReport] = []
        failed: MlshipError | None = None
        for job in jobs:
            try:
                reports.append(self._run(job, session, model, checks))
            except MlshipError as error:
                if not apart:
                    raise
                reports.append(of_failed(error, job))
                if failed is not None:
                    self.console.error(failed)
                failed = error
                if not _of_one_input(error):
                    break
        if failed is not None:
            failed.facts = summed(reports).to_json()
            raise failed
        return reports

    def _whole(self, session: Session) -> BatchJob:
        """The job with its inputs: those that are there now, or those that all shards go by."""
        find = partial(find_inputs, self.given.input, self.given.format)
        if self.job.shard is None or not (self.job.output or "").endswith("/"):
            return replace(self.job, inputs=tuple(find()))
        return frozen(Asked(self.job, tuple(self.given.input), session.digest), find, self.console.say)

    def _apart(self, whole: BatchJob) -> list[BatchJob]:
        """A job for each input."""
        if whole.rejects is not None:
            raise UsageError("--rejects is one file, but each input has an output of its own.", hint="-o OUTPUT")
        jobs = [replace(whole, inputs=(one,)) for one in whole.inputs]
        check_apart(jobs)
        return jobs

    def _on_spark(self, session: Session, model: Path, checks: tuple[Any, ...]) -> list[BatchReport]:
        with spark_engine(self.given, self.console, checks) as spark:
            inputs = spark.find(self.given.input, self.given.format)
            if self.job.report is not None:
                check_report_apart(self.job.report, inputs)
            job = replace(self.job, inputs=tuple(inputs))
            report = spark.run(job, model, session)
        self.console.say(summary(job, report))
        return [report]

    def _run(self, job: BatchJob, session: Session, model: Path, checks: tuple[Any, ...]) -> BatchReport:
        from mlship.batch.prepare import prepare
        from mlship.batch.run import run

        setting = prepare(job, model, session, self.console.say)
        sizes = [job.inputs[place].state.get("size") for place in job.places]
        total = None if None in sizes else sum(size for size in sizes if size)
        with self.console.progress("Scoring", total) as advance:
            report = run(setting, advance, checks)
        self.console.say(summary(job, report))
        return report

    def _told(self, reports: list[BatchReport]) -> str:
        from mlship.batch.gates import judged

        report = summed(reports)
        gates = judged(self.job.gates, reports)
        facts = {**report.to_json(), "gates": [gate.to_json() for gate in gates]}
        exceeded = [gate for gate in gates if gate.exceeded]
        code = 9 if exceeded else 0
        self._write({"status": "done", "exit_code": code, **facts})
        if exceeded:
            error = GateExceeded(
                exceeded[0].sentence, hint="The output was published. Look closer with: --report report.html"
            )
            error.facts = facts
            raise error
        if self.console.json:
            self.console.result({"status": "done", "exit_code": 0, **facts, "error": None})
        return f"{report.tally.read:,} rows in, {report.tally.written:,} out, {report.tally.rejected:,} rejected"

    def _report_of(self, failed: MlshipError) -> None:
        """Write the report of runs that did not come to their end, which is when it is looked at most."""
        if not has_begun(failed):  # then it may not even be known whether the report's name is free
            return
        status = "stopped" if isinstance(failed, Stopped) else "failed"
        said = {"code": failed.code, "message": failed.message, "hint": failed.hint}
        try:
            self._write({**failed.facts, "status": status, "exit_code": exit_code_of(failed), "error": said})
        except OutputFailed as error:  # the first failure is the one to be told
            self.console.warn(error.message)

    def _write(self, facts: dict[str, Any]) -> None:
        if self.given.report is None:
            return
        from mlship.batch.report import document
        from mlship.report.document import write_report

        write_report(self.given.report, document(facts))
