"""Trees written as one ai.onnx.ml 5 TreeEnsemble, in single or double precision.

Operator: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html. Leaves are added in the order in which the
trees were, from the constants on, which is the order of the libraries themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from mlship.export.graph.expr import Expr

LESS_OR_EQUAL, LESS, MEMBER = 0, 1, 6
"""Modes of a node: `value <= split`, `value < split`, and value among the node's members."""
_SUM = 1
_NO_POST_TRANSFORM = 0

Ints = NDArray[np.int64]
Precise = Literal["float32", "float64"]


@dataclass(frozen=True)
class Tree:
    """One tree, arrays of shape [nodes]; the first node is the root.

    Attributes:
        left: The child where the test holds; -1 at a leaf.
        right: The other child.
        feature: Column tested.
        split: What it is compared with.
        missing_left: Whether NaN goes left.
        members: For nodes that test membership the values, which are whole numbers and at least one.
    """

    left: Ints
    right: Ints
    feature: Ints
    split: NDArray[Any]
    missing_left: NDArray[np.bool_]
    members: dict[int, list[int]] = field(default_factory=dict)

    def splits(self) -> dict[int, list[float]]:
        """Return the values that each column is compared with."""
        inner = self.left != -1
        inner[list(self.members)] = False
        columns = np.unique(self.feature[inner]).tolist()
        return {column: np.unique(self.split[inner & (self.feature == column)]).tolist() for column in columns}


class Forest:
    """Trees under construction.

    Args:
        targets: Number of sums that leaves add to.
        mode: How nodes that test no membership compare: `LESS` or `LESS_OR_EQUAL`.
        kind: The arithmetic.
    """

    def __init__(self, targets: int, mode: int, kind: Precise) -> None:
        self._targets, self._mode, self._kind = targets, mode, np.dtype(kind)
        self._roots: list[int] = []
        self._nodes: dict[str, list[NDArray[Any]]] = {name: [] for name in _NODE_LISTS}
        self._members: list[float] = []
        self._leaf_targets: list[Ints] = []
        self._leaf_weights: list[NDArray[Any]] = []
        self._count = self._leaves = 0

    def add_constant(self, target: int, weight: float) -> None:
        """Add a number to a target's sum, at this place in the order of summation."""
        leaf = np.array([-1])
        self.add_tree(target, Tree(leaf, leaf, leaf, np.zeros(1), np.zeros(1, dtype=np.bool_)), np.array([weight]))

    def add_tree(self, target: int | Ints, tree: Tree, weights: NDArray[Any]) -> None:
        """Add a tree.

        Args:
            target: The sum that its leaves add to, or [nodes], that of each.
            tree: The tree.
            weights: [nodes]; what each node adds where it is a leaf.
        """
        is_leaf = tree.left == -1
        inner, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
        # the place of each node among the ensemble's nodes or leaves
        place = np.empty(len(is_leaf), dtype=np.int64)
        place[inner] = self._count + np.arange(len(inner))
        place[leaves] = self._leaves + np.arange(len(leaves))
        self._roots.append(self._count)
        if len(inner):
            left, right = tree.left[inner], tree.right[inner]
            modes = np.full(len(inner), self._mode, dtype=np.uint8)
            if tree.members:
                modes[np.isin(inner, list(tree.members))] = MEMBER
            self._extend(
                nodes_featureids=tree.feature[inner],
                nodes_splits=np.where(modes == MEMBER, 0, tree.split[inner]),
                nodes_modes=modes,
                nodes_missing_value_tracks_true=tree.missing_left[inner],
                nodes_truenodeids=place[left],
                nodes_trueleafs=is_leaf[left],
                nodes_falsenodeids=place[right],
                nodes_falseleafs=is_leaf[right],
            )
            for node in inner[modes == MEMBER].tolist():
                self._members += [*tree.members[node], np.nan]
        else:  # a tree is no leaf to the operator: both ways from a node lead to it
            one, zero, leaf = np.ones(1), np.zeros(1), np.array([self._leaves])
            self._extend(
                nodes_featureids=zero,
                nodes_splits=zero,
                nodes_modes=np.array([self._mode], dtype=np.uint8),
                nodes_missing_value_tracks_true=zero,
                nodes_truenodeids=leaf,
                nodes_trueleafs=one,
                nodes_falsenodeids=leaf,
                nodes_falseleafs=one,
            )
        self._leaf_targets.append(np.broadcast_to(target, len(is_leaf))[leaves])
        self._leaf_weights.append(weights[leaves])
        self._leaves += len(leaves)

    def _extend(self, **lists: NDArray[Any]) -> None:
        for name, values in lists.items():
            self._nodes[name].append(values)
        self._count += len(lists["nodes_modes"])

    def answer(self, rows: Expr) -> Expr:
        """Add the operator; the sums are [rows, targets].

        Args:
            rows: The rows [rows, columns], of the forest's arithmetic.
        """
        lists = {name: np.concatenate(parts) for name, parts in self._nodes.items()}
        tensors = {
            "nodes_splits": lists.pop("nodes_splits").astype(self._kind),
            "nodes_modes": lists.pop("nodes_modes"),
            "leaf_weights": np.concatenate(self._leaf_weights).astype(self._kind),
        }
        if self._members:
            tensors["membership_values"] = np.array(self._members, dtype=self._kind)
        return rows.op(
            "TreeEnsemble",
            domain="ai.onnx.ml",
            aggregate_function=_SUM,
            post_transform=_NO_POST_TRANSFORM,
            n_targets=self._targets,
            tree_roots=self._roots,
            leaf_targetids=np.concatenate(self._leaf_targets).tolist(),
            **{name: values.astype(np.int64).tolist() for name, values in lists.items()},
            **{name: numpy_helper.from_array(values, name) for name, values in tensors.items()},
        )


_NODE_LISTS = (
    "nodes_featureids",
    "nodes_splits",
    "nodes_modes",
    "nodes_missing_value_tracks_true",
    "nodes_truenodeids",
    "nodes_trueleafs",
    "nodes_falsenodeids",
    "nodes_falseleafs",
)
