"""AdaBoost: votes of classifiers by weight, and the weighted median of regressors.

Source: sklearn.ensemble._weight_boosting, whose order of addition is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from mlship.export.converters.grown import Grove
from mlship.export.converters.labels import positive
from mlship.export.converters.responses import repeat, step_of
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_TREES = (DecisionTreeClassifier, ExtraTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor)


def _are_trees(model: Any) -> bool:
    return all(type(member) in _TREES for member in model.estimators_)


def _votes(model: Any, member: Any, weight: float) -> NDArray[np.float64]:
    """What each class that a member can predict adds to each class, [classes of the member, classes]."""
    count = len(model.classes_)
    same = np.asarray(member.classes_)[:, None] == np.asarray(model.classes_)[None, :]
    votes: NDArray[np.float64] = np.where(same, weight, -1 / (count - 1) * weight)
    return votes


def _decision(ctx: Context, model: Any, table: Table) -> Expr:
    if getattr(model, "algorithm", "SAMME") == "SAMME.R":
        raise ctx.refusal("AdaBoostClassifier with algorithm='SAMME.R' is not supported", hint="Fit it with 'SAMME'.")
    count = len(model.classes_)
    if count == 1:
        return repeat(ctx, table, [0.0])
    sums = _sums(ctx, model, table) / float(model.estimator_weights_.sum())
    return sums.columns([1]) - sums.columns([0]) if count == 2 else sums


def _sums(ctx: Context, model: Any, table: Table) -> Expr:
    """The votes, [rows, classes]."""
    pairs = list(zip(model.estimators_, model.estimator_weights_.tolist(), strict=False))
    if _are_trees(model):
        grove = Grove(ctx, table, len(model.classes_))
        for member, weight in pairs:
            grove.add(member.tree_, _votes(model, member, weight)[member.tree_.value[:, 0].argmax(axis=1)])
        return grove.sums()
    total: Expr | None = None
    for place, (member, weight) in enumerate(pairs):
        label = ctx.answer(member, "predict", table, step_of(place))
        votes = ctx.constant(_votes(model, member, weight)).rows_of(label.squeeze(1))
        total = votes if total is None else total + votes
    assert total is not None
    return total


def _class(ctx: Context, model: Any, table: Table) -> Expr:
    scores = ctx.answer(model, "decision_function", table)
    return positive(scores) if len(model.classes_) == 2 else scores.argmax()


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    count = len(model.classes_)
    if count == 1:
        return repeat(ctx, table, [1.0])
    scores = ctx.answer(model, "decision_function", table)
    if count == 2:
        return (concat([-scores, scores]) / 2.0).softmax()
    return (scores / float(count - 1)).softmax()


def _median(ctx: Context, model: Any, table: Table) -> Expr:
    """The first of the sorted predictions up to which half of all weight lies."""
    count = len(model.estimators_)
    given = _predictions(ctx, model, table)
    if count == 1:
        return given
    most = ctx.constant([count], "int64")
    names = ctx.graph.nodes("TopK", [given.name, most.name], outputs=2, axis=1, largest=0, sorted=1)
    values, places = Expr(ctx.graph, names[0]), Expr(ctx.graph, names[1], "int64")
    weights = ctx.constant(np.asarray(model.estimator_weights_[:count], dtype=np.float64)).rows_of(places)
    reached = weights.op("CumSum", ctx.constant(1, "int64"))
    half = reached.columns([count - 1]) * 0.5
    first = (reached >= half).cast("float64").argmax()
    return values.op("GatherElements", first, axis=1)


def _predictions(ctx: Context, model: Any, table: Table) -> Expr:
    """What each member says, [rows, members]."""
    if _are_trees(model):
        grove = Grove(ctx, table, len(model.estimators_))
        for place, member in enumerate(model.estimators_):
            grove.add(member.tree_, member.tree_.value[:, 0, :1], first=place)
        return grove.sums()
    members = enumerate(model.estimators_)
    return concat([ctx.answer(member, "predict", table, step_of(place)) for place, member in members])


def _inner(model: Any) -> list[Any]:
    return list(model.estimators_)


CONVERTERS: Family = {
    AdaBoostClassifier: Methods(predict=_class, predict_proba=_shares, decision_function=_decision, inner=_inner),
    AdaBoostRegressor: Methods(predict=_median, inner=_inner),
}
