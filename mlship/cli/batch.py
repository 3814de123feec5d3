"""`mlship batch`: options in, one line or one JSON object out."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlship.cli.options import Json, Quiet, Verbose, parse_size
from mlship.errors import MlshipError, UsageError

if TYPE_CHECKING:
    from mlship.batch.job import BatchJob, BatchReport, Keep
    from mlship.cli.console import Console


def batch(
    ctx: typer.Context,
    input: Annotated[Path, typer.Argument(metavar="INPUT", help="The file to score: .csv or .parquet.")],  # noqa: A002
    model: Annotated[
        Path | None,
        typer.Option("--model", "-m", help="The model; else MLSHIP_MODEL, else the only .onnx file here."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; else <stem>.scored.<ext> beside INPUT.")
    ] = None,
    format: Annotated[  # noqa: A002
        str | None, typer.Option(metavar="csv|parquet", help="Its format; else what its name says, else INPUT's own.")
    ] = None,
    keep: Annotated[
        str, typer.Option(metavar="all|none|COL,COL", help="Columns of the input to put before the predictions.")
    ] = "all",
    chunk_size: Annotated[str, typer.Option(metavar="SIZE", help="About how much is read at a time.")] = "8MiB",
    max_rejects: Annotated[
        str | None,
        typer.Option(
            metavar="N|P%", help="Rejected rows allowed; a number stops at once. Else 1% or 10, whichever is more."
        ),
    ] = None,
    null: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A further text that means null in CSV; may be repeated.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that mlship did not write.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Score a file, row by row, with a model.

    Rows that the model cannot take are not scored; they are listed, with the reason, in a file beside the output.
    """
    console: Console = ctx.obj
    console.configure(quiet=quiet, verbose=verbose, json=json)
    from mlship.batch.job import BatchJob, BatchReport
    from mlship.batch.limit import DEFAULT, parse_limit

    try:
        job = BatchJob(
            input=input,
            output=output,
            format=format,
            keep=_parse_keep(keep),
            chunk_size=parse_size(chunk_size, "--chunk-size"),
            limit=DEFAULT if max_rejects is None else parse_limit(max_rejects),
            null=tuple(null or ()),
            overwrite=overwrite,
        )
        report = _score(console, job, model)
    except MlshipError as error:
        error.facts = {**BatchReport().to_json(), **error.facts}
        raise
    if console.json:
        console.result({"status": "done", "exit_code": 0, **report.to_json(), "error": None})
    console.say(_summary(job, report))


def _score(console: Console, job: BatchJob, model: Path | None) -> BatchReport:
    from mlship.batch.find_model import find_model
    from mlship.batch.job import BatchReport, describe_model
    from mlship.batch.plan import plan
    from mlship.batch.run import run
    from mlship.batch.stop import stop_on_signals
    from mlship.model.session import SessionSpec, open_session

    with stop_on_signals() as stop:
        found = find_model(model, Path())
        session = open_session(SessionSpec(found.path))
        if found.guessed:
            console.say(f"The model is '{found.path}', the only one here (digest {session.digest[:12]}).")
        if not session.proven:
            console.warn(f"'{found.path}' carries no proof that it answers as an original model does.")
        if session.replay.warning is not None:
            console.warn(session.replay.warning)
        try:
            planned = plan(job, found.path, session.signature)
        except MlshipError as error:
            error.facts = BatchReport(model=describe_model(session)).to_json()
            raise
        with console.progress("Scoring", planned.source.total) as advance:
            return run(planned, session, advance, stop)


def _parse_keep(text: str) -> Keep:
    if text == "all":
        return "all"
    if text == "none":
        return "none"
    names = tuple(next(csv.reader((text,)), []))  # so that a name with a comma can be quoted
    if not names or "" in names:
        raise UsageError("--keep expects all, none, or names of columns.", hint="--keep id,name")
    return names


def _summary(job: BatchJob, report: BatchReport) -> str:
    tally = report.tally
    reasons = ", ".join(f"{number:,} {code}" for code, number in sorted(tally.codes.items()))
    rejected = f" ({reasons}; see '{report.rejects_file}')" if report.rejects_file else ""
    return (
        f"'{job.input}': {tally.read:,} rows in, {tally.written:,} out, {tally.rejected:,} rejected{rejected}, "
        f"in {report.seconds:.1f} s. Output: '{report.outputs[0]}'"
    )
