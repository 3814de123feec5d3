"""SimpleImputer, exact in double precision and on strings, with its indicator columns."""

from __future__ import annotations

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


def _transform(ctx: Context, model: SimpleImputer, table: Table) -> Table:
    text = table.text
    if text and model.add_indicator:
        raise ctx.refusal("SimpleImputer with add_indicator on strings is not supported")
    _note(ctx, model, table)
    kept = kept_columns(model)
    taken = table.select(kept)
    if not kept:
        raise ctx.refusal("SimpleImputer that keeps no column is not supported")
    value = taken.texts() if text else taken.numbers()
    filled = where(_is_missing(model, value), _fills(ctx, model, kept, text=text), value)
    out = Table.of(filled, len(kept), lanes=taken.lanes, sparse=table.sparse)
    flagged = flagged_columns(model)
    if not flagged:
        return out
    flags = _is_missing(model, table.select(flagged).numbers()).cast("float64")
    return join([out, Table.of(flags, len(flagged))], sparse=table.sparse)


def _note(ctx: Context, model: SimpleImputer, table: Table) -> None:
    if table.text:
        return
    for column, value in enumerate(np.asarray(model.statistics_, dtype=np.float64).tolist()):
        ctx.typical(table, column, [value])
        if not is_null(model.missing_values):
            ctx.jumps(table, column, [float(model.missing_values)])


def _fills(ctx: Context, model: SimpleImputer, kept: list[int], *, text: bool) -> Any:
    """What null is replaced by in the kept columns, [1, columns]."""
    values = model.statistics_[kept]
    if hasattr(model, "_fill_dtype"):  # from scikit-learn 1.7 on; a model fitted on float32 rounds its means to it
        values = values.astype(model._fill_dtype)
    if not text:
        return values.astype(np.float64).reshape(1, -1)
    if not all(isinstance(value, str) for value in values.tolist()):
        raise ctx.refusal("SimpleImputer that fills texts with numbers is not supported")
    return values.astype(object).reshape(1, -1)


def _is_missing(model: SimpleImputer, value: Expr) -> Expr:
    """A mask [rows, columns] of what the imputer replaces."""
    wanted = model.missing_values
    if value.kind == "string":
        return value.equals(NULL_TEXT if is_null(wanted) else wanted)
    return value.isnan() if is_null(wanted) else value.equals(float(wanted))


def _passes(model: SimpleImputer) -> list[int | None]:
    return [*kept_columns(model), *(None for _ in flagged_columns(model))]


CONVERTERS: Family = {SimpleImputer: Methods(transform=_transform, tells=of_imputer, passes=_passes)}
