"""XGBoost's trees and lines in single precision, which is its own, or summed in double precision for who asks.

Read from the model's JSON, whose numbers are the shortest texts that give the float32 back. XGBoost rounds rows to
float32, takes `value < split`, and adds float32 leaves to the base score tree by tree
(https://github.com/dmlc/xgboost/blob/master/src/predictor/cpu_predictor.cc).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from mlship.export.converters.boosting import tells, whole, with_codes
from mlship.export.converters.forest import LESS, Forest, Precise, Tree
from mlship.export.converters.xgboost_categories import check_names, names
from mlship.export.converters.xgboost_links import LINKS, linked
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_MOST_CODES = 64  # of a column of codes, for the proof's rows


@dataclass(frozen=True)
class _Read:
    """A model as its JSON has it.

    Attributes:
        learner: The whole.
        base: float32 [groups], what the margins start from.
        kind: The arithmetic asked for.
    """

    learner: dict[str, Any]
    base: NDArray[np.float32]
    kind: Precise

    @property
    def booster(self) -> str:
        """`gbtree`, `dart` or `gblinear`."""
        return str(self.learner["gradient_booster"]["name"])

    @property
    def objective(self) -> str:
        """The objective's name."""
        return str(self.learner["objective"]["name"])

    @property
    def codes(self) -> list[int]:
        """The columns that hold codes of categories."""
        return [place for place, kind in enumerate(self.learner["feature_types"]) if kind == "c"]


def _learner(model: Any) -> dict[str, Any]:
    return _learner_of(model.get_booster())


@lru_cache(maxsize=4)
def _learner_of(booster: Any) -> dict[str, Any]:
    learner: dict[str, Any] = json.loads(booster.save_raw("json"))["learner"]
    return learner


def _model_of(learner: dict[str, Any]) -> dict[str, Any]:
    gradient = learner["gradient_booster"]
    model: dict[str, Any] = gradient.get("gbtree", gradient)["model"]
    return model


def _read(ctx: Context, model: Any) -> _Read:
    base = np.ravel(_base_of(model.get_booster())).astype(np.float32)
    kind: Precise = "float64" if ctx.precision == "float64" else "float32"
    ctx.arithmetic = kind
    return _Read(_learner(model), base, kind)


def _base_of(booster: Any) -> Any:
    """What the margins start from, as XGBoost itself makes it of the base score: the model's answer without leaves."""
    document = json.loads(booster.save_raw("json"))
    learner = document["learner"]
    learner["attributes"], learner["feature_names"], learner["feature_types"] = {}, [], []
    row = np.zeros((1, booster.num_features()), dtype=np.float32)
    empty = xgboost.Booster({"nthread": 1})
    model = _model_of(learner)
    if learner["gradient_booster"]["name"] == "gblinear":
        model["weights"] = [0.0] * len(model["weights"])
        empty.load_model(bytearray(json.dumps(document).encode()))
        return empty.predict(xgboost.DMatrix(row), output_margin=True)
    count = model["iteration_indptr"][1]
    model["trees"], model["tree_info"] = model["trees"][:count], model["tree_info"][:count]
    model["iteration_indptr"], model["gbtree_model_param"]["num_trees"] = [0, count], str(count)
    for tree in model["trees"]:
        for name in {"split_conditions", "base_weights", "leaf_weights"} & set(tree):
            tree[name] = [0.0] * len(tree[name])
    learner["gradient_booster"] = {"name": "gbtree", "model": model}
    empty.load_model(bytearray(json.dumps(document).encode()))
    return empty.inplace_predict(row, predict_type="margin")


def _encoders(learner: dict[str, Any]) -> list[dict[str, Any]]:
    encoders: list[dict[str, Any]] = (_model_of(learner).get("cats") or {}).get("enc", [])
    return encoders


def _rows(ctx: Context, model: Any, read: _Read, table: Table) -> Expr:
    """The rows as XGBoost sees them: float32, NaN where a value is missing, codes of categories."""
    check_names(ctx, _encoders(read.learner))
    rows = with_codes(ctx, table, names(_encoders(read.learner)))
    if table.sparse:  # what a sparse matrix does not hold is missing; what only float32 takes for zero it holds
        rows = where(rows.equals(0.0), np.nan, rows)
        for column in range(table.width):
            ctx.jumps(table, column, [0.0])
    rows = rows.cast("float32")
    missing = model.missing
    if missing is not None and not np.isnan(missing):
        rows = where(rows.equals(missing), np.nan, rows)
        for column in range(table.width):
            ctx.jumps(table, column, [float(missing)])
    return whole(ctx, rows, read.codes, table.width, "Floor").cast(read.kind)


def _tree(raw: dict[str, Any]) -> Tree:
    """A tree of the JSON; where a node tests categories those among its own go right."""
    left, right = np.array(raw["left_children"]), np.array(raw["right_children"])
    missing_left = np.array(raw["default_left"], dtype=np.bool_)
    members: dict[int, list[int]] = {}
    segments = zip(raw["categories_nodes"], raw["categories_segments"], raw["categories_sizes"], strict=True)
    for node, begin, size in segments:
        values = raw["categories"][begin : begin + size]
        if values:
            members[node] = values
            left[node], right[node], missing_left[node] = right[node], left[node], not missing_left[node]
    split = np.array(raw["split_conditions"], dtype=np.float32)
    for node in set(raw["categories_nodes"]) - set(members):  # no category goes right
        split[node] = np.inf
    return Tree(left, right, np.array(raw["split_indices"]), split, missing_left, members)


def _margins(ctx: Context, model: Any, table: Table) -> Expr:
    """The sums before the objective's link, [rows, groups]."""
    read = _read(ctx, model)
    rows = _rows(ctx, model, read, table)
    if read.booster == "gblinear":
        return _line(ctx, read, rows).cast("float64")
    trees = _trees(read)
    forest = Forest(len(read.base), LESS, read.kind)
    for group, base in enumerate(read.base.tolist()):
        forest.add_constant(group, base)
    for raw, group, weight in trees:
        tree = _tree(raw)
        for column, splits in tree.splits().items():
            ctx.jumps(table, column, splits)
        targets = range(len(read.base)) if _is_vector(raw) else [group]
        for target in targets:
            forest.add_tree(target, tree, _leaves(raw, target, read, weight))
    for place in read.codes:
        ctx.typical(table, place, range(_MOST_CODES))
    return forest.answer(rows).cast("float64")


def _trees(read: _Read) -> list[tuple[dict[str, Any], int, Any]]:
    """The trees up to the best round, each with its group and, in a dart, its weight."""
    gradient = read.learner["gradient_booster"]
    model = _model_of(read.learner)
    best = read.learner["attributes"].get("best_iteration")
    count = model["iteration_indptr"][int(best) + 1] if best is not None else len(model["trees"])
    weights = gradient["weight_drop"] if read.booster == "dart" else [None] * count
    return list(zip(model["trees"][:count], model["tree_info"][:count], weights[:count], strict=True))


def _is_vector(raw: dict[str, Any]) -> bool:
    return int(raw["tree_param"]["size_leaf_vector"]) > 1


def _leaves(raw: dict[str, Any], target: int, read: _Read, weight: float | None) -> NDArray[Any]:
    """What each node adds where it is a leaf."""
    if _is_vector(raw):
        is_leaf = np.array(raw["left_children"]) == -1
        vectors = np.array(raw["leaf_weights"], dtype=np.float32).reshape(is_leaf.sum(), -1)
        leaves: NDArray[Any] = vectors[np.where(is_leaf, raw["right_children"], 0), target]
        return leaves
    leaves = np.array(raw["split_conditions"], dtype=np.float32)
    if weight is None:
        return leaves
    if read.kind == "float64":
        return leaves.astype(np.float64) * weight
    # GBTree's in-place prediction of a dart adds (base + leaf - base) * weight, each step rounded
    base = read.base[target]
    return np.asarray(((base + leaves) - base) * np.float32(weight), dtype=np.float32)


def _line(ctx: Context, read: _Read, rows: Expr) -> Expr:
    """A line: bias and base, then weight times value column by column, what is missing left out."""
    groups = len(read.base)
    weights = np.array(_model_of(read.learner)["weights"], dtype=np.float32).reshape(-1, groups)
    present = where(rows.isnan(), 0.0, rows)
    axis = ctx.constant(1, "int64")
    sums = []
    for group in range(groups):
        first = present.columns([0]) * 0.0 + (weights[-1, group] + read.base[group])
        terms = concat([first, present * weights[:-1, group].reshape(1, -1)])
        sums.append(terms.op("CumSum", axis).columns([len(weights) - 1]))
    return concat(sums)


def _values(ctx: Context, model: Any, table: Table) -> Expr:
    """What XGBoost's own predict gives, [rows, groups], in the model's arithmetic."""
    learner = _learner(model)
    objective = str(learner["objective"]["name"])
    link = LINKS.get(objective)
    if link is None:
        raise ctx.refusal(f"XGBoost's objective {objective!r} is not supported")
    margins = ctx.answer(model, "decision_function", table)
    kind: Precise = "float64" if ctx.precision == "float64" else "float32"
    return linked(margins.cast(kind), link)


def _predict(ctx: Context, model: Any, table: Table) -> Expr:
    values = _values(ctx, model, table)
    return values.cast("float64")


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    """`predict_proba`: of one margin the second class's value and what is left of 1 (_cls_predict_proba)."""
    values = _values(ctx, model, table)
    if str(_learner(model)["objective"]["name"]) == "multi:softmax":
        values = linked(values, "softmax")  # scipy's softmax of the margins
    elif _groups(model) == 1:
        values = concat([1.0 - values, values])
    return values.cast("float64")


def _class(ctx: Context, model: Any, table: Table) -> Expr:
    """`predict` of XGBClassifier: the largest share, or the second class above a half."""
    if str(_learner(model)["objective"]["name"]) == "multi:softmax":
        return ctx.answer(model, "decision_function", table).argmax()
    shares = ctx.answer(model, "predict_proba", table)
    if _groups(model) == 1:
        return (shares.columns([1]) > 0.5).cast("int64")
    if int(model.n_classes_) == 2:  # it then says of each column whether it is above a half, in float64
        raise ctx.refusal("XGBClassifier of several labels is not supported", hint="MultiOutputClassifier over it is.")
    return shares.argmax()


def _groups(model: Any) -> int:
    sizes = _learner(model)["learner_model_param"]
    return max(1, int(sizes["num_class"]), int(sizes.get("num_target", 1)))


def _tells(model: Any) -> Any:
    learner = _learner(model)
    kinds = learner["feature_types"]
    bools = [place for place, kind in enumerate(kinds) if kind == "i"]
    # XGBoost takes an unseen category for the next one in the alphabet, or refuses it: it has to be refused
    return tells(len(kinds), names(_encoders(learner)), closed=True, bools=bools)


_CLASSIFIER = Methods(predict=_class, predict_proba=_shares, decision_function=_margins, tells=_tells)
_REGRESSOR = Methods(predict=_predict, decision_function=_margins, tells=_tells)

CONVERTERS: Family = {
    xgboost.XGBClassifier: _CLASSIFIER,
    xgboost.XGBRFClassifier: _CLASSIFIER,
    xgboost.XGBRegressor: _REGRESSOR,
    xgboost.XGBRFRegressor: _REGRESSOR,
    xgboost.XGBRanker: replace(_REGRESSOR, numbers=True),
}
