"""Decision trees, random forests and extra trees, exact in double precision.

scikit-learn casts rows to float32 and compares them with float64 thresholds (sklearn.tree._tree.Tree.apply);
forests average the leaves (sklearn.ensemble._forest.ForestClassifier.predict_proba).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from mlship.export.converters.grown import Grove, leaves_of
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_FINEST = 2.0**20  # sums of multiples of its inverse are exact in float64 for any number of trees


def _trees(model: Any) -> list[Any]:
    return [item.tree_ for item in model.estimators_] if hasattr(model, "estimators_") else [model.tree_]


def _classes(model: Any) -> list[int]:
    """How many classes each target has."""
    return [int(count) for count in np.atleast_1d(model.n_classes_)]


def _leaves(model: Any, tree: Any) -> NDArray[np.float64]:
    """What each node adds, [nodes, sums]: means of the targets, or shares of classes, those of each target in turn."""
    if not is_classifier(model):
        return np.asarray(tree.value[:, :, 0], dtype=np.float64)
    return np.hstack([tree.value[:, target, :count] for target, count in enumerate(_classes(model))])


def _forest(ctx: Context, model: Any, table: Table) -> Expr:
    """The mean of the trees' leaves, [rows, sums]."""
    trees = _trees(model)
    weights = [_leaves(model, tree) for tree in trees]
    if is_classifier(model) and _is_whole(trees, weights):
        return _of_second(ctx, trees, weights, table)
    grove = Grove(ctx, table, weights[0].shape[1])
    for tree, weight in zip(trees, weights, strict=True):
        grove.add(tree, weight)
    return grove.sums() / float(len(trees)) if len(trees) > 1 else grove.sums()


def _is_whole(trees: list[Any], weights: list[NDArray[np.float64]]) -> bool:
    """Tell whether there are two classes, and sums of their shares are exact, as those of pure leaves are.

    The sum of one class then tells that of the other to the last bit, and half as many leaves are added.
    """
    if weights[0].shape[1] != 2:
        return False
    for tree, weight in zip(trees, weights, strict=True):
        shares = weight[leaves_of(tree)]
        fine = shares * _FINEST
        if not ((fine == np.floor(fine)).all() and (shares.sum(axis=1) == 1.0).all()):
            return False
    return True


def _of_second(ctx: Context, trees: list[Any], weights: list[NDArray[np.float64]], table: Table) -> Expr:
    grove = Grove(ctx, table, 1)
    for tree, weight in zip(trees, weights, strict=True):
        grove.add(tree, weight[:, 1:])
    second, count = grove.sums(), float(len(trees))
    return concat([count - second, second]) / count


def _most_probable(ctx: Context, model: Any, table: Table) -> Expr:
    shares = ctx.answer(model, "predict_proba", table)
    counts = _classes(model)
    if len(counts) == 1:
        return shares.argmax()
    ends = np.cumsum(counts).tolist()
    return concat(
        [shares.columns(list(range(end - count, end))).argmax() for end, count in zip(ends, counts, strict=True)]
    )


def _embedding(ctx: Context, model: RandomTreesEmbedding, table: Table) -> Table:
    """One column of zeros and ones for each leaf, in the order of the leaves' numbers."""
    known = model.one_hot_encoder_.categories_
    width = sum(len(leaves) for leaves in known)
    grove, first = Grove(ctx, table, width), 0
    for tree, leaves in zip(_trees(model), known, strict=True):
        if not np.array_equal(np.flatnonzero(leaves_of(tree)), leaves):
            raise ctx.refusal("RandomTreesEmbedding with leaves that no row of its training reached is not supported")
        grove.add_marks(tree, leaves, first)
        first += len(leaves)
    return Table.of(grove.sums(), width, sparse=bool(model.sparse_output))


_FOREST_CLASSIFIERS = (DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier, ExtraTreesClassifier)
_FOREST_REGRESSORS = (DecisionTreeRegressor, ExtraTreeRegressor, RandomForestRegressor, ExtraTreesRegressor)

CONVERTERS: Family = {
    **dict.fromkeys(_FOREST_CLASSIFIERS, Methods(predict=_most_probable, predict_proba=_forest)),
    **dict.fromkeys(_FOREST_REGRESSORS, Methods(predict=_forest)),
    RandomTreesEmbedding: Methods(transform=_embedding),
}
