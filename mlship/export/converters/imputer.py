"""SimpleImputer, exact in double precision and on texts, with its indicator columns."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table, join
from mlship.export.known import is_null, of_imputer
from mlship.model.signature import NULL_TEXT


def kept_columns(model: SimpleImputer) -> list[int]:
    """Return the positions of the columns that come out: one that was all null in training is dropped if not kept."""
    every = range(len(model.statistics_))
    return [index for index in every if model.keep_empty_features or not is_null(model.statistics_[index])]


def flagged_columns(model: SimpleImputer) -> list[int]:
    """Return the positions of the columns for which a flag comes out, after all others."""
    return list(map(int, model.indicator_.features_)) if model.add_indicator else []


def is_missing(wanted: Any, value: Expr) -> Expr:
    """Return a mask [rows, columns] of what an imputer takes for missing.

    Args:
        wanted: Its `missing_values`.
        value: Columns of one kind, texts or numbers.
    """
    if value.kind == "string":
        if not is_null(wanted) and not isinstance(wanted, str):
            return value.equals(NULL_TEXT) & ~value.equals(NULL_TEXT)  # no text is a number
        return value.equals(NULL_TEXT if is_null(wanted) else wanted)
    if isinstance(wanted, str):
        return value.isnan() & ~value.isnan()
    return value.isnan() if is_null(wanted) else value.equals(float(wanted))


def missing_flags(wanted: Any, table: Table) -> Table:
    """Return a column of zeros and ones for each column of a table: whether it is missing."""
    parts = [
        Table.of(is_missing(wanted, part.texts() if part.text else part.numbers()).cast("float64"), part.width)
        for part in _of_one_kind(table)
    ]
    return join(parts)


def note_marker(ctx: Context, model: Any, table: Table) -> None:
    """Note the number that an imputer takes for missing."""
    wanted = model.missing_values
    if not is_null(wanted) and not isinstance(wanted, str):
        for column in range(table.width):
            ctx.jumps(table, column, [float(wanted)])


def _of_one_kind(table: Table) -> list[Table]:
    """The table cut into neighbours that are all texts or all numbers."""
    runs = groupby(range(table.width), key=lambda place: table.cells[place].text)
    return [table.select(list(places)) for _, places in runs]


def _transform(ctx: Context, model: SimpleImputer, table: Table) -> Table:
    note_marker(ctx, model, table)
    for column, value in enumerate(model.statistics_.tolist()):
        if not isinstance(value, str) and not is_null(value):
            ctx.typical(table, column, [float(value)])
    kept = kept_columns(model)
    if not kept:
        raise ctx.refusal("SimpleImputer that keeps no column is not supported")
    values = model.statistics_[kept]
    if hasattr(model, "_fill_dtype"):  # from scikit-learn 1.7 on; a model fitted on float32 rounds its means to it
        values = values.astype(model._fill_dtype)
    parts, begin = [], 0
    for part in _of_one_kind(table.select(kept)):
        parts.append(_filled(ctx, model, part, values[begin : begin + part.width]))
        begin += part.width
    flags = missing_flags(model.missing_values, table.select(flagged_columns(model)))
    return join([*parts, flags], sparse=table.sparse)


def _filled(ctx: Context, model: SimpleImputer, table: Table, fills: Any) -> Table:
    """Columns of one kind with what is missing replaced."""
    if any(isinstance(fill, str) != table.text for fill in fills.tolist() if not is_null(fill)):
        raise ctx.refusal(
            f"SimpleImputer that fills {'texts with numbers' if table.text else 'numbers with texts'} is not supported"
        )
    value = table.texts() if table.text else table.numbers()
    if table.text:
        fills = np.array([NULL_TEXT if is_null(fill) else fill for fill in fills.tolist()], dtype=object)
    else:
        fills = fills.astype(np.float64)
    filled = where(is_missing(model.missing_values, value), fills.reshape(1, -1), value)
    return Table.of(filled, table.width, lanes=table.lanes)


def _passes(model: SimpleImputer) -> list[int | None]:
    return [*kept_columns(model), *(None for _ in flagged_columns(model))]


CONVERTERS: Family = {SimpleImputer: Methods(transform=_transform, tells=of_imputer, passes=_passes)}
