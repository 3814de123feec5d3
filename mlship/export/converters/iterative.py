"""MissingIndicator, and IterativeImputer: a chain of estimators, each of which fills in one column from the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  without it there is no IterativeImputer
from sklearn.impute import IterativeImputer, MissingIndicator

from mlship.export.converters.imputer import is_missing, missing_flags, note_marker
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table, join
from mlship.export.known import of_marker


def _indicated(ctx: Context, model: MissingIndicator, table: Table) -> Table:
    """`transform`, sklearn/impute/_base.py; nulls that it refuses the signature refuses."""
    note_marker(ctx, model, table)
    features = range(table.width) if model.features == "all" else map(int, model.features_)
    flags = missing_flags(model.missing_values, table.select(list(features)))
    return flags.with_sparse(sparse=model.sparse is True or (model.sparse == "auto" and table.sparse))


def _imputed(ctx: Context, model: IterativeImputer, table: Table) -> Table:
    """`transform`, sklearn/impute/_iterative.py.

    Of rows that have no value at all it keeps the first guess if there are no others beside them. Here a row is
    answered as it is among others.
    """
    if model.sample_posterior:
        raise ctx.refusal(
            "IterativeImputer with sample_posterior draws numbers at random, which is not supported",
            hint="IterativeImputer with sample_posterior=False is supported.",
        )
    note_marker(ctx, model, table)
    first = ctx.transform(model.initial_imputer_, table, "initial_imputer_")
    empty = np.asarray(model._is_empty_feature, dtype=np.bool_)
    kept = np.flatnonzero(~empty | model.keep_empty_features)
    missing = is_missing(model.missing_values, table.select(kept.tolist()).numbers())
    if empty[kept].any():
        missing = missing & ctx.constant(~empty[kept][None, :], "bool")
    value = first.numbers()
    for turn in range(len(model.imputation_sequence_) if model.n_iter_ else 0):
        value = _turn(ctx, model, turn, value, missing)
    out = Table.of(value, len(kept), lanes=first.lanes)
    if not model.add_indicator:
        return out
    flags = missing_flags(model.missing_values, table.select(list(map(int, model.indicator_.features_))))
    return join([out, flags])


def _turn(ctx: Context, model: IterativeImputer, turn: int, value: Expr, missing: Expr) -> Expr:
    """One estimator's turn: the rows in which one column is missing get its prediction."""
    column, others, estimator = model.imputation_sequence_[turn]
    width = len(model._min_value)
    given = Table.of(value.columns([int(place) for place in others]), len(others))
    guess = ctx.answer(estimator, "predict", given, f"imputation_sequence_[{turn}]")
    low, high = float(model._min_value[column]), float(model._max_value[column])
    guess = guess if np.isneginf(low) else guess.maximum(low)
    guess = guess if np.isposinf(high) else guess.minimum(high)
    here = missing & ctx.constant((np.arange(width) == column)[None, :], "bool")
    return where(here, guess, value)


def _passes(model: Any) -> list[int | None]:
    empty = np.asarray(model._is_empty_feature, dtype=np.bool_)
    kept = np.flatnonzero(~empty | model.keep_empty_features).tolist()
    return [*map(int, kept), *(None for _ in (model.indicator_.features_ if model.add_indicator else []))]


def _none_passes(model: MissingIndicator) -> list[int | None]:
    return [None] * int(model._n_features if model.features == "all" else len(model.features_))


CONVERTERS: Family = {
    IterativeImputer: Methods(transform=_imputed, tells=of_marker, passes=_passes),
    MissingIndicator: Methods(transform=_indicated, tells=of_marker, passes=_none_passes),
}
