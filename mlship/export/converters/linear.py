"""scikit-learn's linear models: rows times coefficients plus intercept, in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import linear_model
from sklearn.svm import LinearSVC, LinearSVR

from mlship.export.converters.labels import positive, two
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _scores(ctx: Context, model: Any, table: Table) -> Expr:
    """Rows times coefficients plus intercepts, [rows, targets]."""
    return _products(model, table) + np.float64(model.intercept_).reshape(1, -1)


def _products(model: Any, table: Table) -> Expr:
    given = model.coef_.toarray() if hasattr(model.coef_, "toarray") else np.asarray(model.coef_)
    return table.numbers() @ np.ascontiguousarray(np.atleast_2d(given).astype(np.float64).T)


def _predict_class(ctx: Context, model: Any, table: Table) -> Expr:
    scores = ctx.answer(model, "decision_function", table)
    return positive(scores) if len(model.classes_) == 2 else scores.argmax()


def _ridge_class(ctx: Context, model: Any, table: Table) -> Expr:
    if model._label_binarizer.y_type_.startswith("multilabel"):
        return positive(ctx.answer(model, "decision_function", table))
    return _predict_class(ctx, model, table)


def _logistic(ctx: Context, model: Any, table: Table) -> Expr:
    scores = ctx.answer(model, "decision_function", table)
    if _one_against_rest(model):
        return _normalised(model, scores.sigmoid())
    return (concat([-scores, scores]) if len(model.classes_) == 2 else scores).softmax()


def _one_against_rest(model: Any) -> bool:
    """Whether each class is scored by itself; up to scikit-learn 1.7 this could be chosen, also for two classes."""
    if len(model.classes_) == 2:
        return getattr(model, "multi_class", "auto") != "multinomial"
    return getattr(model, "multi_class", "auto") == "ovr" or (
        getattr(model, "multi_class", "auto") != "multinomial" and model.solver == "liblinear"
    )


def _normalised(model: Any, shares: Expr) -> Expr:
    """Shares that sum to one, all the same where all are zero; both of two classes from that of the second."""
    if len(model.classes_) == 2:
        return two(shares)
    total = shares.sum()
    nothing = total.equals(0.0)
    return where(nothing, 1.0, shares) / where(nothing, float(len(model.classes_)), total)


def _descended(ctx: Context, model: Any, table: Table) -> Expr:
    """The probabilities of gradient descent, which only two of its losses give."""
    scores = ctx.answer(model, "decision_function", table)
    if model.loss == "modified_huber":
        return _normalised(model, (scores.maximum(-1.0).minimum(1.0) + 1.0) / 2.0)
    return _normalised(model, scores.sigmoid())


def _exponential_or_not(ctx: Context, model: Any, table: Table) -> Expr:
    """A generalised linear model: the inverse of its link of the scores."""
    scores = _scores(ctx, model, table)
    link = type(model._base_loss.link).__name__
    if link == "IdentityLink":
        return scores
    if link == "LogLink":
        return scores.exp()
    raise ctx.refusal(f"{type(model).__name__} with the link {link} is not supported")


def _consensus(ctx: Context, model: Any, table: Table) -> Expr:
    return ctx.answer(model.estimator_, "predict", table, "estimator_")


def _consensus_inner(model: Any) -> list[Any]:
    return [model.estimator_]


def _beyond(ctx: Context, model: Any, table: Table) -> Expr:
    """How far a row lies on the inner side of the one class."""
    return _products(model, table) - np.float64(model.offset_).reshape(1, -1)


def _inlier(ctx: Context, model: Any, table: Table) -> Expr:
    return positive(ctx.answer(model, "decision_function", table), at_zero=True) * 2 - 1


def _one_class_scores(ctx: Context, model: Any, table: Table) -> Expr:
    return ctx.answer(model, "decision_function", table) + np.float64(model.offset_).reshape(1, -1)


_REGRESSORS = (
    linear_model.ARDRegression,
    linear_model.BayesianRidge,
    linear_model.ElasticNet,
    linear_model.ElasticNetCV,
    linear_model.HuberRegressor,
    linear_model.Lars,
    linear_model.LarsCV,
    linear_model.Lasso,
    linear_model.LassoCV,
    linear_model.LassoLars,
    linear_model.LassoLarsCV,
    linear_model.LassoLarsIC,
    linear_model.LinearRegression,
    LinearSVR,
    linear_model.MultiTaskElasticNet,
    linear_model.MultiTaskElasticNetCV,
    linear_model.MultiTaskLasso,
    linear_model.MultiTaskLassoCV,
    linear_model.OrthogonalMatchingPursuit,
    linear_model.OrthogonalMatchingPursuitCV,
    linear_model.QuantileRegressor,
    linear_model.Ridge,
    linear_model.RidgeCV,
    linear_model.SGDRegressor,
    linear_model.TheilSenRegressor,
)
_GENERALISED = (linear_model.GammaRegressor, linear_model.PoissonRegressor, linear_model.TweedieRegressor)
_SCORING = Methods(predict=_predict_class, decision_function=_scores)
_RIDGE = Methods(predict=_ridge_class, decision_function=_scores)
_LOGISTIC = Methods(predict=_predict_class, predict_proba=_logistic, decision_function=_scores)


def _passive_aggressive() -> Family:
    """Both, which scikit-learn 1.10 has no more."""
    ways = {"PassiveAggressiveRegressor": Methods(predict=_scores), "PassiveAggressiveClassifier": _SCORING}
    return {getattr(linear_model, name): ways[name] for name in ways if hasattr(linear_model, name)}


CONVERTERS: Family = {
    **dict.fromkeys(_REGRESSORS, Methods(predict=_scores)),
    **dict.fromkeys(_GENERALISED, Methods(predict=_exponential_or_not)),
    linear_model.LogisticRegression: _LOGISTIC,
    linear_model.LogisticRegressionCV: _LOGISTIC,
    linear_model.RidgeClassifier: _RIDGE,
    linear_model.RidgeClassifierCV: _RIDGE,
    **_passive_aggressive(),
    linear_model.Perceptron: _SCORING,
    LinearSVC: _SCORING,
    linear_model.SGDClassifier: Methods(predict=_predict_class, predict_proba=_descended, decision_function=_scores),
    linear_model.SGDOneClassSVM: Methods(predict=_inlier, decision_function=_beyond, score_samples=_one_class_scores),
    linear_model.RANSACRegressor: Methods(predict=_consensus, inner=_consensus_inner),
}
