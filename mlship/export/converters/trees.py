"""scikit-learn's decision trees, forests and gradient boosting, bit for bit.

scikit-learn rounds the rows to float32 and compares them with float64 thresholds, so the graph does the
same. Forests add the probabilities of their trees class by class and divide by the number of trees
(sklearn.ensemble._forest.ForestClassifier.predict_proba); gradient boosting adds learning_rate times each
leaf to the first guess (sklearn.ensemble._gradient_boosting.predict_stages).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from mlship.errors import NotConvertible
from mlship.export.converters.ensemble import Ensemble, nodes_of
from mlship.export.converters.family import DOUBLE, FLOAT, INT64, Family, Graph, classifier_shape, numbers_shape


def _shape(operator: Any) -> None:
    model = operator.raw_operator
    if is_classifier(model):
        classifier_shape(operator, len(model.classes_))
    else:
        numbers_shape(operator, 1)


def _rows(graph: Graph) -> str:
    """The rows rounded to float32, as scikit-learn's trees see them, in double."""
    narrow = graph.node("Cast", [graph.matrix()], since=13, to=FLOAT)
    return graph.node("Cast", [narrow], since=13, to=DOUBLE)


def _one_target(model: Any) -> None:
    if getattr(model, "n_outputs_", 1) != 1:
        raise NotConvertible(f"{type(model).__name__} with several targets is not supported.", code="not_supported")


def _convert_forest(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    _one_target(model)
    graph = Graph(scope, operator, container)
    trees: list[Any] = [item.tree_ for item in model.estimators_] if hasattr(model, "estimators_") else [model.tree_]
    targets = len(model.classes_) if is_classifier(model) else 1
    ensemble = Ensemble(targets)
    for tree in trees:
        nodes = nodes_of(tree)
        for target in range(targets):
            ensemble.add_tree(target, nodes, partial(_leaf, tree, target))
    sums = graph.trees([_rows(graph)], ensemble.attributes())
    if not is_classifier(model):
        graph.node("Div", [sums, graph.constant(np.array([float(len(trees))]))], graph.outputs[0], since=14)
        return
    share = graph.node("Div", [sums, graph.constant(np.array([float(len(trees))]))], graph.outputs[1], since=14)
    graph.labels(model.classes_, graph.node("ArgMax", [share], since=13, axis=1, keepdims=0))


def _leaf(tree: Any, target: int, node: int) -> float:
    """The value of a leaf: a class's share, or the mean target."""
    value = tree.value[node, 0]
    if len(value) == 1:
        return float(value[0])
    total = value.sum()  # 1.0 from scikit-learn 1.3 on; before, leaves held weighted counts
    return float(value[target] if abs(total - 1.0) < 1e-9 else value[target] / total)


def _scaled_leaf(tree: Any, rate: float, node: int) -> float:
    return float(rate * tree.value[node, 0, 0])


def _convert_boosting(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    graph = Graph(scope, operator, container)
    targets = model.estimators_.shape[1]
    ensemble = Ensemble(targets)
    for target, start in enumerate(_first_guess(model, targets)):
        ensemble.add_constant(target, start)
    for stage in model.estimators_:
        for target, member in enumerate(stage):
            tree = member.tree_
            ensemble.add_tree(target, nodes_of(tree), partial(_scaled_leaf, tree, model.learning_rate))
    rows = _rows(graph)
    if not is_classifier(model):
        graph.node("Identity", [graph.trees([rows], ensemble.attributes())], graph.outputs[0], since=16)
        return
    raw = graph.trees([rows], ensemble.attributes())
    if targets == 1:
        _binary(graph, model, raw)
    else:
        graph.node("Softmax", [raw], graph.outputs[1], since=13, axis=1)
        graph.labels(model.classes_, graph.node("ArgMax", [raw], since=13, axis=1, keepdims=0))


def _first_guess(model: Any, targets: int) -> list[float]:
    """What boosting starts from; a constant unless the user gave an estimator of their own."""
    if model.init is not None and model.init != "zero":
        raise NotConvertible(f"{type(model).__name__} with an init estimator is not supported.", code="not_supported")
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))
    return [float(value) for value in np.ravel(start)[:targets]]


def _binary(graph: Graph, model: Any, raw: str) -> None:
    """Probabilities by the logistic function, 1 / (1 + exp(-raw)), and the second label from raw >= 0 on."""
    if model.loss not in ("log_loss", "exponential"):
        raise NotConvertible(f"{type(model).__name__} with loss '{model.loss}' is not supported.", code="not_supported")
    one = graph.constant(np.array([1.0]))
    # scikit-learn's exponential loss has the link logit(p) = 2 raw (sklearn._loss.loss.ExponentialLoss)
    margin = raw
    if model.loss == "exponential":
        margin = graph.node("Mul", [raw, graph.constant(np.array([2.0]))], since=14)
    power = graph.node("Exp", [graph.node("Neg", [margin], since=13)], since=13)
    second = graph.node("Div", [one, graph.node("Add", [one, power], since=14)], since=14)
    first = graph.node("Sub", [one, second], since=14)
    graph.node("Concat", [first, second], graph.outputs[1], since=13, axis=1)
    positive = graph.node("GreaterOrEqual", [raw, graph.constant(np.array([0.0]))], since=16)
    index = graph.node("Cast", [positive], since=13, to=INT64)
    graph.labels(
        model.classes_, graph.node("Squeeze", [index, graph.constant(np.array([1], dtype=np.int64))], since=13)
    )


_FORESTS = (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
)
_BOOSTING = (GradientBoostingClassifier, GradientBoostingRegressor)

CONVERTERS: Family = {
    **dict.fromkeys(_FORESTS, (_shape, _convert_forest)),
    **dict.fromkeys(_BOOSTING, (_shape, _convert_boosting)),
}
