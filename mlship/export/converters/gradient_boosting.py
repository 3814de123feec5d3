"""Gradient boosting, exact in double precision: learning_rate times each leaf is added to the first guess.

Source: sklearn.ensemble._gradient_boosting.predict_stages, and _gb._init_raw_predictions for the first guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from mlship.export.converters.grown import Grove
from mlship.export.converters.labels import positive, two
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_EPSILON = float(np.finfo(np.float64).eps)
_BY_CHANCE = ("stratified", "uniform")


def _raw(ctx: Context, model: Any, table: Table) -> Expr:
    """The sums, [rows, 1] or [rows, classes]."""
    targets = model.estimators_.shape[1]
    constant = _is_constant(model.init_)
    grove = Grove(ctx, table, targets)
    if constant:
        start = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))
        for target, value in enumerate(np.ravel(start).tolist()):
            grove.add_constant(target, value)
    for stage in model.estimators_:
        for target, member in enumerate(stage):
            tree = member.tree_
            grove.add(tree, model.learning_rate * tree.value[:, 0, :1], first=target)
    return grove.sums() if constant else _guess(ctx, model, table) + grove.sums()


def _is_constant(init: Any) -> bool:
    """Tell whether the first guess is the same for every row."""
    if isinstance(init, str):
        return init == "zero"
    return type(init) in (DummyClassifier, DummyRegressor) and init.strategy not in _BY_CHANCE


def _guess(ctx: Context, model: Any, table: Table) -> Expr:
    """What an estimator of the user's own says, which is given rows of float32, on the scale of the sums."""
    init = model.init_
    if any(getattr(value, "dtype", None) == np.float32 for value in vars(init).values()):
        raise ctx.refusal(
            f"{type(model).__name__} that starts from {type(init).__name__}, which computes in float32 on the rows "
            "that it is given, is not supported",
            hint="A DecisionTree, a RandomForest, a DummyRegressor or 'zero' to start from is.",
        )
    rows = Table.of(table.numbers().cast("float32").cast("float64"), table.width, lanes=table.lanes)
    if not is_classifier(model):
        return ctx.answer(init, "predict", rows, "init_")
    shares = ctx.answer(init, "predict_proba", rows, "init_").maximum(_EPSILON).minimum(1.0 - _EPSILON)
    if len(model.classes_) > 2:
        return (shares / shares.log().mean().exp()).log()  # sklearn._loss.link.MultinomialLogit
    second = shares.columns([1])
    logit = (second / (1.0 - second)).log()
    return logit * 0.5 if model.loss == "exponential" else logit  # HalfLogitLink


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    raw = ctx.answer(model, "decision_function", table)
    if len(model.classes_) > 2:
        return raw.softmax()
    # scikit-learn's exponential loss has the link logit(p) = 2 raw (sklearn._loss.loss.ExponentialLoss)
    return two((raw * 2.0 if model.loss == "exponential" else raw).sigmoid())


def _class(ctx: Context, model: Any, table: Table) -> Expr:
    raw = ctx.answer(model, "decision_function", table)
    return raw.argmax() if len(model.classes_) > 2 else positive(raw, at_zero=True)


CONVERTERS: Family = {
    GradientBoostingClassifier: Methods(predict=_class, predict_proba=_shares, decision_function=_raw),
    GradientBoostingRegressor: Methods(predict=_raw),
}
