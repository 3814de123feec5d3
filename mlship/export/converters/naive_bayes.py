"""scikit-learn's naive Bayes: the joint log likelihood in the order of its own arithmetic, and its normalisation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB

from mlship.export.converters.likelihood import shares_of_logs
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Methods, Saying
from mlship.export.graph.table import Table
from mlship.export.known import of_categories

_SPREAD = (-3.0, -1.0, 0.0, 1.0, 3.0)  # standard deviations around a mean
_MOST_CLASSES = 16  # of which the means are noted
_COUNTS = (0.0, 1.0, 2.0, 5.0)


def _joint(ctx: Context, model: Any, table: Table) -> Expr:
    """`_joint_log_likelihood`, [rows, classes]."""
    if isinstance(model, GaussianNB):
        return _gaussian(ctx, model, table)
    if isinstance(model, CategoricalNB):
        return _categorical(ctx, model, table)
    return _discrete(ctx, model, table)


def _gaussian(ctx: Context, model: Any, table: Table) -> Expr:
    rows, parts = table.numbers(), []
    if not (model.var_ > 0.0).all():
        raise ctx.refusal("GaussianNB with a variance of zero is not supported", hint="Leave var_smoothing above 0.")
    for mean, variance in list(zip(model.theta_, model.var_, strict=True))[:_MOST_CLASSES]:
        for column, (middle, wide) in enumerate(zip(mean.tolist(), np.sqrt(variance).tolist(), strict=True)):
            ctx.typical(table, column, [middle + wide * times for times in _SPREAD])
    with np.errstate(divide="ignore"):  # a prior of zero
        priors = np.log(model.class_prior_)
    for prior, mean, variance in zip(priors, model.theta_, model.var_, strict=True):
        apart = rows - mean
        spread = (apart * apart / variance).sum()
        parts.append((-0.5 * np.sum(np.log(2.0 * math.pi * variance)) - 0.5 * spread) + float(prior))
    return concat(parts)


def _discrete(ctx: Context, model: Any, table: Table) -> Expr:
    """Rows times logarithms: counts, or whether there is anything at all."""
    rows = table.numbers()
    weights, plus = model.feature_log_prob_, model.class_log_prior_
    if isinstance(model, BernoulliNB):
        if model.binarize is not None:
            for column in range(table.width):
                ctx.jumps(table, column, [float(model.binarize)])
            rows = (rows > float(model.binarize)).cast("float64")
        with np.errstate(divide="ignore", invalid="ignore"):
            against = np.log(1 - np.exp(weights))
            weights, plus = weights - against, plus + against.sum(axis=1)
    else:
        for column in range(table.width):
            ctx.typical(table, column, _COUNTS)
    if not np.isfinite(weights).all():
        raise ctx.refusal(
            f"{type(model).__name__} with probabilities of exactly zero or one is not supported",
            hint="Fit with an alpha above 0.",
        )
    joint = rows @ _float(weights).T.copy()
    alone = isinstance(model, ComplementNB) and len(model.classes_) > 1
    return joint if alone else joint + _float(plus)


def _categorical(ctx: Context, model: Any, table: Table) -> Expr:
    """The logarithm of each column's category, added column by column as the original does.

    One tensor holds the logarithms of all columns' categories one after the other, [categories, classes].
    """
    tables = [_float(values).T for values in model.feature_log_prob_]
    starts = np.cumsum([0, *(len(values) for values in tables)])[:-1]
    for column, values in enumerate(tables):
        ctx.typical(table, column, range(len(values)))
    places = table.numbers().cast("int64") + starts.astype(np.int64)  # a cast cuts off decimals, as in numpy
    logs = ctx.constant(np.concatenate(tables)).rows_of(places)  # [rows, columns, classes]
    added = logs.op("CumSum", ctx.constant(1, "int64"))
    joint = added.op("Gather", ctx.constant(table.width - 1, "int64"), axis=1)
    return joint + _float(model.class_log_prior_)


def _float(values: Any) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _predict(ctx: Context, model: Any, table: Table) -> Expr:
    return _joint(ctx, model, table).argmax()


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    return shares_of_logs(_joint(ctx, model, table))


def _tells(model: Any) -> list[Saying | None]:
    """The categories that the original answers: whole numbers from 0 on."""
    return of_categories([np.arange(values.shape[1]) for values in model.feature_log_prob_])


_METHODS = Methods(predict=_predict, predict_proba=_shares)

CONVERTERS: Family = {
    **dict.fromkeys((BernoulliNB, ComplementNB, GaussianNB, MultinomialNB), _METHODS),
    CategoricalNB: Methods(predict=_predict, predict_proba=_shares, tells=_tells),
}
