"""`mlship export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from mlship.cli import export_options as given
from mlship.cli.options import Json, Quiet, Verbose, parse_size
from mlship.errors import UsageError

if TYPE_CHECKING:
    from mlship.cli.console import Console
    from mlship.export.job import ExportJob, ExportReport

_MOST_COLUMNS_SHOWN = 40


def export(
    ctx: typer.Context,
    model: given.Model,
    output: given.Output = None,
    sample: given.Sample = None,
    columns: given.Columns = None,
    null: given.Null = None,
    tolerance: given.Tolerance = 1e-6,
    precision: given.Arithmetic = "auto",
    time_limit: given.TimeLimit = 1800.0,
    memory_limit: given.MemoryLimit = None,
    name: given.Name = None,
    model_version: given.ModelVersion = None,
    label: given.Label = None,
    overwrite: given.Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Turn a fitted model into one ONNX file that is proven equal to it."""
    console: Console = ctx.obj
    console.configure(quiet=quiet, verbose=verbose, json=json)
    from mlship.export.job import ExportJob
    from mlship.export.limits import Limits
    from mlship.export.run import run_export

    job = ExportJob(
        model=model,
        output=output,
        sample=sample,
        columns=tuple(columns.split(",")) if columns is not None else None,
        null=tuple(null or ()),
        name=name,
        version=model_version,
        labels=_labels(label or []),
        tolerance=tolerance,
        precision=precision,
        limits=Limits(time_limit, parse_size(memory_limit, "--memory-limit") if memory_limit is not None else None),
        measure=not quiet,
        overwrite=overwrite,
    )
    _show(console, job, run_export(job))


def _labels(texts: list[str]) -> dict[str, str]:
    labels = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"The label '{text}' is not of the form KEY=VALUE.", hint="For example: --label team=risk")
        labels[key] = value
    return labels


def _show(console: Console, job: ExportJob, report: ExportReport) -> None:
    if console.json:
        console.result({"status": "done", "exit_code": 0, **report.to_json(), "error": None})
        return
    card = report.card
    inputs = card.signature.inputs
    shown: list[tuple[str, str, str, str]] = [
        (column.name, column.dtype, *_accepts(column)) for column in inputs[:_MOST_COLUMNS_SHOWN]
    ]
    if len(inputs) > len(shown):
        shown.append((f"... and {len(inputs) - len(shown)} more", "", "", ""))
    console.table(f"Columns of {card.name}", ("column", "dtype", "null", "values"), shown)
    console.table("Proof", ("", ""), _proof(report))
    if card.parity and card.parity.rung != "exact":
        console.warn(
            f"Numbers differ from the original's by up to {card.parity.largest:.2g} of their column's largest; "
            f"--tolerance {job.tolerance:g} allows it."
        )
    for code, count in report.sample_rejected.items():
        console.warn(f"{count} rows of '{job.sample}' were left out of the proof: {code}.")
    console.say(
        f"Wrote {report.output} ({report.bytes:,} bytes). Score a file with: mlship batch FILE -m {report.output}"
    )


def _accepts(column: Any) -> tuple[str, str]:
    """Whether null is accepted, and which values are."""
    values = ""
    if column.categories is not None:
        known = ", ".join(str(value) for value in column.categories[:5])
        more = "" if len(column.categories) <= 5 else f" and {len(column.categories) - 5} more"
        values = f"{known}{more}{'; others too' if column.unknown else '; no others'}"
    elif column.limit is not None:
        values = f"up to {column.limit:.3g} in magnitude"
    elif column.finite:
        values = "finite"
    return ("accepted" if column.nullable else "refused"), values


def _proof(report: ExportReport) -> list[tuple[str, str]]:
    card = report.card
    if card.parity is None:
        return []
    proof = card.parity
    rows = ", ".join(f"{count:,} {kind}" for kind, count in proof.rows.items())
    verdict = "exact" if proof.rung == "exact" else f"within {proof.tolerance:.2g}, not exact"
    return [
        ("compared with the original", f"{sum(proof.rows.values()):,} rows ({rows})"),
        ("labels that agree", f"{proof.labels_agree:.0%}"),
        ("largest difference of a number", f"{proof.largest:.2g} ({verdict}, {proof.precision})"),
        *_speed(report),
        ("golden rows in the file", str(card.golden.rows if card.golden else 0)),
        ("baseline", "from the sample" if card.baseline else "none, as no --sample was given"),
        ("digest", report.digest[:12]),
    ]


def _speed(report: ExportReport) -> list[tuple[str, str]]:
    """How long one row takes and how many are answered in a second, in both forms."""
    if not report.speed:
        return []
    forms = ("original", "onnx")
    rows = [f"{report.speed[form].one_row * 1e3:,.3g} ms {form}" for form in forms]
    rates = [f"{report.speed[form].rows_per_second:,.0f} {form}" for form in forms]
    return [("time for one row", ", ".join(rows)), ("rows a second", ", ".join(rates))]
