"""Decision trees written as one ai.onnx.ml 5 TreeEnsemble in double precision.

Operator: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html. Thresholds and leaves stay
float64; leaves are summed in the order in which the trees are added, which is the original's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from mlship.export.graph.expr import Expr

_LESS_OR_EQUAL = 0
_SUM = 1
_NO_POST_TRANSFORM = 0


@dataclass(frozen=True)
class Nodes:
    """The nodes of one fitted scikit-learn tree, arrays of shape [nodes].

    Attributes:
        left: Child for `value <= threshold`; -1 at a leaf.
        right: The other child.
        feature: Column tested.
        threshold: float64 threshold.
        missing_left: Whether NaN goes left.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]


def nodes_of(tree: Any) -> Nodes:
    """Read the nodes of a `sklearn.tree._tree.Tree`."""
    if hasattr(tree, "missing_go_to_left"):
        missing = np.asarray(tree.missing_go_to_left, dtype=np.bool_)
    else:
        state = tree.__getstate__()["nodes"]
        known = "missing_go_to_left" in (state.dtype.names or ())
        missing = state["missing_go_to_left"].astype(np.bool_) if known else np.zeros(len(state), dtype=np.bool_)
    return Nodes(tree.children_left, tree.children_right, tree.feature, tree.threshold, missing)


@dataclass
class Ensemble:
    """Trees under construction.

    Attributes:
        targets: Number of sums that the leaves add to.
    """

    targets: int
    _roots: list[int] = field(default_factory=list)
    _features: list[int] = field(default_factory=list)
    _splits: list[float] = field(default_factory=list)
    _true: list[int] = field(default_factory=list)
    _true_leaf: list[int] = field(default_factory=list)
    _false: list[int] = field(default_factory=list)
    _false_leaf: list[int] = field(default_factory=list)
    _missing_true: list[int] = field(default_factory=list)
    _leaf_targets: list[int] = field(default_factory=list)
    _leaf_weights: list[float] = field(default_factory=list)

    def add_constant(self, target: int, weight: float) -> None:
        """Add a number to a target's sum, at this place in the order of summation."""
        self._roots.append(self._node(0, 0.0, missing_left=False))
        leaf = self._leaf(target, weight)
        self._point(self._roots[-1], (leaf, 1), (leaf, 1))

    def add_tree(self, target: int, nodes: Nodes, weight: Callable[[int], float]) -> None:
        """Add a tree whose leaves add to one target.

        Args:
            target: The sum.
            nodes: The tree.
            weight: Gives the float64 weight of a leaf from its node number.
        """
        if nodes.left[0] == -1:
            self.add_constant(target, weight(0))
            return
        self._roots.append(len(self._features))
        waiting = [(0, self._inner(nodes, 0))]
        while waiting:
            node, place = waiting.pop()
            children = []
            for child in (int(nodes.left[node]), int(nodes.right[node])):
                if nodes.left[child] == -1:
                    children.append((self._leaf(target, weight(child)), 1))
                else:
                    inner = self._inner(nodes, child)
                    waiting.append((child, inner))
                    children.append((inner, 0))
            self._point(place, children[0], children[1])

    def answer(self, rows: Expr) -> Expr:
        """Add the operator; the sums are [rows, targets].

        Args:
            rows: The rows, float64 [rows, columns].
        """
        return rows.op("TreeEnsemble", domain="ai.onnx.ml", **self.attributes())

    def attributes(self) -> dict[str, Any]:
        """Return the operator's attributes."""
        count = len(self._features)
        return {
            "aggregate_function": _SUM,
            "post_transform": _NO_POST_TRANSFORM,
            "n_targets": self.targets,
            "tree_roots": self._roots,
            "nodes_featureids": self._features,
            "nodes_modes": numpy_helper.from_array(np.full(count, _LESS_OR_EQUAL, dtype=np.uint8), "nodes_modes"),
            "nodes_splits": numpy_helper.from_array(np.array(self._splits, dtype=np.float64), "nodes_splits"),
            "nodes_truenodeids": self._true,
            "nodes_trueleafs": self._true_leaf,
            "nodes_falsenodeids": self._false,
            "nodes_falseleafs": self._false_leaf,
            "nodes_missing_value_tracks_true": self._missing_true,
            "leaf_targetids": self._leaf_targets,
            "leaf_weights": numpy_helper.from_array(np.array(self._leaf_weights, dtype=np.float64), "leaf_weights"),
        }

    def _inner(self, nodes: Nodes, node: int) -> int:
        return self._node(
            int(nodes.feature[node]), float(nodes.threshold[node]), missing_left=bool(nodes.missing_left[node])
        )

    def _node(self, feature: int, split: float, *, missing_left: bool) -> int:
        self._features.append(feature)
        self._splits.append(split)
        self._missing_true.append(int(missing_left))
        for children in (self._true, self._true_leaf, self._false, self._false_leaf):
            children.append(0)
        return len(self._features) - 1

    def _leaf(self, target: int, weight: float) -> int:
        self._leaf_targets.append(target)
        self._leaf_weights.append(float(weight))
        return len(self._leaf_weights) - 1

    def _point(self, place: int, true: tuple[int, int], false: tuple[int, int]) -> None:
        self._true[place], self._true_leaf[place] = true
        self._false[place], self._false_leaf[place] = false
