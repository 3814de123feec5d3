"""`mlship export --advise`: a model is measured here, and what fits is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship.errors import MlshipError, UsageError

if TYPE_CHECKING:
    from mlship.advise.advice import Advice
    from mlship.advise.figures import Needs
    from mlship.cli.console import Console
    from mlship.export.job import ExportJob, ExportReport

Show = Callable[["Console", "ExportJob", "ExportReport"], None]
Given = tuple[float | None, float | None, str | None, float | None]
"""Rows a day, milliseconds, a time as text, a price."""
_MEMORY_SHARE = 0.05
"""Of the time that measuring the memory for a bundle may take of a slow model: advice has to come soon."""


def needs_of(wanted: bool, given: Given, target: str | None) -> Needs | None:
    """Return what the user needs, or None where no advice is wanted.

    Raises:
        UsageError: The options do not go together, or one cannot be read.
    """
    names = ("--rate", "--latency", "--freshness", "--cpu-hour")
    if not wanted:
        for name, value in zip(names, given, strict=True):
            if value is not None:
                raise UsageError(f"{name} does nothing without --advise.", hint=f"Add --advise, or leave {name} away.")
        return None
    if target is not None:
        raise UsageError(
            "--advise and --target are two things to do.", hint="Leave one of them away; the artifact serves both."
        )
    from mlship.advise.figures import Needs, parse_period

    rate, milliseconds, freshness, cpu_hour = given
    return Needs(
        rate=rate,
        latency=None if milliseconds is None else milliseconds / 1e3,
        freshness=None if freshness is None else parse_period(freshness, "--freshness"),
        cpu_hour=cpu_hour,
    )


def advise_on(console: Console, job: ExportJob, needs: Needs, show: Show) -> None:
    """Measure a model, which is exported first unless it is an artifact already, and tell what fits.

    Raises:
        MlshipError: What `run_export` and `advise` raise; what was exported stays, and the error's facts name it.
    """
    from mlship.advise.summary import document_of, sections_of
    from mlship.export.report import document_of as document_of_export
    from mlship.report.document import check_report, write_report

    if job.report is not None:
        check_report(job.report)
    if job.model.suffix.lower() == ".onnx":
        from mlship.model.artifact import read_artifact

        _check_options(job)
        read_artifact(job.model)  # what is no model at all is told before anything is measured
        advice = _advice(console, job.model, needs)
        document = document_of(advice)
    else:
        from mlship.export.run import run_export

        report = run_export(job)
        show(console, job, report)
        try:
            advice = _advice(console, report.output, needs)
        except MlshipError as error:
            error.facts = {**report.to_json(), **error.facts}
            raise
        exported = document_of_export(report)
        sections = (*sections_of(advice), *exported.sections)
        notes = (advice.reason, *exported.notes)
        facts = {**exported.facts, "advice": advice.to_json()}
        document = replace(exported, notes=notes, sections=sections, facts=facts)
    if job.report is not None:
        write_report(job.report, document)
    _tell(console, advice, document.facts)


def _check_options(job: ExportJob) -> None:
    from mlship.cli.export_target import check_untouched

    check_untouched(job, "--output", "--overwrite")


def _advice(console: Console, model: Path, needs: Needs) -> Advice:
    from mlship.advise.advice import advise

    def memory(of: Path) -> tuple[int, int]:
        from mlship.targets.measure import measured

        found = measured(of, _MEMORY_SHARE)
        return found.serve, found.batch

    def say(text: str) -> None:
        if not console.json:
            console.say(text)

    return advise(model, needs, memory, say)


def _tell(console: Console, advice: Advice, facts: dict[str, Any]) -> None:
    if console.json:
        console.result({"status": "done", "exit_code": 0, **facts, "error": None})
        return
    from mlship.advise.summary import TITLE, assumptions, chart, overview

    console.table(TITLE, ("", ""), overview(advice))
    console.say(*chart(advice, console.width))
    for note in advice.measured.notes:
        console.warn(note)
    console.say(advice.reason)
    for topic, text in advice.considerations:
        console.say(f"{topic.capitalize()}: {text}")
    assumed = "; ".join(f"{name} {text}" for name, text in assumptions(advice.assumed))
    console.say(f"Measured here, all but: {assumed}.")
