"""sklearn.dummy: the same answer for every row; those that are drawn at random are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor

from mlship.export.converters.responses import repeat
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _targets(model: DummyClassifier) -> list[tuple[Any, Any, Any]]:
    """The classes, their shares and the constant of each target."""
    if model.n_outputs_ == 1:
        return [(model.classes_, model.class_prior_, np.ravel([model.constant])[0])]
    constants = [None] * model.n_outputs_ if model.constant is None else np.ravel(model.constant).tolist()
    return list(zip(model.classes_, model.class_prior_, constants, strict=True))


def _place(model: DummyClassifier, classes: Any, prior: Any, constant: Any) -> int:
    if model._strategy == "constant":
        return int(np.flatnonzero(np.asarray(classes) == constant)[0])
    return int(np.argmax(prior))


def _check(ctx: Context, model: DummyClassifier) -> None:
    if model._strategy in ("stratified", "uniform"):
        raise ctx.refusal(
            f"DummyClassifier with strategy='{model._strategy}' answers at random, which is not supported",
            hint="Its strategies 'prior', 'most_frequent' and 'constant' are supported.",
        )
    if model.sparse_output_:
        raise ctx.refusal("DummyClassifier of a sparse target is not supported")


def _class(ctx: Context, model: DummyClassifier, table: Table) -> Expr:
    _check(ctx, model)
    return repeat(ctx, table, [_place(model, *target) for target in _targets(model)]).cast("int64")


def _shares(ctx: Context, model: DummyClassifier, table: Table) -> Expr:
    _check(ctx, model)
    rows = []
    for classes, prior, constant in _targets(model):
        certain = np.zeros(len(classes))
        certain[_place(model, classes, prior, constant)] = 1.0
        rows.append(prior if model._strategy == "prior" else certain)
    return repeat(ctx, table, np.hstack(rows))


def _number(ctx: Context, model: DummyRegressor, table: Table) -> Expr:
    return repeat(ctx, table, np.broadcast_to(np.ravel(model.constant_), (model.n_outputs_,)))


CONVERTERS: Family = {
    DummyClassifier: Methods(predict=_class, predict_proba=_shares),
    DummyRegressor: Methods(predict=_number),
}
