"""sklearn.cross_decomposition: partial least squares and canonical correlations."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_SPREAD = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations around a mean


def _centred(ctx: Context, model: Any, table: Table) -> Expr:
    spreads = np.ravel(model._x_std).tolist()
    for column, (mean, spread) in enumerate(zip(np.ravel(model._x_mean).tolist(), spreads, strict=True)):
        ctx.typical(table, column, [mean + spread * times for times in _SPREAD])
    return table.numbers() - np.float64(model._x_mean)


def _predict(ctx: Context, model: Any, table: Table) -> Expr:
    weights = np.ascontiguousarray(np.float64(model.coef_).T)
    return _centred(ctx, model, table) @ weights + np.float64(model.intercept_).reshape(1, -1)


def _transform(ctx: Context, model: Any, table: Table) -> Table:
    given = model.x_weights_ if isinstance(model, PLSSVD) else model.x_rotations_
    weights = np.asarray(given, dtype=np.float64)
    scores = _centred(ctx, model, table) / np.float64(model._x_std) @ np.ascontiguousarray(weights)
    return Table.of(scores, weights.shape[1])


CONVERTERS: Family = {
    **dict.fromkeys((CCA, PLSCanonical, PLSRegression), Methods(predict=_predict, transform=_transform)),
    PLSSVD: Methods(transform=_transform),
}
