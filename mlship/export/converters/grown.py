"""scikit-learn's fitted trees, as the trees of a TreeEnsemble.

Rows are rounded to float32, as every tree of scikit-learn does with its rows; thresholds, leaves and sums stay float64,
and leaves are added in the order in which the trees are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.export.converters.forest import LESS_OR_EQUAL, Forest, Tree
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.table import Table

_MOST_SPLITS = 500  # of one column that a proof is told; past it they lie close together


class Grove:
    """Trees of scikit-learn whose leaves are added up.

    Args:
        ctx: The conversion.
        table: What the trees are given.
        targets: Number of sums.
    """

    def __init__(self, ctx: Context, table: Table, targets: int) -> None:
        self._ctx, self._table = ctx, table
        self._forest = Forest(targets, LESS_OR_EQUAL, "float64")
        self._splits = Splits()

    def add_constant(self, target: int, weight: float) -> None:
        """Add a number to a sum, at this place in the order of summation."""
        self._forest.add_constant(target, weight)

    def add(self, tree: Any, weights: NDArray[Any], *, first: int = 0, columns: Sequence[int] | None = None) -> None:
        """Add a tree.

        Args:
            tree: A `sklearn.tree._tree.Tree`.
            weights: [nodes, k]; what each leaf adds to each of k sums.
            first: The first of these sums.
            columns: For each column that the tree knows the place of the table's column that it is; the same as the
                table's when not given.
        """
        nodes = tree_of(tree, columns)
        self._splits.add(nodes)
        for place in range(weights.shape[1]):
            self._forest.add_tree(first + place, nodes, np.ascontiguousarray(weights[:, place], dtype=np.float64))

    def add_marks(self, tree: Any, leaves: NDArray[Any], first: int) -> None:
        """Add a tree each leaf of which adds 1 to a sum of its own.

        Args:
            tree: A `sklearn.tree._tree.Tree`.
            leaves: The numbers of its leaves.
            first: The sum of the first of them.
        """
        nodes = tree_of(tree)
        self._splits.add(nodes)
        targets = np.zeros(len(nodes.left), dtype=np.int64)
        targets[leaves] = first + np.arange(len(leaves))
        self._forest.add_tree(targets, nodes, np.ones(len(nodes.left)))

    def sums(self) -> Expr:
        """Add the operator; what comes out is [rows, targets]."""
        self._splits.note(self._ctx, self._table)
        return self._forest.answer(self._table.numbers().cast("float32").cast("float64"))


class Splits:
    """What the columns are compared with in many trees."""

    def __init__(self) -> None:
        self._seen: dict[int, list[list[float]]] = {}

    def add(self, tree: Tree) -> None:
        """Take the splits of a tree."""
        for column, splits in tree.splits().items():
            self._seen.setdefault(column, []).append(splits)

    def note(self, ctx: Context, table: Table) -> None:
        """Tell the proof of them; of very many, of some evenly spread, the smallest and the largest included."""
        for column, parts in self._seen.items():
            every = np.unique(np.concatenate(parts))
            picked = np.unique(np.linspace(0, len(every) - 1, _MOST_SPLITS).astype(np.int64))
            ctx.jumps(table, column, every[picked].tolist())


def tree_of(tree: Any, columns: Sequence[int] | None = None) -> Tree:
    """Read the nodes of a `sklearn.tree._tree.Tree`; see `Grove.add`."""
    nodes = tree.__getstate__()["nodes"]
    left = nodes["left_child"].astype(np.int64)
    feature = np.where(left == -1, 0, nodes["feature"]).astype(np.int64)
    if columns is not None:
        feature = np.asarray(columns, dtype=np.int64)[feature]
    return Tree(
        left,
        nodes["right_child"].astype(np.int64),
        feature,
        nodes["threshold"].astype(np.float64),
        nodes["missing_go_to_left"].astype(np.bool_),
    )


def leaves_of(tree: Any) -> NDArray[np.bool_]:
    """Return which nodes of a `sklearn.tree._tree.Tree` are leaves."""
    found: NDArray[np.bool_] = tree.children_left == -1
    return found
