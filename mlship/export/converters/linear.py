"""scikit-learn's linear models: rows times coefficients plus intercept, in double precision.

Stock skl2onnx fails on a model without intercept, and composes a classifier in float32 after some steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import linear_model
from sklearn.base import is_classifier
from sklearn.svm import LinearSVR

from mlship.errors import NotConvertible
from mlship.export.converters.family import INT64, Family, Graph, classifier_shape, numbers_shape


def _shape(operator: Any) -> None:
    model = operator.raw_operator
    if not is_classifier(model):
        numbers_shape(operator, 1)
    else:
        scores = 1 if len(model.classes_) == 2 and not hasattr(model, "predict_proba") else len(model.classes_)
        classifier_shape(operator, scores)


def _weights(model: Any, targets: int) -> tuple[Any, Any]:
    """The coefficients [columns, targets] and the intercepts [targets]."""
    given = model.coef_.toarray() if hasattr(model.coef_, "toarray") else np.asarray(model.coef_)
    weights = np.atleast_2d(given).astype(np.float64).T
    if weights.shape[1] != targets:
        raise NotConvertible(f"{type(model).__name__} with several targets is not supported.", code="not_supported")
    return np.ascontiguousarray(weights), np.broadcast_to(np.float64(model.intercept_), (targets,))


def _values(graph: Graph, model: Any, targets: int, out: str | None = None) -> str:
    weights, intercepts = _weights(model, targets)
    product = graph.node("MatMul", [graph.matrix(), graph.constant(weights)], since=13)
    return graph.node("Add", [product, graph.constant(intercepts)], out, since=14)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph = Graph(scope, operator, container)
    _values(graph, operator.raw_operator, 1, graph.outputs[0])


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    graph = Graph(scope, operator, container)
    probabilities = hasattr(model, "predict_proba")
    if len(model.classes_) == 2:
        scores = _values(graph, model, 1, None if probabilities else graph.outputs[1])
        positive = graph.node("Greater", [scores, graph.constant(np.array([0.0]))], since=13)
        index = graph.node("Cast", [positive], since=13, to=INT64)
        graph.labels(model.classes_, graph.node("Squeeze", [index, graph.constant(np.array([1]))], since=13))
        if probabilities:
            _binary_probabilities(graph, model, scores)
        return
    scores = _values(graph, model, len(model.classes_), None if probabilities else graph.outputs[1])
    graph.labels(model.classes_, graph.node("ArgMax", [scores], since=13, axis=1, keepdims=0))
    if probabilities:
        if _one_against_rest(model):
            raise NotConvertible(
                "LogisticRegression one class against the rest is not supported.", code="not_supported"
            )
        graph.node("Softmax", [scores], graph.outputs[1], since=13, axis=1)


def _binary_probabilities(graph: Graph, model: Any, scores: str) -> None:
    if getattr(model, "multi_class", "auto") == "multinomial":
        raise NotConvertible("LogisticRegression multinomial on two classes is not supported.", code="not_supported")
    second = graph.node("Sigmoid", [scores], since=13)
    first = graph.node("Sub", [graph.constant(np.array([1.0])), second], since=14)
    graph.node("Concat", [first, second], graph.outputs[1], since=13, axis=1)


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
_CLASSIFIERS = (
    linear_model.LogisticRegression,
    linear_model.LogisticRegressionCV,
    linear_model.RidgeClassifier,
    linear_model.RidgeClassifierCV,
)

CONVERTERS: Family = {
    **dict.fromkeys(_REGRESSORS, (_shape, _convert_regressor)),
    **dict.fromkeys(_CLASSIFIERS, (_shape, _convert_classifier)),
}
