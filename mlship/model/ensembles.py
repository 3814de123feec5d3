"""Reading the trees of an `ai.onnx.ml` 5 TreeEnsemble out of a graph.

Operator: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

ML_DOMAIN = "ai.onnx.ml"
SUM, _MEMBER = 1, 6  # values of `aggregate_function` and of `nodes_modes`
_MOST_TREES = 4000  # each takes time to open and a little in every call
_FEWEST_NODES = 1000  # of an ensemble; a smaller one takes no time worth saving
_SMALLEST = 12.0  # nodes of a tree on average; smaller trees stay in the cache all together
_MOST_LEAVES = 1 << 24  # of a tree whose leaves are numbered: float32 holds every whole number up to it
_IDS = ("nodes_truenodeids", "nodes_falsenodeids")
_LEAFS = ("nodes_trueleafs", "nodes_falseleafs")
_SIDES = tuple(zip(_IDS, _LEAFS, strict=True))
INTS = ("nodes_featureids", *_IDS, *_LEAFS, "nodes_missing_value_tracks_true")
TENSORS = ("nodes_splits", "nodes_modes")
_KNOWN = {
    *INTS, *TENSORS, "tree_roots", "leaf_targetids", "leaf_weights", "membership_values", "n_targets",
    "aggregate_function", "post_transform",
}  # fmt: skip


@dataclass(frozen=True)
class Tree:
    """One tree, with nodes and leaves counted from its own first.

    Attributes:
        nodes: [nodes] of each attribute that has one value a node.
        members: The values of its membership tests, each test's ended by NaN.
        target: The sum that its leaves add to.
        weights: [leaves]; what each adds.
    """

    nodes: dict[str, NDArray[Any]]
    members: NDArray[Any]
    target: int
    weights: NDArray[Any]

    def shape(self) -> bytes:
        """Return what tells trees apart whose rows go different ways."""
        return b"".join(part.tobytes() for part in (*self.nodes.values(), self.members))


@dataclass(frozen=True)
class Ensemble:
    """An operator that can be laid out.

    Attributes:
        targets: Number of its sums.
        groups: Its trees in order; those of a group send rows the same ways, each adding to a sum of its own.
    """

    targets: int
    groups: list[list[Tree]]

    @property
    def shared(self) -> bool:
        """Whether every group adds to all sums, in order."""
        return self.targets > 1 and all(
            [tree.target for tree in group] == list(range(self.targets)) for group in self.groups
        )


def read_ensemble(node: Any) -> Ensemble | None:
    """Read an operator; None when it is no ensemble, or one that had better stay as it is."""
    if not _is_ensemble(node):
        return None
    from onnx import numpy_helper

    given = {item.name: item for item in node.attribute}
    if not given.keys() <= _KNOWN or given["aggregate_function"].i != SUM or given["post_transform"].i:
        return None
    trees, targets = _trees(given), int(given["n_targets"].i)
    if trees is None or len(trees) < 2 or {tree.target for tree in trees} != set(range(targets)):
        return None
    ensemble = Ensemble(targets, list(_groups(trees)))
    count = len(numpy_helper.to_array(given["nodes_modes"].t))
    alike = sum(len(group) > 1 for group in ensemble.groups) * 2 > len(ensemble.groups)
    pays = count >= _FEWEST_NODES and len(trees) <= _MOST_TREES and (alike or count >= _SMALLEST * len(trees))
    return ensemble if pays else None


def _trees(given: dict[str, Any]) -> list[Tree] | None:
    """The trees in their order; None where they are no plain sequence, or one has leaves of several sums."""
    from onnx import numpy_helper

    nodes: dict[str, Any] = {name: numpy_helper.to_array(given[name].t) for name in TENSORS}
    count = len(nodes["nodes_modes"])
    for name in INTS:
        values = given[name].ints if name in given else ()
        nodes[name] = np.fromiter(values, np.int64, len(values)) if len(values) else np.zeros(count, dtype=np.int64)
    weights = numpy_helper.to_array(given["leaf_weights"].t)
    targets = np.fromiter(given["leaf_targetids"].ints, np.int64, len(weights))
    members = _Members(nodes["nodes_modes"], given)
    bounds = [*given["tree_roots"].ints, count]
    if bounds[0] != 0 or any(end <= begin for begin, end in pairwise(bounds)):
        return None
    trees = []
    for begin, end in pairwise(bounds):
        own = {name: values[begin:end] for name, values in nodes.items()}
        leaves = np.unique(np.concatenate([own[ids][own[leafs] != 0] for ids, leafs in _SIDES]))
        for ids, leafs in _SIDES:
            is_leaf = own[leafs] != 0
            own[ids] = np.where(is_leaf, np.searchsorted(leaves, own[ids]), own[ids] - begin)
            if not ((own[ids] >= 0) & (is_leaf | (own[ids] < end - begin))).all():
                return None
        if (targets[leaves] != targets[leaves[0]]).any() or len(leaves) > _MOST_LEAVES:
            return None
        trees.append(Tree(own, members.of(begin, end), int(targets[leaves[0]]), weights[leaves]))
    return trees


class _Members:
    """The values of the membership tests of an ensemble, which stand in the order of the nodes."""

    def __init__(self, modes: NDArray[np.uint8], given: dict[str, Any]) -> None:
        from onnx import numpy_helper

        known = given.get("membership_values")
        self._values: NDArray[Any] = numpy_helper.to_array(known.t) if known is not None else np.empty(0)
        self._starts = np.append(0, np.flatnonzero(np.isnan(self._values)) + 1)
        self._before = np.append(0, np.cumsum(modes == _MEMBER))

    def of(self, begin: int, end: int) -> NDArray[Any]:
        """Return the values for nodes from `begin` up to `end`."""
        return self._values[self._starts[self._before[begin]] : self._starts[self._before[end]]]


def _groups(trees: list[Tree]) -> Iterator[list[Tree]]:
    """Put neighbours that send rows the same ways together."""
    group: list[Tree] = []
    shape = b""
    for tree in trees:
        own = tree.shape()
        if group and (own != shape or tree.target <= group[-1].target):
            yield group
            group = []
        group.append(tree)
        shape = own
    yield group


def splits_of(graph: Any) -> dict[str, dict[int, NDArray[Any]]]:
    """Return the values that trees compare columns of a graph's inputs with, in order, as often as they do.

    Args:
        graph: The graph.

    Returns:
        By the input's name and the column's place; of inputs that the trees are given as they are.
    """
    from onnx import numpy_helper

    makers = {name: node for node in graph.node for name in node.output}
    inputs = {item.name for item in graph.input}
    parts: dict[str, dict[int, list[NDArray[Any]]]] = {}
    for node in graph.node:
        if not _is_ensemble(node):
            continue
        source = node.input[0]
        while source in makers and makers[source].op_type in ("Cast", "Identity"):
            source = makers[source].input[0]
        if source not in inputs:
            continue
        given = {item.name: item for item in node.attribute}
        columns = np.fromiter(given["nodes_featureids"].ints, np.int64)
        values = numpy_helper.to_array(given["nodes_splits"].t)
        fit = np.isfinite(values) & (numpy_helper.to_array(given["nodes_modes"].t) != _MEMBER)
        for column in np.unique(columns[fit]).tolist():
            parts.setdefault(source, {}).setdefault(column, []).append(values[fit & (columns == column)])
    return {
        name: {column: np.sort(np.concatenate(found)) for column, found in of_input.items()}
        for name, of_input in parts.items()
    }


def _is_ensemble(node: Any) -> bool:
    return bool(node.op_type == "TreeEnsemble" and node.domain == ML_DOMAIN)
