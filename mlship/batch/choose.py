"""Where a job's output goes and of which format it is; everything that can be refused about it is refused here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mlship import objects
from mlship.batch.inputs import STDIN, Input
from mlship.batch.job import BatchJob
from mlship.batch.outputs.contract import Output
from mlship.batch.outputs.file import FileOutput, FileTarget
from mlship.batch.outputs.folder import FolderOutput, FolderTarget
from mlship.batch.outputs.objects import ObjectOutput
from mlship.batch.outputs.shared import SharedObjects
from mlship.batch.outputs.stream import StreamOutput
from mlship.errors import OutputFailed, UsageError
from mlship.tables.contract import Encoder
from mlship.tables.registry import Kind, by_name, kind_of, stem_of

STDOUT = "-"


def output_name(job: BatchJob) -> str:
    """Return the output's name: the one given, else `<stem>.scored.<ext>` beside the only input.

    Raises:
        UsageError: None was given, and there is none beside such inputs.
    """
    if job.output is not None:
        if objects.is_uri(job.output) and not job.output.endswith("/"):
            raise UsageError(
                f"'{job.output}' names one object, but an output in a store is a folder of parts.",
                hint=f"Add a slash: -o '{job.output}/'",
            )
        return job.output
    given = job.inputs[0]
    assert len(job.inputs) == 1, "several inputs without an output are a job each"
    if given.path is None:
        raise UsageError(
            f"'{given.name}' is no file on a disk, so that the output needs a name.",
            hint="-o OUTPUT, where - is standard output" if given.name == STDIN else "-o s3://BUCKET/FOLDER/",
        )
    stem, suffix = stem_of(given.path.name)
    if job.format is not None and by_name(job.format) is not given.kind.format:
        suffix = by_name(job.format).suffixes[0]
    return str(given.path.with_name(f"{stem}.scored{suffix}"))


def rejects_name(job: BatchJob) -> Path | None:
    """Return where the rejected rows of an output on a disk are told; None of another."""
    name = output_name(job)
    if job.rejects is not None or name == STDOUT or objects.is_uri(name):
        return job.rejects
    path = Path(name)
    if name.endswith("/"):
        return _rejects_of(job, path)
    return path.with_name(f"{stem_of(path.name)[0]}.rejects.ndjson")


def check_apart(jobs: Sequence[BatchJob]) -> None:
    """Refuse jobs of one command that would write to one file.

    Raises:
        UsageError: Two would.
    """
    seen: dict[str, str] = {}
    for job in jobs:
        for path in (output_name(job), str(rejects_name(job))):
            given = job.inputs[0].name
            if path in seen and seen[path] != given:
                raise UsageError(
                    f"The inputs '{seen[path]}' and '{given}' would both be written to '{path}'.",
                    hint="Put them into one output: -o scored.csv",
                    code="same_file",
                )
            seen[path] = given


def output_kind(job: BatchJob, name: str) -> Kind:
    """Return the output's format and packing: what --format says, else what its name tells, else the input's own.

    Raises:
        UsageError: Neither tells, or they contradict each other.
    """
    wanted = by_name(job.format) if job.format is not None else None
    told = None if name == STDOUT or name.endswith("/") else kind_of(name)
    own = job.inputs[0].kind
    if name == STDOUT:
        kind = Kind(wanted or (own.format if own.format.bytewise else by_name("csv")))
        if not kind.format.bytewise:
            raise UsageError(
                f"Standard output cannot be {kind.format.name}; it can be csv, tsv or ndjson.", hint="--format csv"
            )
        return kind
    if name.endswith("/"):
        return own if wanted is None or wanted is own.format else Kind(wanted)
    if wanted is None and told is None:
        raise UsageError(
            f"The output '{name}' has a name from which its format cannot be told.",
            hint=f"Say it: --format {own.format.name}",
        )
    if wanted is not None and told is not None and wanted is not told.format:
        raise UsageError(
            f"The output '{name}' has a name of {told.format.name}, but --format says {wanted.name}.",
            hint=f"Leave --format away, or end the name in {wanted.suffixes[0]}.",
        )
    if told is not None:
        return told
    assert wanted is not None
    return Kind(wanted)


def open_output(job: BatchJob, kind: Kind, encoder: Encoder, models: tuple[Path, ...]) -> Output:
    """Return the output.

    Args:
        job: What was asked for.
        kind: The output's format and packing.
        encoder: Makes its files.
        models: Model files, which the output must not replace.

    Raises:
        UsageError: It is an input or a model, or of a kind that cannot be shared by shards.
        OutputFailed: Its folder is not there.
    """
    name = output_name(job)
    _check_shared(job, name)
    _check_not_given(job, name, models)
    if job.rejects is not None:
        _check_folder(job.rejects)
    if name == STDOUT:
        return StreamOutput(sys.stdout.buffer, job.rejects)
    if objects.is_uri(name):
        return ObjectOutput(name, kind.suffix) if job.shard is None else SharedObjects(name, kind.suffix, job.shard)
    path = Path(name)
    _check_folder(path)
    if name.endswith("/"):
        check_output_apart(name, job.inputs)
        return FolderOutput(FolderTarget(path, job.rejects or _rejects_of(job, path), kind.suffix, job.shard))
    if path.exists() and not path.is_file():
        hint = f"End it in a slash for a folder of parts: -o '{name}/'" if path.is_dir() else "Name a file with -o."
        what = "a folder" if path.is_dir() else "no regular file"
        raise UsageError(f"The output '{name}' is {what}; a file was expected.", hint=hint)
    rejects = rejects_name(job)
    assert rejects is not None
    return FileOutput(FileTarget(path, rejects, None if encoder.appends else encoder.assemble))


def _check_shared(job: BatchJob, name: str) -> None:
    """Refuse what an output of this kind cannot do."""
    try:
        os.fsencode(name).decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"The output's name {os.fsencode(name)!r} is not in UTF-8.",
            hint="Name another file with -o.",
            code="bad_name",
        ) from None
    if job.shard is not None and not name.endswith("/"):
        raise UsageError(
            f"'{name}' is one file, but shards write parts of a folder.", hint="End the name in a slash: -o scored/"
        )
    if not objects.is_uri(name):
        return
    if job.rejects is not None:
        raise UsageError(
            f"Rejected rows of '{name}' are told in that folder, not in '{job.rejects}'.", hint="Leave --rejects away."
        )


def _check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise OutputFailed(
            f"'{path}' cannot be written: there is no folder '{path.parent}'.",
            hint=f"Make the folder first: mkdir -p '{path.parent}'",
        )


def _check_not_given(job: BatchJob, name: str, models: tuple[Path, ...]) -> None:
    """Refuse to write over what is read, or twice to one file."""
    read = (*((given.path, "input") for given in job.inputs), *((model, "model") for model in models))
    written = [("output", Path(name), "-o")] if name != STDOUT and not objects.is_uri(name) else []
    for what, extra, option in (("rejects file", rejects_name(job), "--rejects"), ("report", job.report, "--report")):
        if extra is None:
            continue
        for other, before, _ in written:
            if os.path.abspath(before) == os.path.abspath(extra):  # noqa: PTH100 - links stay links
                raise UsageError(
                    f"The {what} and the {other} are both '{extra}'.",
                    hint=f"Write elsewhere with {option}.",
                    code="same_file",
                )
        written.append((what, extra, option))
    for what, target, option in written:
        for source, kind in read:
            if source is not None and same_file(source, target):
                raise _itself(what, target, f"{kind} '{source}'", option)


def _lies_in(given: Input, folder: str) -> bool:
    return given.path is not None and Path(os.path.realpath(folder)) in Path(os.path.realpath(given.path)).parents


def check_output_apart(output: str, inputs: Sequence[Input], lies_in: Callable[[Input, str], bool] = _lies_in) -> None:
    """Refuse a folder that inputs lie in: once it is replaced by what came of them, they are gone.

    Args:
        output: The folder.
        inputs: What is read.
        lies_in: Tells whether an input lies in a folder; where nothing is given, in one of a disk.

    Raises:
        UsageError: One lies in it.
    """
    for given in inputs:
        if lies_in(given, output):
            raise UsageError(
                f"The input '{given.name}' lies in the output '{output}', which is replaced as a whole.",
                hint="Write elsewhere with -o.",
                code="output_is_input",
            )


def check_report_apart(report: Path, inputs: Sequence[Input]) -> None:
    """Refuse to write the report over an input, whichever run it belongs to.

    Raises:
        UsageError: It is one of them.
    """
    for given in inputs:
        if given.path is not None and same_file(given.path, report):
            raise _itself("report", report, f"input '{given.name}'", "--report")


def _itself(what: str, target: Path, read: str, option: str) -> UsageError:
    return UsageError(
        f"The {what} '{target}' is the {read} itself.", hint=f"Write elsewhere with {option}.", code="output_is_input"
    )


def _rejects_of(job: BatchJob, folder: Path) -> Path:
    share = "" if job.shard is None else f".shard-{job.shard.name}"
    return folder.with_name(f"{folder.name}{share}.rejects.ndjson")


def same_file(one: Path, other: Path) -> bool:
    """Tell whether two names lead to one file, by whatever links."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - Path.samefile does the same with more system calls
    except OSError:
        return False
