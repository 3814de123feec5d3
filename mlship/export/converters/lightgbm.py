"""LightGBM's trees in double precision, read from the model's text, whose thresholds and leaves have 17 digits.

How a node decides is Tree::NumericalDecision and Tree::CategoricalDecision of
https://github.com/microsoft/LightGBM/blob/master/include/LightGBM/tree.h; what becomes of the sums is ConvertOutput
of each objective in src/objective.
"""

from __future__ import annotations

import re
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from mlship.export.converters.boosting import Categories, tells, whole, with_codes
from mlship.export.converters.forest import LESS_OR_EQUAL, Forest, Tree
from mlship.export.converters.functions import log1p
from mlship.export.converters.labels import two
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_ZERO = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold: what is no larger is zero."""
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_ZERO, _MISSING_NAN = 1, 2
_MOST_CODES = 64  # of a column of codes, for the proof's rows

_Section = dict[str, str]


def _pairs(part: str) -> _Section:
    return dict(line.split("=", 1) for line in part.splitlines() if "=" in line)


def _sections(booster: Any) -> list[_Section]:
    """The header and the trees of the model's text, those of the best rounds only when there are such."""
    text = booster.model_to_string().partition("\nend of trees")[0]
    return [{**_pairs(part), "average": str("average_output" in part)} for part in text.split("\nTree=")]


def _whole_numbers(section: _Section, name: str) -> NDArray[np.int64]:
    return np.array(section.get(name, "").split(), dtype=np.int64)


def _numbers(section: _Section, name: str) -> NDArray[np.float64]:
    return np.array(section.get(name, "").split(), dtype=np.float64)


def _objective(booster: Any) -> tuple[str, dict[str, str]]:
    """The objective's name and what stands behind it, as `binary sigmoid:1`."""
    name, *words = _sections(booster)[0].get("objective", "none").split()
    return name, dict((word.split(":", 1) if ":" in word else (word, "")) for word in words)  # type: ignore[misc]


def _categories(booster: Any) -> Categories:
    """The categories of columns of pandas' category dtype, which the model keeps apart from the columns' places."""
    values = booster.pandas_categorical or []
    if not values:
        return {}
    found = re.search(r"\[categorical_feature: ([\d,]*)\]", booster.model_to_string())
    places = [int(place) for place in found.group(1).split(",") if place] if found else []
    if len(places) != len(values):
        return {}
    return dict(zip(places, values, strict=True))


def _tree(section: _Section, width: int) -> tuple[Tree, NDArray[np.float64]]:
    """A tree: its nodes first, then its leaves, and what each leaf adds.

    Where zero means missing the node looks at a second copy of the columns, in which zeros are NaN.
    """
    leaves = _numbers(section, "leaf_value")
    if int(section["num_leaves"]) <= 1:
        none = np.array([-1])
        return Tree(none, none, none, np.zeros(1), np.zeros(1, dtype=np.bool_)), leaves
    decisions = _whole_numbers(section, "decision_type")
    count = len(decisions)
    split = _numbers(section, "threshold")
    left, right = (_whole_numbers(section, name) for name in ("left_child", "right_child"))
    missing = (decisions >> 2) & 3
    default_left = (decisions & _DEFAULT_LEFT) > 0
    feature = _whole_numbers(section, "split_feature") + np.where(missing == _MISSING_ZERO, width, 0)
    missing_left = np.where(missing == 0, split >= 0.0, default_left)  # without missing values NaN counts as 0
    members: dict[int, list[int]] = {}
    for node in np.flatnonzero(decisions & _CATEGORICAL).tolist():
        members[node] = _members(section, int(split[node]))
        feature[node] %= width
        missing_left[node] = False
    empty = [node for node, values in members.items() if not values]
    split[empty] = -np.inf  # nothing goes left
    ends = np.full(len(leaves), -1)
    pad = np.zeros(len(leaves), dtype=np.int64)
    tree = Tree(
        np.concatenate([np.where(left < 0, count + ~left, left), ends]),
        np.concatenate([np.where(right < 0, count + ~right, right), ends]),
        np.concatenate([feature, pad]),
        np.concatenate([split, pad]),
        np.concatenate([missing_left, pad.astype(np.bool_)]).astype(np.bool_),
        {node: values for node, values in members.items() if values},
    )
    return tree, np.concatenate([np.zeros(count), leaves])


def _members(section: _Section, index: int) -> list[int]:
    """The categories that go left: the bits of the node's words."""
    begin, end = _whole_numbers(section, "cat_boundaries")[index : index + 2].tolist()
    words = _whole_numbers(section, "cat_threshold")[begin:end].tolist()
    return [32 * place + bit for place, word in enumerate(words) for bit in range(32) if word >> bit & 1]


def _sums(ctx: Context, model: Any, table: Table) -> Expr:
    """The raw scores, [rows, trees of a round]."""
    booster = model.booster_
    header, *sections = _sections(booster)
    if any(section.get("is_linear", "0") != "0" for section in sections):
        raise ctx.refusal("LightGBM's linear_tree is not supported")
    categories = _categories(booster)
    if booster.pandas_categorical and not categories:
        raise ctx.refusal(
            "a LightGBM model with columns of pandas' category dtype that are not categorical to it is not supported",
            hint="Fit with categorical_feature='auto' and categories without an order, or with their codes.",
        )
    groups = int(header["num_tree_per_iteration"])
    forest = Forest(groups, LESS_OR_EQUAL, "float64")
    for group in range(groups):
        forest.add_constant(group, 0.0)
    trees = [_tree(section, table.width) for section in sections]
    for place, (tree, leaves) in enumerate(trees):
        for column, splits in tree.splits().items():
            ctx.jumps(table, column % table.width, splits)
        forest.add_tree(place % groups, tree, leaves)
    sums = forest.answer(_rows(ctx, table, [tree for tree, _ in trees], categories))
    return sums / float(len(trees) // groups) if header["average"] == "True" and trees else sums


def _rows(ctx: Context, table: Table, trees: list[Tree], categories: Categories) -> Expr:
    """The rows as LightGBM sees them, and a second copy with NaN for zero when a node takes zero for missing."""
    width = table.width
    codes = sorted({int(tree.feature[node]) for tree in trees for node in tree.members} | set(categories))
    rows = whole(ctx, with_codes(ctx, table, categories), codes, width, "trunc")
    for place in codes:
        ctx.typical(table, place, range(_MOST_CODES))
    tiny = rows.abs() <= _ZERO
    splits = [abs(value) for tree in trees for values in tree.splits().values() for value in values]
    if any(value <= _ZERO for value in splits):  # the predictor leaves out what is zero
        rows = where(tiny, 0.0, rows)
    if not any((tree.feature >= width).any() for tree in trees):
        return rows
    for place in range(width):
        ctx.jumps(table, place, [-_ZERO, 0.0, _ZERO])
    return concat([rows, where(tiny, np.nan, rows)])


def _values(ctx: Context, model: Any, table: Table) -> Expr:
    """What LightGBM's own predict gives, [rows, groups]."""
    sums = ctx.answer(model, "decision_function", table)
    objective, words = _objective(model.booster_)
    if objective in ("binary", "multiclassova"):
        return (sums * float(words["sigmoid"])).sigmoid()
    if objective == "multiclass":
        shares = (sums - sums.max()).exp()
        return shares / shares.sum()
    if objective in ("cross_entropy", "xentropy"):
        return sums.sigmoid()
    if objective in ("cross_entropy_lambda", "xentlambda"):
        return log1p(sums.exp())
    if objective in ("poisson", "gamma", "tweedie"):
        return sums.exp()
    if "sqrt" in words:
        return sums.op("Sign") * sums * sums
    if objective not in _IDENTITY:
        raise ctx.refusal(f"LightGBM's objective {objective!r} is not supported")
    return sums


_IDENTITY = (
    "none", "custom", "regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg",
)  # fmt: skip


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    if callable(getattr(model, "_objective", None)):
        raise ctx.refusal("LGBMClassifier with an objective of its user's own is not supported")
    values = _values(ctx, model, table)
    return values if len(model.classes_) > 2 else two(values)


def _class(ctx: Context, model: Any, table: Table) -> Expr:
    return ctx.answer(model, "predict_proba", table).argmax()


def _tells(model: Any) -> Any:
    return tells(model.booster_.num_feature(), _categories(model.booster_), closed=False)


CLASSIFIER = Methods(predict=_class, predict_proba=_shares, decision_function=_sums, tells=_tells)
"""How a classifier with a `booster_` and `classes_` is converted."""
REGRESSOR = Methods(predict=_values, decision_function=_sums, tells=_tells)
"""How another estimator with a `booster_` is converted."""

CONVERTERS: Family = {
    lightgbm.LGBMClassifier: CLASSIFIER,
    lightgbm.LGBMRegressor: REGRESSOR,
    lightgbm.LGBMRanker: Methods(predict=_values, decision_function=_sums, tells=_tells, numbers=True),
}
