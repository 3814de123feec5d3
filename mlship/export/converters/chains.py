"""sklearn.multioutput: an estimator for each target, beside each other or in a chain."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain

from mlship.export.converters.responses import response, step_of
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Answer, Family, Method, Methods
from mlship.export.graph.table import Table, join


def _inner(model: Any) -> list[Any]:
    return list(model.estimators_)


def _beside(method: Method) -> Answer:
    """What writes a method of each target's estimator, one after the other."""

    def write(ctx: Context, model: Any, table: Table) -> Expr:
        return concat([ctx.answer(item, method, table, step_of(at)) for at, item in enumerate(model.estimators_)])

    return write


def _chained(method: Method) -> Answer:
    """What writes a method of a chain, whose members are given what those before them answered."""

    def write(ctx: Context, model: Any, table: Table) -> Expr:
        link: Method = getattr(model, "chain_method_", "predict")  # regressors, and scikit-learn before 1.5, have none
        if link not in ("predict", "predict_proba", "decision_function"):
            raise ctx.refusal(f"{type(model).__name__} with chain_method='{link}' is not supported")
        answers, given = [], table
        for at, item in enumerate(model.estimators_):
            answers.append(_answered(ctx, item, method, given, step_of(at)))
            if at < len(model.estimators_) - 1:
                given = join([given, Table.of(response(ctx, item, (link,), given, step_of(at))[0], 1)])
        return concat([answers[place] for place in np.argsort(model.order_).tolist()])

    return write


def _answered(ctx: Context, item: Any, method: Method, given: Table, step: str) -> Expr:
    """A member's answer; classes as places among them, as of any classifier."""
    if method == "predict":
        return ctx.answer(item, method, given, step)
    if len(item.classes_) != 2:
        raise ctx.refusal(f"{step}: {method} of a chain over other than two classes is not supported")
    return response(ctx, item, (method,), given, step)[0]


CONVERTERS: Family = {
    MultiOutputClassifier: Methods(predict=_beside("predict"), predict_proba=_beside("predict_proba"), inner=_inner),
    MultiOutputRegressor: Methods(predict=_beside("predict"), inner=_inner),
    ClassifierChain: Methods(
        predict=_chained("predict"),
        predict_proba=_chained("predict_proba"),
        decision_function=_chained("decision_function"),
    ),
    RegressorChain: Methods(predict=_chained("predict")),
}
