"""From what was asked for to what will be done: everything that can be refused is refused here, before any work."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlship.batch.job import BatchJob
from mlship.batch.work import FileState, WorkFolder, same_file
from mlship.errors import InputRefused, OutputFailed, UsageError
from mlship.model.signature import Signature
from mlship.tables.contract import Source
from mlship.tables.registry import Format, by_name, by_suffix, of_input, open_source

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_MOST_NAMES = 40


@dataclass(frozen=True)
class BatchPlan:
    """What a run will do.

    Attributes:
        job: What was asked for.
        source: The input, open.
        input_state: The input as it was before it was opened.
        output: The file to write.
        rejects: The file that tells of rejected rows.
        format: The output's format.
        keep: The input columns carried along, in the input's order.
        needed: All columns to read.
        work: The work folder beside the output.
    """

    job: BatchJob
    source: Source
    input_state: FileState
    output: Path
    rejects: Path
    format: Format
    keep: tuple[str, ...]
    needed: tuple[str, ...]
    work: WorkFolder


def plan(job: BatchJob, model: Path, signature: Signature) -> BatchPlan:
    """Work out a run.

    Args:
        job: What was asked for.
        model: The model's file, which the output must not replace.
        signature: The model's columns.

    Raises:
        UsageError: The options contradict each other or the columns, or the output must not be replaced.
        InputRefused: The input is absent, cannot be understood, or lacks columns that the model needs.
        OutputFailed: The output's folder is not there, or something cannot be read.
    """
    try:
        kind = _input_format(job.input)
    except OSError as error:
        raise unreadable(job.input, error) from error
    if job.null and not kind.texts:
        raise UsageError(
            f"--null says which texts mean null, but '{job.input}' is {kind.name}, whose values have types.",
            hint="Leave --null away.",
        )
    output, output_kind = _output(job, kind)
    rejects = output.with_name(f"{output.stem}.rejects.ndjson")
    work = WorkFolder(output, rejects)
    try:
        _check_output(job, model, output)
        work.check(overwrite=job.overwrite)
    except OSError as error:
        raise OutputFailed(f"'{output}' cannot be looked at: {error.strerror or error}.") from error
    state = FileState.of(job.input)
    try:
        source = open_source(kind, job.input, job.chunk_size)
    except OSError as error:
        raise unreadable(job.input, error) from error
    if state is None or state != FileState.of(job.input):
        raise changed(job.input)
    _check_columns(job.input, source.columns, signature)
    keep = _keep(job, source.columns, signature)
    wanted = {*keep, *signature.names}
    needed = tuple(name for name in source.columns if name in wanted)
    return BatchPlan(job, source, state, output, rejects, output_kind, keep, needed, work)


def changed(path: Path) -> InputRefused:
    """Return the error for an input that changed while it was read."""
    return InputRefused(
        f"'{path}' changed while it was read, so that nothing was written.",
        hint="Run the command again when nothing writes to the file.",
        code="input_changed",
    )


def unreadable(path: Path, error: OSError) -> InputRefused:
    """Return the error for an input that the system does not let us read."""
    return InputRefused(
        f"'{path}' cannot be read: {error.strerror or error}.", hint="Check the path and its permissions: ls -l"
    )


def _input_format(path: Path) -> Format:
    if not path.exists():
        raise InputRefused(f"There is no input '{path}'.", hint="Check the path: ls -l", code="no_input")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file"
        raise InputRefused(f"The input '{path}' is {what}; a file was expected.", hint="Name one file.", code="no_file")
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"The input's name {os.fsencode(path)!r} is not in UTF-8.", hint="Rename the file.", code="bad_name"
        ) from None
    return of_input(path)


def _output(job: BatchJob, kind: Format) -> tuple[Path, Format]:
    """The output's path and format."""
    wanted = by_name(job.format) if job.format is not None else None
    if job.output is None:
        wanted = wanted or kind
        suffix = job.input.suffix if wanted is kind else wanted.suffixes[0]
        return job.input.with_name(f"{job.input.stem}.scored{suffix}"), wanted
    told = by_suffix(job.output)
    if wanted is None and told is None:
        raise UsageError(
            f"The output '{job.output}' has a name from which its format cannot be told.",
            hint=f"Say it: --format {kind.name}",
        )
    if wanted is not None and told is not None and wanted is not told:
        raise UsageError(
            f"The output '{job.output}' has a name of {told.name}, but --format says {wanted.name}.",
            hint=f"Leave --format away, or end the name in {wanted.suffixes[0]}.",
        )
    chosen = wanted or told
    assert chosen is not None
    return job.output, chosen


def _check_output(job: BatchJob, model: Path, output: Path) -> None:
    for path, what in ((job.input, "input"), (model, "model")):
        if same_file(path, output):
            raise UsageError(
                f"The output '{output}' is the {what} '{path}' itself.",
                hint="Write elsewhere with -o.",
                code="output_is_input",
            )
    if output.exists() and not output.is_file():
        what = "a folder" if output.is_dir() else "no regular file"
        raise UsageError(f"The output '{output}' is {what}; a file was expected.", hint="Name a file with -o.")
    if not output.parent.is_dir():
        raise OutputFailed(
            f"'{output}' cannot be written: there is no folder '{output.parent}'.",
            hint=f"Make the folder first: mkdir -p '{output.parent}'",
        )


def _check_columns(path: Path, columns: Sequence[str], signature: Signature) -> None:
    there = set(columns)
    missing = [name for name in signature.names if name not in there]
    if not missing:
        return
    raise InputRefused(
        f"'{path}' lacks {_counted(len(missing), 'column')} that the model needs: {_listed(missing)}. "
        f"It has: {_listed(columns)}.",
        hint=_missing_hint(missing, columns),
        code="missing_column",
    )


def _missing_hint(missing: Sequence[str], columns: Sequence[str]) -> str:
    if len(columns) == 1:
        for separator, words in _SEPARATORS.items():
            if separator in columns[0]:
                return f"The file seems to be separated by {words}; write it with commas."
    folded = {name.strip().casefold(): name for name in columns}
    for name in missing:
        near = difflib.get_close_matches(name.strip().casefold(), folded, n=1)
        if near:
            return f"Rename the column '{folded[near[0]]}' to '{name}' if it is the one."
    return "Check that the file is the one meant for this model."


def _keep(job: BatchJob, columns: Sequence[str], signature: Signature) -> tuple[str, ...]:
    """The kept columns in the input's order."""
    if job.keep == "none":
        return ()
    there = set(columns)
    keep = there if job.keep == "all" else set(job.keep)
    unknown = [name for name in job.keep if name not in there] if job.keep != "all" else []
    if unknown:
        near = difflib.get_close_matches(unknown[0], columns, n=1)
        raise UsageError(
            f"--keep names the column '{unknown[0]}', which '{job.input}' does not have.",
            hint=f"Did you mean '{near[0]}'?" if near else f"It has: {_listed(columns)}.",
        )
    clash = {output.name for output in signature.outputs} & keep
    if clash:
        left = keep - clash
        rest = [name for name in columns if name in left]
        hint = f"--keep {','.join(rest)}" if 0 < len(rest) <= _MOST_NAMES else "--keep none"
        raise UsageError(
            f"The input has the column '{min(clash)}', and so has the model's output.",
            hint=f"Leave it out: {hint}",
            code="column_clash",
        )
    return tuple(name for name in columns if name in keep)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_MOST_NAMES])
    return shown + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
