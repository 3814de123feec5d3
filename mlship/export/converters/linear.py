"""scikit-learn's linear models: rows times coefficients plus intercept, in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import linear_model
from sklearn.svm import LinearSVR

from mlship.export.converters.labels import positive, two
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def _scores(ctx: Context, model: Any, table: Table) -> Expr:
    """Rows times coefficients plus intercepts, [rows, targets]."""
    given = model.coef_.toarray() if hasattr(model.coef_, "toarray") else np.asarray(model.coef_)
    weights = np.ascontiguousarray(np.atleast_2d(given).astype(np.float64).T)
    intercepts = np.broadcast_to(np.float64(model.intercept_), (weights.shape[1],))
    return table.numbers() @ weights + intercepts


def _predict_class(ctx: Context, model: Any, table: Table) -> Expr:
    scores = ctx.answer(model, "decision_function", table)
    return positive(scores) if len(model.classes_) == 2 else scores.argmax()


def _logistic(ctx: Context, model: Any, table: Table) -> Expr:
    scores = ctx.answer(model, "decision_function", table)
    if len(model.classes_) == 2:
        if getattr(model, "multi_class", "auto") == "multinomial":
            raise ctx.refusal("LogisticRegression multinomial on two classes is not supported")
        return two(scores.op("Sigmoid"))
    if _one_against_rest(model):
        raise ctx.refusal("LogisticRegression one class against the rest is not supported")
    return scores.softmax()


def _one_against_rest(model: Any) -> bool:
    """Up to scikit-learn 1.7 three and more classes could also be scored one against the rest."""
    return getattr(model, "multi_class", "auto") == "ovr" or model.solver == "liblinear"


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
    linear_model.OrthogonalMatchingPursuit,
    linear_model.OrthogonalMatchingPursuitCV,
    linear_model.QuantileRegressor,
    linear_model.Ridge,
    linear_model.RidgeCV,
    linear_model.SGDRegressor,
    linear_model.TheilSenRegressor,
)
_SCORING = Methods(predict=_predict_class, decision_function=_scores)
_LOGISTIC = Methods(predict=_predict_class, predict_proba=_logistic, decision_function=_scores)

CONVERTERS: Family = {
    **dict.fromkeys(_REGRESSORS, Methods(predict=_scores)),
    linear_model.LogisticRegression: _LOGISTIC,
    linear_model.LogisticRegressionCV: _LOGISTIC,
    linear_model.RidgeClassifier: _SCORING,
    linear_model.RidgeClassifierCV: _SCORING,
}
