"""One export from a model's file to a proven artifact, or to a refusal and no file.

This process reads the model file's bytes and writes the artifact. All between, from the first look at what the bytes
hold to the proof, happens in a child process that can do nothing else and that this one ends when its time is over.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from mlship.errors import ModelRefused, OutputFailed, UsageError
from mlship.export.inside import Request, live
from mlship.export.job import ExportJob, ExportReport
from mlship.export.limits import bounded
from mlship.export.loading import Source
from mlship.export.process import Child, forked, started
from mlship.export.reading import check_name
from mlship.export.report import document_of
from mlship.export.result import reported
from mlship.export.source import read_source
from mlship.export.watch import Told, Watch, watched
from mlship.files import write_atomic
from mlship.model.artifact import read_artifact
from mlship.report.document import check_report, write_report

_SAVED_AS = (".pkl", ".pickle", ".joblib", ".skops", ".gz", ".bz2", ".xz", ".lzma", ".z", ".zlib")


def run_export(job: ExportJob) -> ExportReport:
    """Export a model.

    Raises:
        UsageError: A file is not there, or names do not fit; the output would replace a foreign file.
        InputRefused: The sample cannot be read.
        ModelRefused: The model file is untrusted, damaged or of another version.
        NotConvertible: No graph could be proven equal; nothing was written.
        OutputFailed: The artifact or the report could not be written.
    """
    output = job.output or Path(f"{_stem(job.model)}.onnx")
    _check_output(output, job)
    if job.report is not None:
        check_report(job.report)
    source = read_source(job.model)
    named = replace(job, name=job.name or _stem(job.model))
    told = _made_apart(named, source) if job.confined and hasattr(os, "fork") else _made_here(named, source)
    report = reported(output, told, named, hashlib.sha256(source.data).hexdigest())
    document = document_of(report)  # before anything is written: it is made of what the child told
    write_atomic(output, told.artifact)
    if job.report is not None:
        write_report(job.report, document)
    return report


def _made_apart(job: ExportJob, source: Source) -> Told:
    """Make the artifact in a child process."""
    try:
        scratch = Path(tempfile.mkdtemp(prefix="mlship-"))
    except OSError as error:
        raise OutputFailed(f"No folder can be made for temporary files: {error.strerror}.") from error
    try:
        request = Request(job, source, scratch)
        return watched(_child(request), Watch(source.name, len(source.data), job.loading.bounds, job.limits))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _child(request: Request) -> Child:
    """A copy of this process, or a new one where a copy would wait for threads that only this one has.

    The command line has imported nothing that starts any. A program that uses mlship as a library may have.
    """
    sample_waits = request.job.sample is not None and "polars" in sys.modules
    forbidden = sys.platform == "darwin" and "sklearn" in sys.modules  # Apple's Accelerate crashes in a copy
    if sample_waits or forbidden:
        return started(request, noisy=request.job.verbose)
    return forked(lambda sender: live(request, sender), noisy=request.job.verbose)


def _made_here(job: ExportJob, source: Source) -> Told:
    """Make the artifact in this process: where there is no fork, and for tests that reach into the export."""
    from mlship.export.load import importable, load_source
    from mlship.export.making import make

    with importable(job.loading.python_path):
        loaded = load_source(source, job.loading)
        with bounded(job.limits):
            made = make(job, loaded)
    return Told({"held": ["nothing: it ran in this process"]}, made.told(), made.data)


def _stem(model: Path) -> str:
    """The file's name without the endings that say how it was saved: `churn.v2` of `churn.v2.pkl.gz`."""
    name = model.name
    while (suffix := Path(name).suffix.lower()) in _SAVED_AS:
        name = name[: -len(suffix)]
    return name.strip(".") or "model"


def _check_output(output: Path, job: ExportJob) -> None:
    check_name(job.model)
    check_name(output)
    if not output.parent.is_dir():
        raise UsageError(f"There is no folder '{output.parent}'.", hint=f"mkdir -p '{output.parent}'")
    if output.is_dir():
        raise UsageError(f"'{output}' is a folder.", hint=f"Name a file in it: -o '{output}/model.onnx'")
    if not output.exists():
        return
    if job.model.exists() and output.samefile(job.model):
        raise UsageError(f"'{output}' is the model file itself.", hint="Name another file with -o.")
    if not job.overwrite and not _is_ours(output):
        raise UsageError(
            f"'{output}' exists and was not written by mlship.",
            hint="Replace it with --overwrite, or name another with -o.",
        )


def _is_ours(path: Path) -> bool:
    try:
        return read_artifact(path).card is not None
    except ModelRefused:
        return False
