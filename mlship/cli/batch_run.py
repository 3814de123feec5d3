"""From the options of `mlship batch` to runs and what is told of them."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship.batch.find_model import find_model
from mlship.batch.inputs import STDIN, find_inputs
from mlship.batch.job import BatchJob, BatchReport, Gates, Keep, describe_model
from mlship.batch.limit import DEFAULT, RejectLimit, parse_limit, parse_share
from mlship.batch.shards import parse_shard
from mlship.batch.stop import Stop, stop_on_signals
from mlship.cli.options import parse_size
from mlship.errors import GateExceeded, InputRefused, MlshipError, OutputLocked, UsageError
from mlship.quota import available_cpus, default_workers
from mlship.tables.dialect import Told

if TYPE_CHECKING:
    from mlship.batch.window import StopAt
    from mlship.cli.console import Console
    from mlship.model.session import Session


@dataclass(frozen=True)
class Given:
    """The options as they were given; see `cli.batch_options`."""

    input: list[str]
    model: Path | None
    output: str | None
    format: str | None
    keep: str
    row_numbers: bool
    rename: list[str] | None
    chunk_size: str
    workers: int | None
    max_rejects: str | None
    rejects: Path | None
    null: list[str] | None
    delimiter: str | None
    quote: str | None
    decimal_comma: bool
    encoding: str | None
    no_header: bool
    restart: bool
    overwrite: bool
    shard: str | None
    schedule: str | None
    timezone: str | None
    stop_at: str | None
    compare: Path | None
    max_changed: str | None
    max_drift: float | None
    actual: str | None
    report: Path | None

    @classmethod
    def of(cls, options: dict[str, Any]) -> Given:
        """Take the options out of a command's parameters."""
        return cls(**{item.name: options[item.name] for item in fields(cls)})


def score(console: Console, given: Given) -> None:
    """Do what the options ask for, once or on schedule.

    Raises:
        MlshipError: It failed; the error's facts tell what had been reached.
    """
    try:
        _check(console, given)
        job = _job(given)
        stop_at = _stop_at(given)
        with stop_on_signals() as stop:
            go = _Go(console, given, job, stop)
            if given.schedule is None:
                go.once(stop_at)
            else:
                _on_schedule(go, stop_at)
    except MlshipError as error:
        error.facts = {**BatchReport().to_json(), **error.facts}
        raise


def _on_schedule(go: _Go, stop_at: StopAt | None) -> None:
    from mlship.batch.schedule import Schedule, repeat

    assert go.given.schedule is not None
    schedule = Schedule(go.given.schedule, go.given.timezone)
    repeat(schedule, lambda due: go.once(stop_at, due), go.console.say, go.stop.wait)


def _check(console: Console, given: Given) -> None:
    """Refuse options that contradict each other."""
    if given.output == "-" and console.json:
        raise UsageError("--json and -o - both write to standard output.", hint="Leave one of them away.")
    if given.input == [STDIN] and given.schedule is not None:
        raise UsageError("Standard input can be read once, not on a schedule.", hint="Name a file.")
    if given.timezone is not None and given.schedule is None and given.stop_at is None:
        raise UsageError("--timezone belongs to --schedule or --stop-at.", hint="Leave it away.")
    if given.max_changed is not None and given.compare is None:
        raise UsageError("--max-changed needs a model to compare with.", hint="--compare OTHER.onnx")
    if given.report is not None:
        from mlship.report.document import check_report

        check_report(given.report)


def _job(given: Given) -> BatchJob:
    limit = DEFAULT if given.max_rejects is None else parse_limit(given.max_rejects)
    if given.output == "-" and given.max_rejects is None and given.rejects is None:
        limit = RejectLimit(rows=0, percent=None)  # there is no place where a rejected row would be told
    return BatchJob(
        inputs=(),
        output=given.output,
        format=given.format,
        keep=_parse_keep(given.keep),
        row_numbers=given.row_numbers,
        rename=_parse_rename(given.rename or []),
        chunk_size=parse_size(given.chunk_size, "--chunk-size"),
        workers=given.workers or default_workers(available_cpus()),
        limit=limit,
        rejects=given.rejects,
        null=tuple(given.null or ()),
        told=_told(given),
        no_header=given.no_header,
        restart=given.restart,
        overwrite=given.overwrite,
        shard=None if given.shard is None else parse_shard(given.shard),
        compare=given.compare,
        actual=given.actual,
        gates=Gates(given.max_drift, None if given.max_changed is None else parse_share(given.max_changed)),
    )


def _told(given: Given) -> Told:
    return Told(
        delimiter=None if given.delimiter is None else _character(given.delimiter, "--delimiter"),
        quote=None
        if given.quote is None
        else ""
        if given.quote in ("", "none")
        else _character(given.quote, "--quote"),
        decimal_comma=True if given.decimal_comma else None,
        encoding=None if given.encoding is None else _encoding(given.encoding),
    )


def _character(text: str, option: str) -> str:
    text = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise UsageError(f"{option} is '{text}'; one ASCII character was expected.", hint=f"{option} ';'")
    return text


def _encoding(name: str) -> str:
    import codecs

    try:
        found = codecs.lookup(name)
    except LookupError:
        found = None
    if found is None or not found._is_text_encoding:
        raise UsageError(f"There is no encoding '{name}'.", hint="--encoding windows-1252")
    return found.name


def _parse_keep(text: str) -> Keep:
    if text == "all":
        return "all"
    if text == "none":
        return "none"
    names = tuple(next(csv.reader((text,)), []))  # so that a name with a comma can be quoted
    if not names or "" in names:
        raise UsageError("--keep expects all, none, or names of columns.", hint="--keep id,name")
    return names


def _parse_rename(texts: list[str]) -> dict[str, str]:
    renamed = {}
    for text in texts:
        name, equals, other = text.partition("=")
        if not equals or not name or not other:
            raise UsageError(
                f"--rename is '{text}'; MODEL_COLUMN=INPUT_COLUMN was expected.", hint="--rename age=alter"
            )
        renamed[name] = other
    return renamed


def _stop_at(given: Given) -> StopAt | None:
    if given.stop_at is None:
        return None
    from mlship.batch.window import StopAt

    return StopAt(given.stop_at, given.timezone)


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
            try:
                reports = self._runs(session, model, checks)
            except MlshipError as error:
                error.facts = {**BatchReport(model=describe_model(session)).to_json(), **error.facts}
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
        inputs = find_inputs(self.given.input, self.given.format)
        apart = self.given.output is None and len(inputs) > 1
        if apart and self.job.rejects is not None:
            raise UsageError("--rejects is one file, but each input has an output of its own.", hint="-o OUTPUT")
        jobs = (
            [replace(self.job, inputs=(one,)) for one in inputs] if apart else [replace(self.job, inputs=tuple(inputs))]
        )
        reports, failed = [], None
        for job in jobs:
            try:
                reports.append(self._run(job, session, model, checks))
            except (InputRefused, OutputLocked) as error:  # the other inputs are none the worse for it
                if not apart:
                    raise
                if failed is not None:
                    self.console.error(failed)
                failed = error
        if failed is not None:
            failed.facts = {**failed.facts, **_sum([*reports, _of_facts(failed)]).to_json()}
            raise failed
        return reports

    def _run(self, job: BatchJob, session: Session, model: Path, checks: tuple[Any, ...]) -> BatchReport:
        from mlship.batch.prepare import prepare
        from mlship.batch.run import run

        setting = prepare(job, model, session, self.console.say)
        sizes = [given.state.get("size") for given in job.inputs]
        total = None if None in sizes else sum(size for size in sizes if size)
        with self.console.progress("Scoring", total) as advance:
            report = run(setting, advance, checks)
        self.console.say(_summary(job, report))
        return report

    def _told(self, reports: list[BatchReport]) -> str:
        from mlship.batch.gates import judged

        report = _sum(reports)
        gates = judged(self.job.gates, reports)
        facts = {**report.to_json(), "gates": [gate.to_json() for gate in gates]}
        exceeded = [gate for gate in gates if gate.exceeded]
        code = 9 if exceeded else 0
        if self.given.report is not None:
            from mlship.batch.report import document
            from mlship.report.document import write_report

            write_report(self.given.report, document({"status": "done", "exit_code": code, **facts}))
        if exceeded:
            error = GateExceeded(
                exceeded[0].sentence, hint="The output was published. Look closer with: --report report.html"
            )
            error.facts = facts
            raise error
        if self.console.json:
            self.console.result({"status": "done", "exit_code": 0, **facts, "error": None})
        return f"{report.tally.read:,} rows in, {report.tally.written:,} out, {report.tally.rejected:,} rejected"


def _of_facts(error: MlshipError) -> BatchReport:
    """What a failed run had reached."""
    from collections import Counter

    from mlship.batch.job import Tally

    rows = error.facts.get("rows", {"in": 0, "out": 0, "rejected": 0})
    tally = Tally(rows["in"], rows["out"], rows["rejected"], Counter(error.facts.get("rejects", {})))
    return BatchReport(model=error.facts.get("model"), tally=tally, rejects_file=error.facts.get("rejects_file"))


def _sum(reports: list[BatchReport]) -> BatchReport:
    """One report of several runs."""
    if len(reports) == 1:
        return reports[0]
    from mlship.batch.job import Tally

    tally = Tally()
    for report in reports:
        tally.read += report.tally.read
        tally.written += report.tally.written
        tally.rejected += report.tally.rejected
        tally.codes.update(report.tally.codes)
    return BatchReport(
        model=next((report.model for report in reports if report.model), None),
        tally=tally,
        outputs=tuple(output for report in reports for output in report.outputs),
        rejects_file=next((report.rejects_file for report in reports if report.rejects_file), None),
        seconds=sum(report.seconds for report in reports),
        already=all(report.already for report in reports),
        more={"runs": [report.to_json() for report in reports]},
    )


def _summary(job: BatchJob, report: BatchReport) -> str:
    tally = report.tally
    names = f"'{job.inputs[0].name}'" + (f" and {len(job.inputs) - 1} more" if len(job.inputs) > 1 else "")
    reasons = ", ".join(f"{number:,} {code}" for code, number in sorted(tally.codes.items()))
    where = f"; see '{report.rejects_file}'" if report.rejects_file else ""
    rejected = f" ({reasons}{where})" if reasons else ""
    done = "was scored before and is unchanged" if report.already else f"in {report.seconds:.1f} s"
    return (
        f"{names}: {tally.read:,} rows in, {tally.written:,} out, {tally.rejected:,} rejected{rejected}, "
        f"{done}. Output: '{report.outputs[0]}'"
    )
