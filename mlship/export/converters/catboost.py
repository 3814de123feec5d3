"""CatBoost's trees on numbers, read from its JSON: float32 borders, and float64 leaves that are added tree by tree.

CatBoost rounds rows to float32 and takes `value > border`; the sum is scaled, and then the bias is added
(https://github.com/catboost/catboost/blob/master/catboost/libs/model/cpu/evaluator_impl.cpp).
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import catboost
import numpy as np

from mlship.export.converters.forest import LESS_OR_EQUAL, Forest, Tree
from mlship.export.converters.labels import two
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_EXPONENTS = ("Poisson", "Tweedie")
_IDENTITY = (
    "RMSE", "MultiRMSE", "MAE", "Quantile", "MultiQuantile", "LogCosh", "Huber", "Expectile", "MAPE", "Lq",
    "LogLinQuantile", "Cox", "YetiRank", "YetiRankPairwise", "PairLogit", "PairLogitPairwise", "QueryRMSE",
    "QuerySoftMax", "StochasticFilter", "StochasticRank", "LambdaMart",
)  # fmt: skip


def _document(model: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _checked(ctx: Context, model: Any) -> dict[str, Any]:
    """The document of a model of numbers alone."""
    for kind, places in (
        ("categorical", model.get_cat_feature_indices()),
        ("text", model.get_text_feature_indices()),
        ("embedding", model.get_embedding_feature_indices()),
    ):
        if len(places):
            raise ctx.refusal(
                f"CatBoost with {kind} features is not supported: it hashes them and counts them in tables of its own",
                hint="Encode them before CatBoost, with OneHotEncoder or TargetEncoder in a Pipeline.",
            )
    return _document(model)


@dataclass
class _Nodes:
    """The nodes of a tree under construction, with what each adds where it is a leaf: a number for each target."""

    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    split: list[float] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    leaves: list[list[float]] = field(default_factory=list)

    def add(self, test: _Test | None, leaf: list[float]) -> int:
        """Add a node, without children yet, and return its place."""
        feature, border, missing_left = test or (0, 0.0, False)
        self.left.append(-1)
        self.right.append(-1)
        self.feature.append(feature)
        self.split.append(border)
        self.missing_left.append(missing_left)
        self.leaves.append(leaf)
        return len(self.left) - 1

    def tree(self) -> Tree:
        """Return the tree."""
        return Tree(
            np.array(self.left),
            np.array(self.right),
            np.array(self.feature),
            np.array(self.split),
            np.array(self.missing_left),
        )


_Test = tuple[int, float, bool]
"""A column, the border above which a row goes right, and whether NaN goes left."""


def _tests(document: dict[str, Any]) -> Callable[[dict[str, Any]], _Test]:
    features = {item["feature_index"]: item for item in document["features_info"]["float_features"]}

    def test(split: dict[str, Any]) -> _Test:
        feature = features[split["float_feature_index"]]
        return feature["flat_feature_index"], split["border"], feature["nan_value_treatment"] != "AsTrue"

    return test


def _symmetric(raw: dict[str, Any], test: Callable[[dict[str, Any]], _Test], targets: int) -> _Nodes:
    """A tree whose nodes of one depth all test the same; the first split is the lowest bit of a leaf's place."""
    nodes = _Nodes()
    tests = [test(split) for split in raw.get("splits") or []][::-1]  # the root tests the highest bit
    inner = 2 ** len(tests) - 1
    for place in range(inner):
        nodes.add(tests[(place + 1).bit_length() - 1], [0.0] * targets)
    nodes.left[:], nodes.right[:] = range(1, 2 * inner, 2), range(2, 2 * inner + 1, 2)
    for leaf in range(inner + 1):
        nodes.add(None, raw["leaf_values"][leaf * targets : (leaf + 1) * targets])
    return nodes


def _other(raw: dict[str, Any], test: Callable[[dict[str, Any]], _Test], targets: int) -> _Nodes:
    """A tree of any shape."""
    nodes = _Nodes()
    waiting: list[tuple[dict[str, Any], list[int] | None, int]] = [(raw, None, 0)]
    while waiting:
        item, sides, parent = waiting.pop()
        is_leaf = "split" not in item
        place = nodes.add(
            None if is_leaf else test(item["split"]), _values_of(item["value"]) if is_leaf else [0.0] * targets
        )
        if sides is not None:
            sides[parent] = place
        if not is_leaf:
            waiting += [(item["left"], nodes.left, place), (item["right"], nodes.right, place)]
    return nodes


def _values_of(value: float | list[float]) -> list[float]:
    return value if isinstance(value, list) else [value]


def _raw(ctx: Context, model: Any, table: Table) -> Expr:
    """The raw formula's values, [rows, targets]."""
    document = _checked(ctx, model)
    scale, bias = document["scale_and_bias"]
    targets = len(bias)
    test = _tests(document)
    forest = Forest(targets, LESS_OR_EQUAL, "float64")
    for target in range(targets):
        forest.add_constant(target, 0.0)
    read = _symmetric if "oblivious_trees" in document else _other
    for raw in document.get("oblivious_trees") or document.get("trees") or []:
        nodes = read(raw, test, targets)
        tree, leaves = nodes.tree(), np.array(nodes.leaves, dtype=np.float64)
        for column, splits in tree.splits().items():
            ctx.jumps(table, column, splits)
        for target in range(targets):
            forest.add_tree(target, tree, leaves[:, target])
    sums = forest.answer(table.numbers().cast("float32").cast("float64"))
    return sums * float(scale) + np.array([bias], dtype=np.float64)


def _loss(model: Any) -> str:
    return str(model.get_all_params().get("loss_function", "")).partition(":")[0]


def _predict(ctx: Context, model: Any, table: Table) -> Expr:
    raw = ctx.answer(model, "decision_function", table)
    loss = _loss(model)
    if loss in _EXPONENTS:
        return raw.exp()
    if loss not in _IDENTITY:
        raise ctx.refusal(f"CatBoost's loss function {loss!r} is not supported")
    return raw


def _shares(ctx: Context, model: Any, table: Table) -> Expr:
    raw = ctx.answer(model, "decision_function", table)
    loss = _loss(model)
    if loss in ("Logloss", "CrossEntropy"):
        return two(raw.sigmoid())
    if loss == "MultiClass":
        shares = (raw - raw.max()).exp()
        return shares / shares.sum()
    if loss == "MultiClassOneVsAll":
        return raw.sigmoid()
    raise ctx.refusal(f"CatBoost's loss function {loss!r} is not supported")


def _class(ctx: Context, model: Any, table: Table) -> Expr:
    raw = ctx.answer(model, "decision_function", table)
    if _loss(model) not in ("Logloss", "CrossEntropy"):
        return raw.argmax()
    share = float(model.get_probability_threshold())
    return (raw > math.log(share / (1.0 - share))).cast("int64")


def _names(model: Any) -> list[str] | None:
    """The columns' names; of a model fitted without CatBoost makes them up: `0`, `1` and so on."""
    names = list(model.feature_names_)
    return None if names == [str(place) for place in range(len(names))] else names


_CLASSIFIER = Methods(predict=_class, predict_proba=_shares, decision_function=_raw, names=_names)
_NUMBERS = Methods(predict=_predict, decision_function=_raw, names=_names, numbers=True)

CONVERTERS: Family = {
    catboost.CatBoostClassifier: _CLASSIFIER,
    catboost.CatBoostRegressor: _NUMBERS,
    catboost.CatBoostRanker: _NUMBERS,
}
