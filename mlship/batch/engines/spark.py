"""A batch on Apache Spark: the rows and the bits of the local engine, on many machines.

Each task reads, scores and encodes its rows in Python and gives back parts of the output, rejected rows and counts
as rows of a kind and a payload. Spark keeps them (`persist`), so that one pass over the inputs tells first whether
there are too many rejected rows, and only then the parts are written.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship import extras
from mlship.batch.choose import output_kind
from mlship.batch.engines.spark_check import check_kind, check_kinds, check_output, check_unchanged
from mlship.batch.engines.spark_deps import packed_libraries
from mlship.batch.engines.spark_errors import of_spark
from mlship.batch.engines.spark_folder import DiskFolder, Expected
from mlship.batch.engines.spark_hadoop import ClusterFolder
from mlship.batch.engines.spark_inputs import find_spark_inputs, is_uri
from mlship.batch.engines.spark_job import Models, SparkJob
from mlship.batch.engines.spark_plan import versions
from mlship.batch.engines.spark_session import INSTALL, OpenSession, SparkOptions, check_conf, spark_session
from mlship.batch.engines.spark_work import Counted
from mlship.batch.findings import findings, of_record, too_many
from mlship.batch.job import BatchJob, BatchReport, describe_model
from mlship.batch.prepare import job_key, make_plan, make_scorer
from mlship.batch.run import Check
from mlship.errors import MlshipError, OutputFailed
from mlship.tables.registry import Kind, open_encoder

if TYPE_CHECKING:
    from mlship.batch.inputs import Input
    from mlship.model.session import Session

_MOST_IN_ONE = 100_000
"""Rejected rows up to which they are written into one part."""


@dataclass(frozen=True)
class Told:
    """How a run talks to the user.

    Attributes:
        say: Tells something.
        warn: Warns of something.
        checks: Asked again and again whether to go on.
        verbose: Whether Spark's own messages are wanted.
    """

    say: Callable[[str], None]
    warn: Callable[[str], None]
    checks: tuple[Check, ...] = ()
    verbose: bool = False


class SparkEngine:
    """Scores files on Spark; a context that ends the session if it made one.

    Args:
        options: Which Spark.
        told: How to talk to the user.

    Raises:
        UsageError: A setting is refused.
        DependencyMissing: Spark is not there.
    """

    def __init__(self, options: SparkOptions, told: Told) -> None:
        for library in ("pyspark", "pyarrow"):
            extras.load(library, needed_for="--engine spark", hint=INSTALL)
        check_conf(options.conf)
        self._options = options
        self._told = told
        self._stack = ExitStack()
        self._opened: OpenSession | None = None

    def __enter__(self) -> SparkEngine:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _open(self) -> OpenSession:
        if self._opened is None:
            session = spark_session(self._options, packed_libraries, verbose=self._told.verbose)
            self._opened = self._stack.enter_context(session)
        return self._opened

    def find(self, given: Sequence[str], stdin_format: str | None) -> list[Input]:
        """Return the files that a command names; see `spark_inputs.find_spark_inputs`."""
        try:
            return find_spark_inputs(given, stdin_format, lambda: self._open().spark)
        except MlshipError:
            raise
        except Exception as error:  # pyspark has many kinds, and py4j others
            raise of_spark(error, shipped=self._options.ship_deps) from error

    def run(self, job: BatchJob, model: Path, session: Session) -> BatchReport:
        """Score files.

        Args:
            job: What was asked for.
            model: The model's file.
            session: The model, open.

        Raises:
            UsageError: The options contradict each other, the columns or the engine.
            InputRefused: An input is absent, cannot be understood, changed meanwhile, or has too many rejected rows.
            OutputFailed: Spark failed, or the system.
            OutputLocked: Another run holds the output.
            DependencyMissing: Java, or a library of the executors, is not there.
            ModelRefused: A worker refused the model.
            Stopped: A signal came.
        """
        name = check_output(job)
        check_kinds(job)
        run = _Run(job, Models.of(model, session, job.compare), self._told)
        try:
            return run.result(name, self._open)
        except MlshipError:
            raise
        except Exception as error:
            raise of_spark(error, shipped=self._options.ship_deps) from error


class _Run:
    """One run and what it has reached so far."""

    def __init__(self, job: BatchJob, models: Models, told: Told) -> None:
        self._job = job
        self._models = models
        self._told = told
        self._kind = output_kind(job, job.output or "")
        check_kind(self._kind)
        self._planned = make_plan(job, *models.both)
        encoder = open_encoder(Kind(self._kind.format), self._planned.none, self._planned.outputs)
        self._scorer = make_scorer(self._planned, encoder, models.both, whole_files=False)
        self._counted = Counted()
        self._more: dict[str, Any] | None = None
        self._rejects: str | None = None
        self._started = time.monotonic()

    def result(self, name: str, open_spark: Callable[[], OpenSession]) -> BatchReport:
        output: DiskFolder | ClusterFolder
        if is_uri(name):
            output = ClusterFolder(name, self._kind.suffix, lambda: open_spark().spark)
        else:
            output = DiskFolder(Path(name), self._kind.suffix)
        key = job_key(self._planned, self._kind, self._models.both, output.name)
        key["version"] |= {"pyspark": version("pyspark")}
        try:
            finished = output.check(key, overwrite=self._job.overwrite)
            if finished is not None and not self._job.restart:
                return self._known(finished)
            with output.held():
                if output.dropped is not None:
                    self._told.say(f"An unfinished run for '{output.name}' was dropped: {output.dropped}.")
                return self._on(open_spark(), output, key)
        except MlshipError as error:
            error.facts = {**self._report().to_json(), **self._findings(), **error.facts}
            raise
        finally:
            self._planned.first.close()

    def _known(self, finished: dict[str, Any]) -> BatchReport:
        """What a run that did it all told, judged by the limit of today."""
        report = of_record(finished)
        self._counted.tally, self._more = report.tally, report.more
        if report.tally.rejected > self._job.limit.allowed(report.tally.read):
            self._rejects = report.rejects_file
            raise too_many(self._job, report.tally, None, report.rejects_file)
        return report

    def _findings(self) -> dict[str, Any]:
        """What was found so far, or in the run that did it all."""
        if self._more is not None:
            return self._more
        counted = self._counted
        return findings(self._scorer, counted.monitors, counted.tally, counted.seconds)

    def _report(self) -> BatchReport:
        return BatchReport(
            model=describe_model(self._models.session),
            tally=self._counted.tally,
            rejects_file=self._rejects,
            seconds=time.monotonic() - self._started,
        )

    def _on(self, opened: OpenSession, output: DiskFolder | ClusterFolder, key: dict[str, Any]) -> BatchReport:
        """Do it on an open session."""
        self._told.say(f"Spark {opened.spark.version} scores, on {opened.master}.")
        try:
            job = SparkJob(opened, self._planned, self._models, self._kind, self._told.checks)
            with job:
                self._counted = job.score(self._told.say, self._scorer.all_monitors)
                self._warn_of_versions()
                self._write(job, output)
        except OutputFailed as error:
            if opened.log is not None and output.log is not None and error.code == "spark_failed":
                with suppress(OSError):
                    kept = shutil.copy(opened.log, output.log)  # with its mode: only its owner may read it
                    error.hint = f"Look at what Spark says in '{kept}', then run the command again."
            raise
        more = self._findings()
        report = BatchReport(**{**vars(self._report()), "more": more})
        rejected = self._counted.tally.rejected > 0
        published = output.publish({"job": key, "report": report.to_json()}, rejected=rejected)
        return BatchReport(
            **{
                **vars(self._report()),
                "outputs": published.outputs,
                "rejects_file": published.rejects,
                "more": {**more, "digests": published.digests},
            }
        )

    def _write(self, job: SparkJob, output: DiskFolder | ClusterFolder) -> None:
        tally = self._counted.tally
        check_unchanged(self._job)
        places = output.begin()
        if tally.rejected:
            job.write_rejects(places.rejects, 1 if tally.rejected <= _MOST_IN_ONE else None)
        if tally.rejected > self._job.limit.allowed(tally.read):
            output.finish_rejects()
            self._rejects = output.publish_rejects()
            first = self._counted.first_error(self._job)
            raise too_many(self._job, tally, first, self._rejects, kept=False)
        job.write_scored(places.scored)
        output.finish(
            Expected(
                size=self._counted.given if job.encoder.appends else None,
                rows=None if job.encoder.appends else tally.written,
                rejected=tally.rejected,
            )
        )
        check_unchanged(self._job)

    def _warn_of_versions(self) -> None:
        counted = self._counted
        if counted.warning is not None:
            self._told.warn(counted.warning)
        ours = versions()
        for name, there in counted.versions.items():
            if there != ours[name]:
                self._told.warn(f"The executors have {name} {there}, and here is {ours[name]}: bits may differ.")
