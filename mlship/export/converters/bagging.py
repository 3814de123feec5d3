"""Bagging: the mean of what estimators say, each of some of the columns, as sklearn.ensemble._bagging adds it up."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from mlship.export.converters.grown import Grove
from mlship.export.converters.responses import step_of
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Method, Methods
from mlship.export.graph.table import Table

_TREES = (DecisionTreeClassifier, ExtraTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor)


def _takes_all(model: Any) -> bool:
    """Tell whether every estimator is given all columns in their order."""
    every = np.arange(model.n_features_in_)
    return all(np.array_equal(columns, every) for columns in model.estimators_features_)


def _mean(ctx: Context, model: Any, table: Table, method: Method) -> Expr:
    total: Expr | None = None
    for place, (member, columns) in enumerate(zip(model.estimators_, model.estimators_features_, strict=True)):
        given = table.select(np.asarray(columns).tolist())
        value = _said(ctx, model, member, method, given, step_of(place))
        total = value if total is None else total + value
    assert total is not None
    return total / float(model.n_estimators)


def _said(ctx: Context, model: Any, member: Any, method: Method, table: Table, step: str) -> Expr:
    """What one estimator adds."""
    if method != "predict_proba":
        if method == "decision_function" and len(member.classes_) != len(model.classes_):
            raise ctx.refusal("BaggingClassifier's scores of estimators with fewer classes are not supported")
        return ctx.answer(member, method, table, step)
    places = np.asarray(member.classes_).astype(np.int64)  # the classes are numbers to the estimators
    flags = np.eye(len(model.classes_))[places]  # [classes of the estimator, classes]
    if not hasattr(member, "predict_proba"):
        return ctx.constant(flags).rows_of(ctx.answer(member, "predict", table, step).squeeze(1))
    shares = ctx.answer(member, "predict_proba", table, step)
    return shares if len(places) == len(model.classes_) else shares @ flags


def _mean_of_trees(ctx: Context, model: Any, table: Table) -> Expr:
    """The same for trees, in one operator."""
    told = is_classifier(model)
    width = len(model.classes_) if told else model.estimators_[0].tree_.value.shape[1]
    grove = Grove(ctx, table, width)
    for member, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        value = member.tree_.value
        if told:
            weights = np.zeros((len(value), width))
            weights[:, np.asarray(member.classes_).astype(np.int64)] = value[:, 0]
        else:
            weights = value[:, :, 0]
        grove.add(member.tree_, weights, columns=np.asarray(columns).tolist())
    return grove.sums() / float(model.n_estimators)


def _are_trees(model: Any) -> bool:
    return all(type(member) in _TREES for member in model.estimators_)


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    return _mean_of_trees(ctx, model, table) if _are_trees(model) else _mean(ctx, model, table, "predict_proba")


def _scores(ctx: Context, model: Any, table: Table) -> Expr:
    return _mean(ctx, model, table, "decision_function")


def _class(ctx: Context, model: Any, table: Table) -> Expr:
    return ctx.answer(model, "predict_proba", table).argmax()


def _number(ctx: Context, model: Any, table: Table) -> Expr:
    return _mean_of_trees(ctx, model, table) if _are_trees(model) else _mean(ctx, model, table, "predict")


def _inner(model: Any) -> list[Any]:
    return list(model.estimators_) if _takes_all(model) else []


CONVERTERS: Family = {
    BaggingClassifier: Methods(predict=_class, predict_proba=_shares, decision_function=_scores, inner=_inner),
    BaggingRegressor: Methods(predict=_number, inner=_inner),
}
