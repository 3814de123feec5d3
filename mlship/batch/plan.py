"""From what was asked for to what will be done: everything that can be refused is refused here, before any work."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mlship.batch.inputs import Input
from mlship.batch.job import BatchJob
from mlship.errors import InputRefused, OutputFailed, UsageError
from mlship.model.signature import Output, Signature
from mlship.model.tensors import OUTPUT_ARRAYS
from mlship.model.values.codes import Array
from mlship.tables.contract import Source, Wanted
from mlship.tables.dialect import Told

if TYPE_CHECKING:
    from mlship.tables.contract import Kept

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_MOST_NAMES = 40
_NUMBERS = ("float64", "float32", "int64")
ROW, FILE = "row", "file"


@dataclass(frozen=True)
class BatchPlan:
    """What a run will read and write of each row.

    Attributes:
        job: What was asked for.
        signature: The model's columns, by its own names.
        wanted: What is read of each row, by the inputs' names.
        told: What is known of files of text.
        first: The first input, open.
        outputs: The output columns, row numbers first if they are wanted.
        none: The kept columns without rows.
    """

    job: BatchJob
    signature: Signature
    wanted: Wanted
    told: Told
    first: Source
    outputs: tuple[Output, ...]
    none: Kept

    @property
    def no_outputs(self) -> dict[str, Array]:
        """The output columns without rows."""
        return {output.name: np.empty(0, dtype=OUTPUT_ARRAYS[output.dtype]) for output in self.outputs}

    def open(self, place: int) -> Source:
        """Open an input, which has the same columns as the first; that one is given as it was opened before.

        Raises:
            InputRefused: It cannot be read as a table, or has other columns.
            OutputFailed: The system could not read it.
        """
        if place == 0:
            return self.first
        given = self.job.inputs[place]
        source = _opened(given, self.job.chunk_size, self.told)
        try:
            self.check_columns(place, source.columns)
        except InputRefused:
            source.close()
            raise
        return source

    def check_columns(self, place: int, columns: Sequence[str]) -> None:
        """Refuse an input with other columns than the first.

        Raises:
            InputRefused: It lacks some, or has some besides where all are carried along.
        """
        wanted = self.first.columns if self.job.keep == "all" else self.wanted.names
        if not set(wanted) <= set(columns) or (self.job.keep == "all" and len(columns) > len(wanted)):
            raise _other_columns(self.job.inputs[place], columns, self.job.inputs[0], self.first.columns)


def plan(job: BatchJob, signature: Signature, others: Sequence[str] = ()) -> BatchPlan:
    """Work out what a run reads and writes of each row.

    Args:
        job: What was asked for.
        signature: The model's columns.
        others: Columns that another model reads, by the inputs' names.

    Raises:
        UsageError: The options contradict each other or the columns.
        InputRefused: An input cannot be understood, or lacks columns that the model needs.
        OutputFailed: The system could not read an input.
    """
    renamed = _renamed(signature, job.rename)
    _check_texts(job)
    told = _told(job, renamed)
    first = _opened(job.inputs[0], job.chunk_size, told)
    try:
        _check_columns(job.inputs[0], first.columns, renamed)
        keep = _keep(job, first.columns, signature)
        _check_others(job.inputs[0], first.columns, others)
        asked = () if job.actual is None else (_actual(job, first.columns),)
        # what both models read by the same rules is read once
        wanted = Wanted(renamed, keep, (*asked, *others), job.null, all=job.keep == "all")
        none = first.none_of(keep)
    except BaseException:
        first.close()
        raise
    return BatchPlan(job, signature, wanted, told, first, (*_numbers(job), *signature.outputs), none)


def _check_others(given: Input, columns: Sequence[str], others: Sequence[str]) -> None:
    for name in others:
        if name not in columns:
            raise InputRefused(
                f"'{given.name}' lacks the column '{name}', which the model to compare with needs.",
                hint=f"It has: {_listed(columns)}.",
                code="missing_column",
            )


def _check_texts(job: BatchJob) -> None:
    """Refuse what is said of texts where no input is CSV."""
    if any(given.kind.format.texts for given in job.inputs):
        return
    told = job.told
    options = {
        "--null": bool(job.null),
        "--delimiter": told.delimiter is not None,
        "--quote": told.quote is not None,
        "--decimal-comma": told.decimal_comma is not None,
        "--encoding": told.encoding is not None,
        "--no-header": job.no_header,
    }
    option = next((name for name, said in options.items() if said), None)
    if option is not None:
        raise UsageError(
            f"{option} tells how CSV is written, but '{job.inputs[0].name}' is {job.inputs[0].kind.format.name}.",
            hint=f"Leave {option} away.",
        )


def unreadable(given: Input, error: OSError) -> OutputFailed:
    """Return the error for an input that the system does not let us read."""
    return OutputFailed(f"'{given.name}' could not be read: {error.strerror or error}.", hint="Check it with: ls -l")


def _opened(given: Input, chunk_size: int, told: Told) -> Source:
    try:
        return given.open(chunk_size, told)
    except FileNotFoundError:
        raise InputRefused(
            f"There is no input '{given.name}'.", hint="Check the path: ls -l", code="no_input"
        ) from None
    except PermissionError as error:
        raise InputRefused(
            f"'{given.name}' cannot be read: {error.strerror}.", hint="Check its permissions: ls -l"
        ) from error
    except OSError as error:
        raise unreadable(given, error) from error


def _told(job: BatchJob, renamed: Signature) -> Told:
    numbers = frozenset(column.name for column in renamed.inputs if column.dtype in _NUMBERS)
    names = renamed.names if job.no_header else None
    return replace(job.told, names=names, sought=frozenset(renamed.names), numbers=numbers)


def _renamed(signature: Signature, rename: Mapping[str, str]) -> Signature:
    """The signature by the names that the inputs have for its columns."""
    for name in rename:
        if name not in signature.names:
            near = difflib.get_close_matches(name, signature.names, n=1)
            raise UsageError(
                f"--rename names the model's column '{name}', which the model does not have.",
                hint=f"--rename '{near[0]}={rename[name]}'" if near else f"It has: {_listed(signature.names)}.",
            )
    inputs = tuple(replace(column, name=rename.get(column.name, column.name)) for column in signature.inputs)
    names = [column.name for column in inputs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"Two columns of the model would be read from '{twice}'.", hint="Leave one --rename away.")
    return replace(signature, inputs=inputs)


def _numbers(job: BatchJob) -> tuple[Output, ...]:
    if not job.row_numbers:
        return ()
    row = Output(ROW, "int64", "value", ROW)
    return (Output(FILE, "string", "value", FILE), row) if len(job.inputs) > 1 else (row,)


def _actual(job: BatchJob, columns: Sequence[str]) -> str:
    assert job.actual is not None
    if job.actual not in columns:
        near = difflib.get_close_matches(job.actual, columns, n=1)
        raise UsageError(
            f"--actual names the column '{job.actual}', which '{job.inputs[0].name}' does not have.",
            hint=f"Did you mean '{near[0]}'?" if near else f"It has: {_listed(columns)}.",
        )
    return job.actual


def _other_columns(given: Input, columns: Sequence[str], first: Input, wanted: Sequence[str]) -> InputRefused:
    lacks = [name for name in wanted if name not in columns]
    more = [] if lacks else [name for name in columns if name not in wanted]
    parts = [f"lacks {_listed(lacks)}"] * bool(lacks) + [f"has {_listed(more)} besides"] * bool(more)
    return InputRefused(
        f"'{given.name}' has other columns than '{first.name}', before it: it {' and '.join(parts)}.",
        hint="Score it by itself, or name the columns to carry along with --keep in both.",
        code="other_columns",
    )


def _check_columns(given: Input, columns: Sequence[str], signature: Signature) -> None:
    there = set(columns)
    missing = [name for name in signature.names if name not in there]
    if not missing:
        return
    raise InputRefused(
        f"'{given.name}' lacks {_counted(len(missing), 'column')} that the model needs: {_listed(missing)}. "
        f"It has: {_listed(columns)}.",
        hint=_missing_hint(missing, columns),
        code="missing_column",
    )


def _missing_hint(missing: Sequence[str], columns: Sequence[str]) -> str:
    if len(columns) == 1:
        for separator, words in _SEPARATORS.items():
            if separator in columns[0]:
                return f"The file seems to be separated by {words}: --delimiter '{separator}'"
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
            f"--keep names the column '{unknown[0]}', which '{job.inputs[0].name}' does not have.",
            hint=f"Did you mean '{near[0]}'?" if near else f"It has: {_listed(columns)}.",
        )
    clash = {output.name for output in (*_numbers(job), *signature.outputs)} & keep
    if clash:
        left = keep - clash
        rest = [name for name in columns if name in left]
        hint = f"--keep {','.join(rest)}" if 0 < len(rest) <= _MOST_NAMES else "--keep none"
        raise UsageError(
            f"The input has the column '{min(clash)}', and so has the output.",
            hint=f"Leave it out: {hint}",
            code="column_clash",
        )
    return tuple(name for name in columns if name in keep)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_MOST_NAMES])
    return shown + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
