"""sklearn.feature_selection: columns are picked, and some models answer from the picked ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import feature_selection

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Answer, Family, Method, Methods
from mlship.export.graph.table import Table


def _kept(model: Any) -> list[int]:
    kept: list[int] = np.flatnonzero(model.get_support()).tolist()
    return kept


def _transform(ctx: Context, model: Any, table: Table) -> Table:
    kept = _kept(model)
    if not kept:
        raise ctx.refusal(f"{type(model).__name__} that keeps no column is not supported")
    return table.select(kept)


def _behind(method: Method) -> Answer:
    """What writes a method of the estimator that was fitted on the picked columns."""

    def write(ctx: Context, model: Any, table: Table) -> Expr:
        return ctx.answer(model.estimator_, method, ctx.transform(model, table), "estimator_")

    return write


_PICKING = Methods(transform=_transform, passes=_kept)
_ANSWERING = Methods(
    transform=_transform,
    predict=_behind("predict"),
    predict_proba=_behind("predict_proba"),
    decision_function=_behind("decision_function"),
    passes=_kept,
)

CONVERTERS: Family = {
    feature_selection.GenericUnivariateSelect: _PICKING,
    feature_selection.RFE: _ANSWERING,
    feature_selection.RFECV: _ANSWERING,
    feature_selection.SelectFdr: _PICKING,
    feature_selection.SelectFpr: _PICKING,
    feature_selection.SelectFromModel: _PICKING,
    feature_selection.SelectFwe: _PICKING,
    feature_selection.SelectKBest: _PICKING,
    feature_selection.SelectPercentile: _PICKING,
    feature_selection.SequentialFeatureSelector: _PICKING,
    feature_selection.VarianceThreshold: _PICKING,
}
