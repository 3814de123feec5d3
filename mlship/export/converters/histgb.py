"""Histogram gradient boosting, exact in double precision, with null and categories.

Source: sklearn.ensemble._hist_gradient_boosting: rows stay float64, columns of categories come first and are counted
(`_preprocess_X`), null and unknown categories go where training sent null (`_predict_one_from_raw_data`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mlship.export.converters.encoders import looked_up
from mlship.export.converters.forest import LESS_OR_EQUAL, Forest, Tree
from mlship.export.converters.grown import Splits
from mlship.export.converters.labels import positive, two
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table
from mlship.export.known import is_null, of_categories


def _encoded(ctx: Context, model: Any, table: Table) -> tuple[Table, Expr]:
    """The columns in the order in which the trees know them, and their values with categories counted."""
    if model._preprocessor is None:
        return table, table.numbers()
    numeric = np.flatnonzero(~model.is_categorical_).tolist()
    categorical = np.flatnonzero(model.is_categorical_).tolist()
    encoder = model._preprocessor.named_transformers_["encoder"]
    parts = []
    for column, known in zip(table.select(categorical).columns(), encoder.categories_, strict=True):
        values = known.tolist()
        numbers = [math.nan if is_null(value) else float(place) for place, value in enumerate(values)]
        parts.append(looked_up(ctx, column, values, np.array([*numbers, math.nan]).reshape(-1, 1)))
    if numeric:
        parts.append(table.select(numeric).numbers())
    return table.select([*categorical, *numeric]), concat(parts)


def _tree(predictor: Any) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(np.bool_)
    splits = nodes["num_threshold"].astype(np.float64)
    members = {}
    for node in np.flatnonzero(nodes["is_categorical"].astype(np.bool_) & ~leaf).tolist():
        found = _members(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
        if found:
            members[node] = found
        else:
            splits[node] = -np.inf  # no category goes left, and the operator takes no empty set
    return Tree(
        np.where(leaf, -1, nodes["left"].astype(np.int64)),
        nodes["right"].astype(np.int64),
        np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
        splits,
        nodes["missing_go_to_left"].astype(np.bool_),
        members,
    )


def _members(bits: NDArray[np.uint32]) -> list[int]:
    """The numbers whose bit is set, 32 in each word."""
    return [place for place in range(32 * len(bits)) if int(bits[place // 32]) >> (place % 32) & 1]


def _raw(ctx: Context, model: Any, table: Table) -> Expr:
    """The sums, [rows, 1] or [rows, classes]."""
    known, rows = _encoded(ctx, model, table)
    forest, splits = Forest(model.n_trees_per_iteration_, LESS_OR_EQUAL, "float64"), Splits()
    for target, start in enumerate(np.ravel(model._baseline_prediction).tolist()):
        forest.add_constant(target, start)
    for stage in model._predictors:
        for target, predictor in enumerate(stage):
            tree = _tree(predictor)
            splits.add(tree)
            forest.add_tree(target, tree, predictor.nodes["value"].astype(np.float64))
    splits.note(ctx, known)
    return forest.answer(rows)


def _class(ctx: Context, model: Any, table: Table) -> Expr:
    raw = ctx.answer(model, "decision_function", table)
    return raw.argmax() if len(model.classes_) > 2 else positive(raw)


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    raw = ctx.answer(model, "decision_function", table)
    return raw.softmax() if len(model.classes_) > 2 else two(raw.sigmoid())


def _number(ctx: Context, model: Any, table: Table) -> Expr:
    raw = _raw(ctx, model, table)
    return raw.exp() if model.loss in ("poisson", "gamma") else raw  # the inverse of sklearn._loss.link.LogLink


def _tells(model: Any) -> Any:
    if model._preprocessor is None:
        return []
    known = iter(model._preprocessor.named_transformers_["encoder"].categories_)
    return of_categories([next(known) if categorical else None for categorical in model.is_categorical_.tolist()])


CONVERTERS: Family = {
    HistGradientBoostingClassifier: Methods(
        predict=_class, predict_proba=_shares, decision_function=_raw, tells=_tells
    ),
    HistGradientBoostingRegressor: Methods(predict=_number, tells=_tells),
}
