"""`mlship export`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from mlship.cli import export_options as given
from mlship.cli.options import Json, Quiet, Verbose, parse_size
from mlship.errors import UsageError

if TYPE_CHECKING:
    from mlship.cli.console import Console
    from mlship.export.job import ExportJob, ExportReport

_AS_THEY_ARE = ("model", "output", "sample", "name", "tolerance", "precision", "report", "overwrite", "verbose")


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
    trust: given.Trust = None,
    python_path: given.PythonPath = None,
    allow_version_mismatch: given.AllowMismatch = False,
    name: given.Name = None,
    model_version: given.ModelVersion = None,
    label: given.Label = None,
    report: given.Report = None,
    target: given.TargetName = None,
    advise: given.Advise = False,
    rate: given.Rate = None,
    latency: given.Latency = None,
    freshness: given.Freshness = None,
    cpu_hour: given.CpuHour = None,
    overwrite: given.Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Turn a fitted model into one ONNX file that is proven equal to it."""
    options = dict(locals())  # by name, since there are so many
    console: Console = ctx.obj
    console.configure(quiet=quiet, verbose=verbose, json=json)
    from mlship.cli.export_advise import advise_on, needs_of
    from mlship.cli.export_target import bundle
    from mlship.export.run import run_export

    job = _job_of(options)
    needs = needs_of(advise, (rate, latency, freshness, cpu_hour), target)
    if needs is not None:
        advise_on(console, job, needs, _show_tables)
    elif target is not None:
        bundle(console, job, target, _show_tables)
    else:
        _show(console, job, run_export(job))


def _job_of(given: Mapping[str, Any]) -> ExportJob:
    """What is asked for, by the command's parameters."""
    from mlship.export.job import ExportJob
    from mlship.export.limits import Limits
    from mlship.export.loading import Loading

    memory, columns = given["memory_limit"], given["columns"]
    return ExportJob(
        **{name: given[name] for name in _AS_THEY_ARE},
        columns=tuple(columns.split(",")) if columns is not None else None,
        null=tuple(given["null"] or ()),
        version=given["model_version"],
        labels=_labels(given["label"] or []),
        limits=Limits(given["time_limit"], parse_size(memory, "--memory-limit") if memory is not None else None),
        loading=Loading(
            tuple(given["trust"] or ()), tuple(given["python_path"] or ()), given["allow_version_mismatch"]
        ),
        measure=not given["quiet"] or given["report"] is not None,
    )


def _labels(texts: list[str]) -> dict[str, str]:
    labels = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"The label '{text}' is not of the form KEY=VALUE.", hint="For example: --label team=risk")
        labels[key] = value
    return labels


def _show(console: Console, job: ExportJob, report: ExportReport) -> None:
    _show_tables(console, job, report)
    if console.json:
        console.result({"status": "done", "exit_code": 0, **report.to_json(), "error": None})
        return
    console.say(
        f"Wrote {report.output} ({report.bytes:,} bytes). Score a file with: mlship batch FILE -m {report.output}"
    )


def _show_tables(console: Console, job: ExportJob, report: ExportReport) -> None:
    """Tell what was found."""
    from mlship.export.summary import sections_of, shortened

    if console.verbose:
        console.say(f"The model was loaded and asked within: {', '.join(report.held)}.")
    if console.json:
        return
    for section in sections_of(report):
        console.table(section.title, section.columns, shortened(section.rows))
    card = report.card
    if card.parity and card.parity.rung != "exact":
        console.warn(
            f"Numbers differ from the original's by up to {card.parity.largest:.2g} of their column's largest "
            f"({card.parity.worst}); --tolerance {job.tolerance:g} allows it."
        )
    for code, count in report.sample_rejected.items():
        console.warn(f"{count} rows of '{job.sample}' were left out of the proof: {code}.")
