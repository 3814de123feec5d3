"""`mlship export --target`: a folder with all that deploying takes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship.errors import UsageError
from mlship.export.run import run_export
from mlship.targets.bundle import MODEL, BundleJob, BundleReport, check_bundle, write_bundle

if TYPE_CHECKING:
    from mlship.cli.console import Console
    from mlship.export.job import ExportJob, ExportReport

Show = Callable[["Console", "ExportJob", "ExportReport"], None]


def bundle(console: Console, job: ExportJob, target: str, show: Show) -> None:
    """Make a bundle of a model, which is exported first unless it is an artifact already.

    Raises:
        MlshipError: What `run_export` and `write_bundle` raise.
    """
    folder = check_bundle(target, job.output, overwrite=job.overwrite)
    if job.model.suffix.lower() == ".onnx":
        check_untouched(job, "--report")
        _tell(console, write_bundle(BundleJob(job.model, target, folder, job.overwrite)), {})
        return
    with tempfile.TemporaryDirectory(prefix="mlship-") as scratch:
        artifact = Path(scratch) / MODEL
        report = run_export(replace(job, output=artifact))
        show(console, job, replace(report, output=folder / MODEL))
        made = write_bundle(BundleJob(artifact, target, folder, job.overwrite))
    _tell(console, made, replace(report, output=folder / MODEL).to_json())


def check_untouched(job: ExportJob, *others: str) -> None:
    """Refuse options of an export, which does nothing for an artifact that is made already.

    Args:
        job: What was asked for.
        others: Options that do nothing there either.

    Raises:
        UsageError: One was given.
    """
    usual = type(job)(job.model)
    given = {
        "--name": job.name,
        "--model-version": job.version,
        "--label": job.labels,
        "--sample": job.sample,
        "--columns": job.columns,
        "--null": job.null,
        "--precision": job.precision != usual.precision,
        "--tolerance": job.tolerance != usual.tolerance,
        "--time-limit": job.limits.seconds != usual.limits.seconds,
        "--memory-limit": job.limits.bytes,
        "--trust": job.loading.trust,
        "--python-path": job.loading.python_path,
        "--allow-version-mismatch": job.loading.allow_version_mismatch,
        **{option: getattr(job, option.removeprefix("--")) for option in others},
    }
    for option, value in given.items():
        if value:
            raise UsageError(
                f"'{job.model}' is an artifact already, for which {option} does nothing.",
                hint=f"Leave {option} away, or export the model that it was made of.",
            )


def _tell(console: Console, made: BundleReport, exported: dict[str, Any]) -> None:
    if not made.facts.proven:
        console.warn(f"The model '{made.facts.name}' carries no proof that it is equal to an original.")
    for note in made.notes:
        console.say(note)
    if console.json:
        result = {"model": made.facts.to_json(), **exported, "outputs": [str(made.folder)], "bundle": made.to_json()}
        console.result({"status": "done", "exit_code": 0, **result, "error": None})
        return
    console.say(f"Wrote {made.folder}/ with {len(made.files)} files for {made.target}. What to do with them: README.md")
