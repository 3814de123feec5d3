"""Columns of texts become the model's columns: numbers by Polars, everything else by `model.values.text`.

`model.values.text` says what a text means. Polars reads numbers many times faster and gives the same bits,
but knows neither null tokens nor reason codes; so whatever it cannot read, and whatever it reads as no finite
number, goes to `model.values.text`, each distinct text once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlship.model.signature import Column, Signature
from mlship.model.values.codes import Array, CellError, Coerced, Refused, array_dtype
from mlship.model.values.rules import Reading, collect, finish
from mlship.model.values.text import parse_float, read_column

NUMBERS: dict[str, type[pl.DataType]] = {"float64": pl.Float64, "float32": pl.Float64, "int64": pl.Int64}


@dataclass(frozen=True)
class _Task:
    """One column to read, and the texts that mean null."""

    signature: Signature
    column: Column
    null: tuple[str, ...]
    numeric_tokens: frozenset[str]


def read_frame(signature: Signature, frame: pl.DataFrame, null: tuple[str, ...]) -> Coerced:
    """Read the model's columns out of a frame of texts, in which null stands for the empty text.

    Args:
        signature: The columns wanted, all of which the frame has.
        frame: Columns of String, or of Float64 where all texts were such numbers or null (`tables.csv_typed`).
        null: Further texts that mean null.
    """
    numbers = _cast(signature, frame)
    tokens = _numbers_among((*signature.null_tokens, *null))
    parts = []
    for column in signature.inputs:
        texts = frame.get_column(column.name)
        if texts.dtype == pl.Float64:
            found = _finished(signature, column, texts)
        elif column.dtype in NUMBERS:
            found = _read_numbers(_Task(signature, column, null, tokens), numbers[column.name], texts)
        else:
            found = _read_distinct(_Task(signature, column, null, tokens), texts)
        parts.append((column, *found))
    return collect(signature, frame.height, parts)


def numeric_tokens(signature: Signature, column: Column, null: tuple[str, ...]) -> frozenset[str]:
    """Return the texts that are numbers to any reader and mean null in a column."""
    numbers = _numbers_among((*signature.null_tokens, *null))
    return numbers & signature.null_tokens_of(column, null) if numbers else numbers


@lru_cache(maxsize=16)
def _numbers_among(tokens: tuple[str, ...]) -> frozenset[str]:
    return frozenset(token for token in tokens if _is_number(token))


def _finished(signature: Signature, column: Column, numbers: pl.Series) -> tuple[Array, list[CellError]]:
    """Apply the rules to numbers that were read before."""
    nulls = numbers.is_null().to_numpy() if numbers.null_count() else np.zeros(len(numbers), dtype=np.bool_)
    values = (numbers.fill_null(0) if numbers.null_count() else numbers).to_numpy()
    return finish(column, Reading(values, nulls), signature.tensor_dtypes[column.tensor])


def _cast(signature: Signature, frame: pl.DataFrame) -> dict[str, pl.Series]:
    """Return the numeric columns as Polars reads them, all at once, null where it cannot."""
    wanted = [
        column
        for column in signature.inputs
        if column.dtype in NUMBERS and frame.get_column(column.name).dtype == pl.String
    ]
    if not wanted:
        return {}
    # under other names, because those of users may be patterns to Polars, such as `*`
    texts = pl.DataFrame([frame.get_column(column.name).alias(str(place)) for place, column in enumerate(wanted)])
    casts = (pl.col(str(place)).cast(NUMBERS[column.dtype], strict=False) for place, column in enumerate(wanted))
    numbers = texts.select(casts).get_columns()
    return {column.name: series for column, series in zip(wanted, numbers, strict=True)}


def _read_numbers(task: _Task, numbers: pl.Series, texts: pl.Series) -> tuple[Array, list[CellError]]:
    """Take the numbers that are certain, and have the other texts read one by one."""
    column = task.column
    tensor_dtype = task.signature.tensor_dtypes[column.tensor]
    if column.dtype == "int64" and numbers.null_count():  # pandas writes whole numbers as 3.0 when some are missing
        numbers = numbers.fill_null(texts.str.strip_suffix(".0").cast(pl.Int64, strict=False))
    missing = numbers.is_null().to_numpy() if numbers.null_count() else None
    values = (numbers if missing is None else numbers.fill_null(0)).to_numpy()
    doubtful = _doubtful(task, values, texts)
    if missing is not None:
        doubtful |= missing
    if not doubtful.any():
        return finish(column, Reading(values, doubtful), tensor_dtype)
    sure, unsure = np.flatnonzero(~doubtful), np.flatnonzero(doubtful)
    out = np.empty(len(values), dtype=array_dtype(column))
    out[sure], errors = finish(column, Reading(values[sure], doubtful[sure]), tensor_dtype)
    out[unsure], more = _read_distinct(task, texts.gather(unsure))
    return out, [
        *(replace(error, row=int(sure[error.row])) for error in errors),
        *(replace(error, row=int(unsure[error.row])) for error in more),
    ]


def _doubtful(task: _Task, values: Any, texts: pl.Series) -> NDArray[np.bool_]:
    """A mask of the numbers of which only `model.values.text` can say what they are."""
    if task.column.dtype == "float32":  # by way of float64, as everywhere; a number past float32 is refused
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
    doubtful: NDArray[np.bool_] = ~np.isfinite(values)
    tokens = task.numeric_tokens & task.signature.null_tokens_of(task.column, task.null) if task.numeric_tokens else ()
    if tokens:
        doubtful |= texts.is_in(list(tokens)).fill_null(value=False).to_numpy()
    return doubtful


def _is_number(text: str) -> bool:
    try:
        parse_float(text)
    except Refused:
        return False
    return True


def _read_distinct(task: _Task, texts: pl.Series) -> tuple[Array, list[CellError]]:
    """Have each distinct text read once: what a text means does not depend on its row."""
    texts = texts.fill_null("")
    distinct = texts.unique()
    values, refused = read_column(task.signature, task.column, distinct.to_list(), len(distinct), task.null)
    if not len(texts):
        return values, []
    places = texts.replace_strict(distinct, pl.int_range(len(distinct), dtype=pl.UInt32, eager=True)).to_numpy()
    by_place = {error.row: error for error in refused}
    rows = np.flatnonzero(np.isin(places, list(by_place)))
    return values[places], [replace(by_place[int(places[row])], row=int(row)) for row in rows]
