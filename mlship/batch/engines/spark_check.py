"""What is refused before Spark is started, and what has to add up when it has ended."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from mlship.batch.choose import STDOUT, check_output_apart
from mlship.batch.engines.spark_inputs import inside, is_uri
from mlship.batch.engines.spark_work import Counted, Work
from mlship.batch.job import BatchJob
from mlship.errors import InputRefused, OutputFailed, UsageError
from mlship.tables.registry import Kind

_READ = ("csv", "tsv", "ndjson", "parquet")


def check_kinds(job: BatchJob) -> None:
    """Refuse inputs that Spark does not read, or not together.

    Raises:
        UsageError: There is one.
    """
    first = job.inputs[0].kind.format.name
    paths = [given.name if given.path is None else os.path.abspath(given.path) for given in job.inputs]  # noqa: PTH100
    twice = next((path for path, times in Counter(paths).items() if times > 1), None)
    if twice is not None:
        raise UsageError(f"The input '{twice}' is named in two ways.", hint="Name each file once.")
    for given in job.inputs:
        if given.piped:
            raise UsageError("Spark cannot read standard input.", hint="Name a file, or use --engine local.")
        if given.path is not None and given.path.name.startswith(("_", ".")):
            raise UsageError(f"Spark passes over '{given.name}', as its name is a hidden one.", hint="Rename the file.")
        name = given.kind.format.name
        if name not in _READ or given.kind.packing == "zst":
            what = name if given.kind.packing is None else f"{name} packed by Zstandard"
            raise UsageError(
                f"'{given.name}' is {what}, which Spark does not read.", hint="Score it with: --engine local"
            )
        if name != first:
            raise UsageError(
                f"'{given.name}' is {name}, but '{job.inputs[0].name}' is {first}; Spark reads one format at a time.",
                hint="Give the files of each format an output of their own.",
            )


def check_kind(kind: Kind) -> None:
    """Refuse an output that Spark does not write.

    Raises:
        UsageError: It is one.
    """
    if kind.format.name not in _READ:
        raise UsageError(f"Spark writes no {kind.format.name}.", hint="--format parquet")


def check_output(job: BatchJob) -> str:
    """Return the folder that is to be written, a path or a URI.

    Raises:
        UsageError: No folder was named, or an input lies in it.
        OutputFailed: Its own folder is not there.
    """
    name = job.output
    if name is None or name == STDOUT or not name.endswith("/"):
        raise UsageError(
            "Spark writes a folder of parts, and "
            + ("no output is named." if name is None else f"'{name}' names none."),
            hint="End the name in a slash: -o scored/",
        )
    if is_uri(name):
        check_output_apart(name, job.inputs, lambda given, folder: inside(given.name, folder) is not None)
        return name
    name = "/" + name.removeprefix("file:").lstrip("/") if name.startswith("file:/") else name
    path = Path(name)
    if not path.parent.is_dir():
        raise OutputFailed(
            f"'{path}' cannot be written: there is no folder '{path.parent}'.",
            hint=f"Make the folder first: mkdir -p '{path.parent}'",
        )
    check_output_apart(name, job.inputs)
    return name


def check_unchanged(job: BatchJob) -> None:
    """Refuse inputs that are others than before.

    Raises:
        InputRefused: One changed.
    """
    for given in job.inputs:
        if given.now() != given.state:
            raise InputRefused(
                f"'{given.name}' changed while it was read, so that nothing was written.",
                hint="Run the command again when nothing writes to the file.",
                code="input_changed",
            )


def check_counts(counted: Counted, work: Work, rows: dict[int, int]) -> None:
    """Compare what tasks counted with what is known of the inputs by another way.

    Args:
        counted: What tasks counted.
        work: What they were given.
        rows: The rows of each input of typed columns, by its place.

    Raises:
        OutputFailed: Something is missing, or there twice.
    """
    tally = counted.tally
    if tally.read != tally.written + tally.rejected or tally.read != sum(tally.of_input.values()):
        raise _lost(f"{tally.read:,} rows in, {tally.written:,} out, {tally.rejected:,} rejected")
    for place, given in enumerate(work.job.inputs):
        if work.reading == "typed":
            if place in rows and counted.lines[place] != rows[place]:
                raise _lost(f"'{given.name}' has {rows[place]:,} rows, and {counted.lines[place]:,} came to Spark")
            continue
        if counted.begun[place] != 1:
            raise _lost(f"the beginning of '{given.name}' came {counted.begun[place]} times to Spark")
        size = given.state.get("size")
        if size is None or given.kind.packing:
            continue
        # Lines come with a line feed each, also the last one; a mark before the first one may be left away.
        allowed = {size} if work.reading == "files" else {size, size + 1, size - 3, size - 2}
        if counted.taken[place] not in allowed:
            raise _lost(f"'{given.name}' has {size:,} bytes, and {counted.taken[place]:,} came to Spark")


def _lost(what: str) -> OutputFailed:
    return OutputFailed(
        f"Rows do not add up, so that nothing was written: {what}.", hint="Run the command again.", code="rows_lost"
    )
