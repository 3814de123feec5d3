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
from mlship.export.converters.labels import positive, two
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table


def note_splits(ctx: Context, tree: Any, table: Table) -> None:
    """Note the thresholds of a `sklearn.tree._tree.Tree`."""
    inner = tree.children_left != -1
    for feature in np.unique(tree.feature[inner]).tolist():
        ctx.jumps(table, feature, tree.threshold[inner][tree.feature[inner] == feature].tolist())


def _forest(ctx: Context, model: Any, table: Table) -> Expr:
    """The mean of the trees' leaves, [rows, classes] or [rows, 1]."""
    if getattr(model, "n_outputs_", 1) != 1:
        raise ctx.refusal(f"{type(model).__name__} with several targets is not supported")
    trees: list[Any] = [item.tree_ for item in model.estimators_] if hasattr(model, "estimators_") else [model.tree_]
    targets = len(model.classes_) if is_classifier(model) else 1
    ensemble = Ensemble(targets)
    for tree in trees:
        note_splits(ctx, tree, table)
        nodes = nodes_of(tree)
        for target in range(targets):
            ensemble.add_tree(target, nodes, partial(_leaf, tree, target))
    rows = table.numbers().cast("float32").cast("float64")
    return ensemble.answer(rows) / float(len(trees))


def _most_probable(ctx: Context, model: Any, table: Table) -> Expr:
    return ctx.answer(model, "predict_proba", table).argmax()


def _leaf(tree: Any, target: int, node: int) -> float:
    """The value of a leaf: a class's share, or the mean target."""
    value = tree.value[node, 0]
    if len(value) == 1:
        return float(value[0])
    total = value.sum()  # 1.0 from scikit-learn 1.3 on; before, leaves held weighted counts
    return float(value[target] if abs(total - 1.0) < 1e-9 else value[target] / total)


def _scaled_leaf(tree: Any, rate: float, node: int) -> float:
    return float(rate * tree.value[node, 0, 0])


def _raw(ctx: Context, model: Any, table: Table) -> Expr:
    """The sums of gradient boosting, [rows, 1] or [rows, classes]."""
    targets = model.estimators_.shape[1]
    ensemble = Ensemble(targets)
    for target, start in enumerate(_first_guess(model, targets)):
        ensemble.add_constant(target, start)
    for stage in model.estimators_:
        for target, member in enumerate(stage):
            tree = member.tree_
            note_splits(ctx, tree, table)
            ensemble.add_tree(target, nodes_of(tree), partial(_scaled_leaf, tree, model.learning_rate))
    return ensemble.answer(table.numbers().cast("float32").cast("float64"))


def _boosted_shares(ctx: Context, model: Any, table: Table) -> Expr:
    raw = ctx.answer(model, "decision_function", table)
    if len(model.classes_) > 2:
        return raw.softmax()
    # scikit-learn's exponential loss has the link logit(p) = 2 raw (sklearn._loss.loss.ExponentialLoss)
    return two((raw * 2.0 if model.loss == "exponential" else raw).sigmoid())


def _boosted_class(ctx: Context, model: Any, table: Table) -> Expr:
    raw = ctx.answer(model, "decision_function", table)
    return raw.argmax() if len(model.classes_) > 2 else positive(raw, at_zero=True)


def _first_guess(model: Any, targets: int) -> list[float]:
    """What boosting starts from; a constant unless the user gave an estimator of their own."""
    if model.init is not None and model.init != "zero":
        raise NotConvertible(f"{type(model).__name__} with an init estimator is not supported.", code="not_supported")
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))
    return [float(value) for value in np.ravel(start)[:targets]]


_FOREST_CLASSIFIERS = (DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier, ExtraTreesClassifier)
_FOREST_REGRESSORS = (DecisionTreeRegressor, ExtraTreeRegressor, RandomForestRegressor, ExtraTreesRegressor)

CONVERTERS: Family = {
    **dict.fromkeys(_FOREST_CLASSIFIERS, Methods(predict=_most_probable, predict_proba=_forest)),
    **dict.fromkeys(_FOREST_REGRESSORS, Methods(predict=_forest)),
    GradientBoostingClassifier: Methods(predict=_boosted_class, predict_proba=_boosted_shares, decision_function=_raw),
    GradientBoostingRegressor: Methods(predict=_raw),
}
